"""Writes the small folders of diffusers that the tests of the library read, with what diffusers makes of them.

    bench/venv/bin/pip install torch diffusers safetensors
    bench/venv/bin/python bench/diffusers_fixtures.py crates/onestep/tests/foreign/diffusers

Each folder is a pipeline with random weights, and beside it lies NAME.expected.safetensors: inputs and outputs in the layout
[batch, height, width, channels]. Noise levels of discrete schedules are computed in f64 here, because the f32 products of diffusers
lose four digits at the smallest level.
"""

import argparse
import copy
import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    UNet2DModel,
)
from safetensors.numpy import save_file


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    with torch.no_grad():
        write_consistency(options.folder)
        write_ddpm(options.folder)
        write_cosine(options.folder)


def network(seed, **settings):
    """A small network whose weights are all random, the norms' too."""
    torch.manual_seed(seed)
    unet = UNet2DModel(sample_size=8, layers_per_block=1, block_out_channels=(4, 8), norm_num_groups=2, **settings)
    for name, value in unet.named_parameters():
        norm = "norm" in name and name.endswith("weight")
        value.copy_((1 if norm else 0) + 0.15 * torch.randn_like(value))
    return unet.eval()


def nhwc(tensor):
    return np.ascontiguousarray(tensor.permute(0, 2, 3, 1).numpy().astype(np.float32))


def sigmas(scheduler):
    """The noise levels of all steps, in f64."""
    kept = np.cumprod(1.0 - scheduler.betas.double().numpy())
    return np.sqrt((1.0 - kept) / kept)


def write_consistency(folder):
    """A class-conditional consistency model, as `.bin`, with the names that attention had in older files."""
    unet = network(
        1,
        num_class_embeds=3,
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        downsample_type="resnet",
        upsample_type="resnet",
        attention_head_dim=4,
        attn_norm_num_groups=2,
        resnet_time_scale_shift="scale_shift",
    )
    pipe = ConsistencyModelPipeline(unet, CMStochasticIterativeScheduler(num_train_timesteps=40))
    pipe.set_progress_bar_config(disable=True)
    path = fresh(folder / "consistency")
    pipe.save_pretrained(path, safe_serialization=False)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = path / "unet" / "diffusion_pytorch_model.bin"
    state = torch.load(weights, weights_only=True)
    for new_name, old_name in old.items():
        state = {name.replace(new_name, old_name): value for name, value in state.items()}
    torch.save(state, weights)
    latents = torch.randn(2, 3, 8, 8)
    labels = torch.tensor([2, 0])
    image = pipe(batch_size=2, latents=latents, class_labels=labels, num_inference_steps=1, output_type="pt").images
    save(folder, "consistency", {
        "latents": nhwc(latents),
        "labels": labels.numpy().astype(np.float32),
        "one_step": nhwc(image * 2 - 1),
    })


def denoised(unet, scheduler, prediction, sigma, steps, noisy):
    """The estimate of the clean image, for noisy images clean + σ·noise at steps of the schedule."""
    scale = torch.tensor(1 / np.sqrt(sigma[steps] ** 2 + 1), dtype=torch.float32)[:, None, None, None]
    level = torch.tensor(sigma[steps], dtype=torch.float32)[:, None, None, None]
    answer = unet(noisy * scale, torch.tensor(steps)).sample[:, : noisy.shape[1]]
    if prediction == "epsilon":
        return noisy - level * answer
    return scale**2 * noisy - level * scale * answer


def write_ddpm(folder):
    """DDPM's own kind of network: convolutions padded behind, sines first, one head."""
    unet = network(
        2,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
        attention_head_dim=None,
    )
    scheduler = DDPMScheduler(num_train_timesteps=1000)
    path = fresh(folder / "ddpm")
    DDPMPipeline(unet, scheduler).save_pretrained(path)
    steps = np.array([0, 3, 120, 500, 870, 999])
    sigma = sigmas(scheduler)
    noisy = torch.randn(len(steps), 3, 8, 8) * torch.tensor(np.sqrt(sigma[steps] ** 2 + 0.25), dtype=torch.float32)[:, None, None, None]
    estimate = denoised(unet, scheduler, "epsilon", sigma, steps, noisy)
    sampler = DDIMScheduler.from_config(scheduler.config, clip_sample=False, set_alpha_to_one=True)
    sampler.set_timesteps(10)
    sample = latents = torch.randn(2, 3, 8, 8)
    for step in sampler.timesteps:
        sample = sampler.step(unet(sample, step).sample, step, sample).prev_sample
    save(folder, "ddpm", {
        "noisy": nhwc(noisy),
        "steps": steps.astype(np.float32),
        "sigma": sigma[steps].astype(np.float32),
        "denoised": nhwc(estimate),
        "latents": nhwc(latents),
        "ddim_steps": sampler.timesteps.numpy().astype(np.float32),
        "ddim": nhwc(sample),
    })


def write_cosine(folder):
    """A network that answers with the velocity and, behind it, a variance; no attention in the middle."""
    unet = network(
        3,
        in_channels=1,
        out_channels=2,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        add_attention=False,
    )
    scheduler = DDIMScheduler(num_train_timesteps=200, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    path = fresh(folder / "cosine")
    DDIMPipeline(copy.deepcopy(unet), scheduler).save_pretrained(path)
    steps = np.array([0, 1, 60, 150, 198])
    sigma = sigmas(scheduler)
    noisy = torch.randn(len(steps), 1, 8, 8) * torch.tensor(np.sqrt(sigma[steps] ** 2 + 0.25), dtype=torch.float32)[:, None, None, None]
    save(folder, "cosine", {
        "noisy": nhwc(noisy),
        "steps": steps.astype(np.float32),
        "sigma": sigma[steps].astype(np.float32),
        "denoised": nhwc(denoised(unet, scheduler, "v_prediction", sigma, steps, noisy)),
    })


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    return path


def save(folder, name, arrays):
    save_file(arrays, folder / f"{name}.expected.safetensors")


if __name__ == "__main__":
    main()
