"""Compares onestep's perceptual distances with the packages that they are from, on the same pictures and weights.

    bench/venv/bin/pip install -r bench/requirements-evaluation.txt
    bench/venv/bin/pip install --no-deps stlpips-pytorch==0.0.2 lpips==0.1.4
    bench/venv/bin/python bench/check_perceptual.py --onestep target/release/onestep

ST-LPIPS has its published weights. LPIPS has its published heads on trunks of random weights, which tell a wrong network from a
right one as well as trained ones do, and need no download; `--vgg16 FILE` and `--alexnet FILE` take torchvision's files instead.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import lpips
import numpy as np
import torch
from PIL import Image

ATLAS = Path(__file__).parent.parent / "crates/onestep-emoji/emoji32-atlas.png"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onestep", default="target/release/onestep")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--vgg16", help="torchvision's vgg16-397923af.pth, instead of random weights")
    parser.add_argument("--alexnet", help="torchvision's alexnet-owt-7be5be79.pth, instead of random weights")
    options = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        folder = Path(folder)
        pictures = {size: pairs(folder, options.images, size) for size in (32, 64)}
        ok = check(options, "st-lpips", [], shift_tolerant(), pictures, 4e-3)
        for name, net, given in [("lpips", "vgg", options.vgg16), ("lpips-alex", "alex", options.alexnet)]:
            network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval()
            heads = Path(lpips.__file__).parent / f"weights/v0.1/{net}.pth"
            for trunk in trunks(network, given, folder, net):
                files = ["--trunk", str(trunk), "--heads", str(heads)]
                ok &= check(options, name, files, network, pictures, 2e-5)
    sys.exit(0 if ok else 1)


def pairs(folder, count, size):
    """Two folders of emoji, every second one in each."""
    atlas, folders = Image.open(ATLAS).convert("RGB"), []
    for side in range(2):
        path = folder / f"{size}-{side}"
        path.mkdir()
        for i in range(count):
            number = 97 * i + 13 * side
            left, top = number % 48 * 32, number // 48 * 32
            emoji = atlas.crop((left, top, left + 32, top + 32)).resize((size, size), Image.BICUBIC)
            emoji.save(path / f"{i:03}.png")
        folders.append(path)
    return folders


def shift_tolerant():
    # The package imports two others that it does not need to compute.
    for name, function in [("IPython", "embed"), ("torchsummary", "summary")]:
        sys.modules.setdefault(name, types.ModuleType(name)).__dict__.setdefault(function, None)
    from stlpips_pytorch import stlpips

    # Version 0.1 is that of the scaling of images; the weights have a version of their own.
    return stlpips.LPIPS(net="alex", variant="shift_tolerant", verbose=False).eval()


def trunks(network, given, folder, net):
    """Gives the package a trunk, and the files that onestep is to read it from."""
    if given:
        state = torch.load(given, map_location="cpu", weights_only=True)
        for name, parameter in network.net.named_parameters():
            parameter.copy_(state["features." + name.partition(".")[2]])
        return [Path(given)]
    names = {name: "features." + name.partition(".")[2] for name, _ in network.net.named_parameters()}
    state = {names[name]: parameter.detach().clone() for name, parameter in network.net.named_parameters()}
    state["classifier.6.bias"] = torch.zeros(1000)
    files = [folder / f"{net}.pth", folder / f"{net}-old.pth"]
    torch.save(state, files[0])
    torch.save(state, files[1], _use_new_zipfile_serialization=False)
    return files


def check(options, name, files, network, pictures, bound):
    ok = True
    for size, (a, b) in pictures.items():
        command = [options.onestep, "--quiet", "eval", "distance", str(a), str(b), "-d", name, "--json", *files]
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        ours = np.array(report["each"])
        theirs = network(batch(a), batch(b)).flatten().double().numpy()
        apart = np.abs(ours - theirs) / theirs
        ok &= bool(apart.max() <= bound)
        file = Path(files[1]).name if files else "built in"
        print(f"{name} ({file}), {len(ours)} pairs of {size}x{size}: mean {ours.mean():.6f} beside {theirs.mean():.6f}, "
              f"apart by {apart.max():.1e} at most, {apart.mean():.1e} on average")
    return ok


def batch(folder):
    images = [np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


if __name__ == "__main__":
    main()
