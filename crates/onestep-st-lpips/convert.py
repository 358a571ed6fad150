"""Makes st-lpips-alex.safetensors from the published weights.

    python -m venv venv
    venv/bin/pip install torch numpy safetensors
    venv/bin/pip install --no-deps stlpips-pytorch==0.0.2
    venv/bin/python crates/onestep-st-lpips/convert.py crates/onestep-st-lpips/st-lpips-alex.safetensors

Weights of convolutions are rounded to half precision; biases and heads stay in single. What is no weight, the blurs' filter and
the scaling of images, is left out: it is part of the program. Names and layouts stay PyTorch's. The same input gives the same
bytes.
"""

import sys
from importlib.metadata import distribution

import torch
from safetensors.torch import save_file

FILE = "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth"


def main() -> None:
    # The package itself is not imported: it would ask for much that is not needed here.
    path = distribution("stlpips-pytorch").locate_file(FILE)
    state = torch.load(path, map_location="cpu", weights_only=True)
    arrays = {}
    for name, array in state.items():
        if name.endswith(".filt") or name.startswith(("scaling_layer.", "lins.")):
            continue
        is_kernel = name.startswith("net.") and name.endswith(".weight")
        arrays[name] = (array.half() if is_kernel else array.float()).contiguous()
        assert torch.isfinite(arrays[name]).all(), f"{name} does not fit into its type"
    save_file(arrays, sys.argv[1])


if __name__ == "__main__":
    main()
