"""Compares onestep's feature networks with the packages that they are from, on the same images and weights.

    bench/venv/bin/pip install -r bench/requirements-evaluation.txt
    bench/venv/bin/python bench/check_evaluation.py --onestep target/release/onestep

Inception gets random weights, which tell a wrong network from a right one as well as trained ones do, and need no download.
`--inception FILE` takes a file of weights instead.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from originals import (
    bare_inception,
    bicubic,
    efficientnet_lite0,
    pytorch_fid_inception,
    state_dict,
    torch_fidelity_inception,
)
from safetensors.numpy import load_file


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onestep", default="target/release/onestep")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--inception", help="a file of weights in torchvision's names, instead of random ones")
    options = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        ok = check_inception(options, Path(folder)) & check_efficientnet(options, Path(folder))
    sys.exit(0 if ok else 1)


def dump(options, network, folder):
    """What onestep sees in its images: `case.safetensors`, and `weights.safetensors` where it made them up."""
    command = [options.onestep, "--quiet", "bench", network, "--batch", str(options.images), "--seconds", "0"]
    subprocess.run([*command, "--dump", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return load_file(folder / "case.safetensors")


def check_inception(options, folder):
    if options.inception:
        case, state = dump(options, options.inception, folder), torch.load(options.inception, weights_only=True)
    else:
        case = dump(options, "inception", folder)
        state = state_dict(folder / "weights.safetensors")
    images = torch.from_numpy(case["images"]).permute(0, 3, 1, 2)
    path = str(folder / "weights.pth")
    torch.save(state, path)

    ok = True
    if not options.inception:
        for name, file in containers(state, folder):
            again = dump(options, str(file), folder / name)
            same = all(np.array_equal(case[key], again[key]) for key in case)
            print(f"{'weights from ' + name:<48} {'the same bits' if same else 'OTHER NUMBERS'}")
            ok &= same

    extractor = torch_fidelity_inception(path, ["2048", "logits_unbiased"])
    pooled, logits = extractor(images)
    ok &= compare("torch-fidelity, features", case["tf1.pooled"], pooled)
    ok &= compare("torch-fidelity, logits", case["tf1.logits"], logits)
    (pooled,) = pytorch_fid_inception(state)(images.float() / 255)
    ok &= compare("pytorch-fid, features", case["pytorch.pooled"], pooled.flatten(1))

    # Resizing by Pillow, and features of places: by the network that pytorch-fid wraps.
    network = bare_inception(state)
    resized = torch.from_numpy(np.stack([bicubic(image, 299) for image in case["images"]]))
    ok &= compare("Pillow's bicubic, features", case["bicubic.pooled"], features(network, resized))
    seen = []
    network.Mixed_6d.branch1x1.register_forward_hook(lambda _, __, output: seen.append(output))
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x as tensorflow

    features(network, tensorflow(images.float(), size=(299, 299), align_corners=False))
    spatial = seen[0][:, :7].permute(0, 2, 3, 1).flatten(1)
    ok &= compare("TensorFlow's bilinear, features of places", case["tf1.spatial"], spatial)
    return ok


def features(network, resized):
    """The features of images of 299x299, 0 to 255: the input of the last layer."""
    pooled = []
    handle = network.fc.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    network((resized - 128) / 128)
    handle.remove()
    return pooled[0]


def containers(state, folder):
    """The same weights in each kind of file that PyTorch writes."""
    torch.save(state, folder / "zip.pth")
    yield "a zip of torch.save", folder / "zip.pth"
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    yield "an old file of torch.save", folder / "legacy.pth"
    torch.jit.script(nested(state)).save(str(folder / "script.pt"))
    yield "TorchScript", folder / "script.pt"


class Nothing(torch.nn.Module):
    """A module that holds what others need."""

    def forward(self, x: torch.Tensor):
        return x


def nested(state):
    """Modules whose state dict this is."""
    root = Nothing()
    for name, array in state.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, Nothing())
            module = getattr(module, part)
        module.register_buffer(last, array)
    return root


def check_efficientnet(options, folder):
    case = dump(options, "effnet-lite0", folder)
    network = efficientnet_lite0()
    resized = torch.from_numpy(np.stack([bicubic(image, 224) for image in case["images"]]))
    inputs = (resized - 127) / 128
    pooled = network.extract_features(inputs).mean((2, 3))
    # The weights that come along are rounded to half precision.
    ok = compare("efficientnet-lite-pytorch, features", case["bicubic.pooled"], pooled, tolerance=2e-2)
    ok &= compare("efficientnet-lite-pytorch, logits", case["bicubic.logits"], network(inputs), tolerance=2e-2)
    best, expected = case["bicubic.logits"].argmax(1), network(inputs).argmax(1).numpy()
    print(f"{'the same class comes first':<48} {(best == expected).sum()} of {len(best)} images")
    return ok


def compare(what, ours, theirs, tolerance=1e-5):
    """Prints the largest and the mean-square difference, as parts of the largest value and of the whole."""
    theirs = theirs.numpy().astype(np.float64)
    difference = ours.astype(np.float64) - theirs
    largest = np.abs(difference).max() / np.abs(theirs).max()
    whole = np.linalg.norm(difference) / np.linalg.norm(theirs)
    ok = bool(largest <= tolerance)
    print(f"{what:<48} largest {largest:.1e} of the largest value, {whole:.1e} overall{'' if ok else '  TOO MUCH'}")
    return ok


if __name__ == "__main__":
    main()
