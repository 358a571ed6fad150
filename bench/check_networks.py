"""Compares the PyTorch networks with the numbers of the original implementations.

    python bench/check_networks.py FOLDER

FOLDER holds the cases `adm_unet_*` and `edm_*` that docs/testing.md speaks of. A network that does not agree with them
has no business in a comparison.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from model import Coefficients, TensorFile, features
from networks import build, ours
from problem import Problem

CASES = ["adm_unet_a", "adm_unet_b", "adm_unet_c", "adm_unet_d", "edm_ddpmpp", "edm_ncsnpp", "edm_skip"]


def adm_architecture(config):
    width = config["num_head_channels"]
    upsample = config["num_heads_upsample"]
    count = {"heads": config["num_heads"], "upsample": upsample if upsample > 0 else None}
    way = "convolution" if config["conv_resample"] else "pooling"
    return {
        "network": "adm",
        "image_size": config["image_size"],
        "out_channels": config["out_channels"],
        "model_channels": config["model_channels"],
        "num_res_blocks": config["num_res_blocks"],
        "attention_resolutions": [config["image_size"] // factor for factor in config["attention_resolutions"]],
        "channel_mult": config["channel_mult"],
        "n_classes": config["num_classes"],
        "heads": {"width": width} if width > 0 else {"count": count},
        "scale_shift_norm": config["use_scale_shift_norm"],
        "resample": "res_block" if config["resblock_updown"] else way,
        "dropout": 0.0,
    }


def song_architecture(config):
    names = {
        "img_resolution": "image_size",
        "label_dim": "n_classes",
        "attn_resolutions": "attention_resolutions",
        "embedding_type": "embedding",
        "encoder_type": "encoder",
        "decoder_type": "decoder",
    }
    taken = {names.get(name, name): value for name, value in config.items()}
    for foreign in ("img_channels", "model_type"):
        taken.pop(foreign)
    return {**taken, "network": "song", "n_classes": taken["n_classes"] or None}


def torch_state(architecture, file):
    """The published state dict under the names and in the channel order of `networks`."""
    state = {}
    for name in file.entries:
        if name.endswith("resample_filter"):
            continue
        tensor = torch.from_numpy(file.read(name))
        if architecture["network"] == "adm":
            state[ours(name)] = tensor if tensor.ndim != 3 else tensor[..., None]
            continue
        if ".qkv." in name:
            # EDM has queries, keys and values alternate.
            tensor = tensor.unflatten(0, (-1, 3)).transpose(0, 1).flatten(0, 1).contiguous()
        state[name.removeprefix("model.")] = tensor
    return state


def outputs(case, folder):
    """What the network says, and what the original said."""
    about = json.loads((folder / f"{case}.json").read_text())
    weights, file = TensorFile(folder / f"{case}.weights.safetensors"), TensorFile(folder / f"{case}.safetensors")
    adm = case.startswith("adm")
    architecture = (adm_architecture if adm else song_architecture)(about["config"])
    network = build(architecture)
    network.load_state_dict(torch_state(architecture, weights), assign=True)
    network.eval()
    images = file.read("x")
    labels = None
    if adm:
        labels = torch.from_numpy(file.read("y")) if "y" in file else None
        told = features(architecture, file.read("timesteps") / 1000.0)
        expected = file.read("output")
    else:
        if "class_labels" in file:
            labels = torch.from_numpy(file.read("class_labels")).argmax(1)
        at = Coefficients.of({"preconditioning": "edm", "sigma_data": about["sigma_data"]}, file.read("sigma"))
        fourier = "model.map_noise.freqs"
        told = features(architecture, at.c_noise, weights.read(fourier) if fourier in weights else None)
        plain = "denoised_without_augment_labels"
        expected = file.read(plain if plain in file else "denoised")
    found = {}
    for layout in ("contiguous_format", "channels_last"):
        memory_format = getattr(torch, layout)
        scaled = images if adm else (images * at.c_in[:, None, None, None]).astype(np.float32)
        scaled = torch.from_numpy(scaled).to(memory_format=memory_format)
        with torch.inference_mode():
            output = network.to(memory_format=memory_format)(scaled, torch.from_numpy(told), labels).numpy()
        if not adm:
            output = at.c_skip[:, None, None, None] * images + at.c_out[:, None, None, None] * output
        found[layout] = output
    return found, expected, about


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder with the reference numbers")
    folder = parser.parse_args().folder
    present = [case for case in CASES if (folder / f"{case}.json").is_file()]
    if not present:
        raise Problem(f"none of {', '.join(CASES)} is in {folder}", "docs/testing.md says where the numbers lie")
    failed = False
    for case in present:
        found, expected, about = outputs(case, folder)
        for layout, output in found.items():
            excess = np.abs(output - expected) / (about["atol"] + about["rtol"] * np.abs(expected))
            failed |= not excess.max() <= 1.0
            verdict = "agrees" if excess.max() <= 1.0 else "DISAGREES"
            print(f"{case:<12} {layout:<18} {verdict}: worst error {excess.max():.3f} of the tolerance")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Problem as problem:
        print(problem.show(), file=sys.stderr)
        sys.exit(2)
