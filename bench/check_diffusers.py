"""Compares onestep with diffusers in both directions, on small models with random weights.

    bench/venv/bin/pip install torch diffusers safetensors
    cargo build --release --workspace --example through
    bench/venv/bin/python bench/check_diffusers.py --through target/release/examples/through

In: pipelines that diffusers saves are opened by onestep, and answer the same. Out: models that onestep writes are loaded by
`DiffusionPipeline.from_pretrained`, and sample the same images of the same latents; state dicts are loaded by
`torch.load(weights_only=True)`. Estimates of networks of discrete steps are compared as parts of 1 + σ.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DiffusionPipeline,
    UNet2DModel,
)
from safetensors.numpy import load_file, save_file

ATOL = 1e-4


class Through:
    """The example program, and the rows of the report."""

    def __init__(self, program, folder):
        self.program, self.folder, self.ok = program, folder, True

    def run(self, *arguments):
        subprocess.run([self.program, *map(str, arguments)], check=True)

    def ask(self, model, **arrays):
        """What a model answers; batches are [batch, channels, height, width] on both sides."""
        given, answered = self.folder / "in.safetensors", self.folder / "out.safetensors"
        arrays["noisy"] = arrays["noisy"].permute(0, 2, 3, 1)
        save_file({name: np.ascontiguousarray(np.asarray(value, dtype=np.float32)) for name, value in arrays.items()}, given)
        self.run("ask", model, given, answered)
        return torch.from_numpy(load_file(answered)["clean"]).permute(0, 3, 1, 2)

    def compare(self, what, ours, theirs, scale=1.0):
        error = ((ours - theirs).abs() / scale).max().item()
        spread = theirs.std().item()
        passed = error <= ATOL
        self.ok &= passed
        print(f"{'ok' if passed else 'FAIL':4}  {what}: {error:.1e} of {ATOL:.0e} (deviation of theirs {spread:.2g})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--through", default="target/release/examples/through")
    options = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        through = Through(Path(options.through).resolve(), Path(folder))
        consistency_in(through)
        discrete_in(through)
        consistency_out(through)
        discrete_out(through)
        state_dict_out(through)
    sys.exit(0 if through.ok else 1)


def network(seed, **settings):
    torch.manual_seed(seed)
    unet = UNet2DModel(**{"sample_size": 16, "layers_per_block": 2, "block_out_channels": (32, 64), **settings})
    for value in unet.parameters():
        value += 0.02 * torch.randn_like(value)
    return unet.eval()


RESNET = {
    "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
    "downsample_type": "resnet",
    "upsample_type": "resnet",
    "attention_head_dim": 16,
    "num_class_embeds": 7,
}
DDPM = {
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": None,
}


def consistency_in(through):
    for name, settings in {
        "scale and shift": {"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 32},
        "added embedding": {"resnet_time_scale_shift": "default"},
    }.items():
        unet = network(1, **RESNET, **settings)
        pipe = ConsistencyModelPipeline(unet, CMStochasticIterativeScheduler())
        pipe.set_progress_bar_config(disable=True)
        path = through.folder / "in-consistency"
        pipe.save_pretrained(path)
        latents, labels = torch.randn(3, 3, 16, 16), torch.tensor([0, 3, 6])
        theirs = pipe(batch_size=3, latents=latents, class_labels=labels, output_type="pt").images * 2 - 1
        ours = through.ask(path, noisy=latents * 80, sigma=[80.0] * 3, labels=labels)
        through.compare(f"in, consistency, {name}, one step", ours.clamp(-1, 1), theirs)


def levels_of(scheduler):
    kept = np.cumprod(1.0 - scheduler.betas.double().numpy())
    return np.sqrt((1.0 - kept) / kept)


def discrete_in(through):
    kinds = {
        "padded behind, sines first, noise": (
            {"downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1, "norm_eps": 1e-6},
            {},
        ),
        "padded around, cosines first, noise": ({}, {"beta_schedule": "scaled_linear"}),
        "cosine, velocity": ({}, {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}),
        "no attention in the middle, clean images": ({"add_attention": False}, {"prediction_type": "sample"}),
    }
    for name, (settings, noise) in kinds.items():
        unet, scheduler = network(2, **DDPM, **settings), DDPMScheduler(**noise)
        path = through.folder / "in-discrete"
        DDPMPipeline(unet, scheduler).save_pretrained(path)
        levels = levels_of(scheduler)
        steps = np.array([0, 1, 10, 250, 500, 750, 990])
        sigma = torch.tensor(levels[steps], dtype=torch.float64)[:, None, None, None]
        kept = 1 / (1 + sigma**2)
        noisy = torch.randn(len(steps), 3, 16, 16, dtype=torch.float64) * (sigma**2 + 0.25).sqrt()
        answer = unet((noisy * kept.sqrt()).float(), torch.tensor(steps)).sample.double()
        theirs = {
            "epsilon": noisy - sigma * answer,
            "v_prediction": kept * noisy - sigma * kept.sqrt() * answer,
            "sample": answer,
        }[scheduler.config.prediction_type]
        ours = through.ask(path, noisy=noisy, sigma=levels[steps])
        # An error of the network's answer is one of the estimate σ times as large.
        through.compare(f"in, {name}, estimates at {len(steps)} steps", ours, theirs.float(), 1 + sigma.float())

        sampler = DDIMScheduler.from_config(scheduler.config, clip_sample=False, set_alpha_to_one=True)
        sampler.set_timesteps(50)
        latents = sample = torch.randn(2, 3, 16, 16)
        for step in sampler.timesteps:
            sample = sampler.step(unet(sample, step).sample, step, sample).prev_sample
        path_levels = levels[sampler.timesteps.numpy()]
        start = latents * float(np.sqrt(1 + path_levels[0] ** 2))
        ours = through.ask(path, noisy=start, levels=path_levels)
        through.compare(f"in, {name}, DDIM in 50 steps", ours, sample, 1 + sample.abs())


def consistency_out(through):
    torch.manual_seed(3)
    for kind, n_classes in [("consistency", 5), ("plain", None)]:
        model, path = through.folder / f"{kind}.safetensors", through.folder / f"out-{kind}"
        through.run("new", kind, model)
        through.run("diffusers", model, path)
        pipe = DiffusionPipeline.from_pretrained(path)
        pipe.set_progress_bar_config(disable=True)
        assert type(pipe) is ConsistencyModelPipeline
        latents = torch.randn(2, 3, 16, 16)
        labels = None if n_classes is None else torch.tensor([1, 4])
        theirs = pipe(batch_size=2, latents=latents, class_labels=labels, output_type="pt").images * 2 - 1
        more = {} if labels is None else {"labels": labels}
        ours = through.ask(model, noisy=latents * 80, sigma=[80.0] * 2, **more)
        through.compare(f"out, {kind}, one step", ours.clamp(-1, 1), theirs)
        # And in again.
        ours = through.ask(path, noisy=latents * 80, sigma=[80.0] * 2, **more)
        through.compare(f"out and in, {kind}, one step", ours.clamp(-1, 1), theirs)


def discrete_out(through):
    torch.manual_seed(4)
    model, path = through.folder / "ddpm.safetensors", through.folder / "out-ddpm"
    through.run("new", "ddpm", model)
    through.run("diffusers", model, path)
    pipe = DiffusionPipeline.from_pretrained(path)
    levels, steps = levels_of(pipe.scheduler), np.array([0, 100, 600, 999])
    sigma = torch.tensor(levels[steps], dtype=torch.float32)[:, None, None, None]
    noisy = torch.randn(len(steps), 3, 16, 16) * (sigma**2 + 0.25).sqrt()
    answer = pipe.unet(noisy / (1 + sigma**2).sqrt(), torch.tensor(steps)).sample
    ours = through.ask(model, noisy=noisy, sigma=levels[steps])
    through.compare("out, ddpm, estimates", ours, noisy - sigma * answer, 1 + sigma)
    pipe.set_progress_bar_config(disable=True)
    image = pipe(batch_size=1, num_inference_steps=4, output_type="np").images
    assert image.shape == (1, 16, 16, 3), image.shape


def state_dict_out(through):
    model = through.folder / "consistency.safetensors"
    ours = load_file(model)
    for ending in ["pt", "safetensors"]:
        path = through.folder / f"cd-state.{ending}"
        through.run("state-dict", model, path)
        if ending == "pt":
            state = torch.load(path, weights_only=True)
        else:
            state = {name: torch.from_numpy(value) for name, value in load_file(path).items()}
        name = "input_blocks.1.0.in_layers.2.weight"
        through.compare(f"out, state dict as .{ending}, {len(state)} tensors", state[name].permute(2, 3, 1, 0), torch.from_numpy(ours[name]))
        through.ok &= state.keys() == ours.keys()


if __name__ == "__main__":
    main()
