"""Writes the small files of other programs that the tests read, with the outputs of the networks in them.

    python bench/make_foreign.py crates/onestep/tests/foreign

Needs torch, jax, flax and safetensors. The networks are small and random, their code is in `foreign_edm.py` and
`foreign_flax.py`, and the containers are written by the libraries that write the real ones: pickle and torch, flax.
`--full FILE` writes an EDM pickle of full size instead, DhariwalUNet for ImageNet-64, for measuring memory.
"""

import argparse
import json
import pickle
from pathlib import Path

import flax
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
import torch

import foreign_edm as edm
from foreign_flax import NCSNpp

MAX_BYTES = 200_000


def noise(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def edm_files(folder, outputs):
    """A snapshot of an NCSN++ with classes, a state of training with an ADM inside, and a bare DDPM++ in VP's form."""
    torch.manual_seed(1)
    common = {"augment_dim": 9, "dropout": 0.13, "use_fp16": True}
    song = edm.EDMPrecond(
        img_resolution=16, img_channels=3, label_dim=4, model_type="SongUNet", embedding_type="fourier",
        encoder_type="residual", decoder_type="standard", channel_mult_noise=2, resample_filter=[1, 3, 3, 1],
        model_channels=4, channel_mult=[1, 2], num_blocks=1, attn_resolutions=[8], channel_mult_emb=2, **common,
    ).eval().requires_grad_(False)
    snapshot = {
        "ema": song,
        "loss_fn": edm.EDMLoss(),
        "augment_pipe": edm.AugmentPipe(p=0.12, xflip=1e8, yflip=1),
        "dataset_kwargs": edm.EASY_DICT(class_name="training.dataset.ImageFolderDataset", path="a.zip", use_labels=True),
    }
    with open(folder / "edm_snapshot.pkl", "wb") as file:
        pickle.dump(snapshot, file)
    labels = torch.eye(4)[[1, 3]]
    outputs["edm_snapshot"] = torch_outputs(song.model, labels)

    adm = edm.ECMPrecond(
        16, 3, label_dim=3, model_type="DhariwalUNet", model_channels=4, channel_mult=[1, 2], num_blocks=1,
        attn_resolutions=[16, 8], channel_mult_emb=2, sigma_min=0.002,
    )
    outputs["edm_training_state"] = torch_outputs(adm.model, torch.eye(3)[[2, 0]])
    optimizer = torch.optim.Adam(adm.parameters(), lr=1e-3)
    torch.save({"net": adm, "optimizer_state": optimizer.state_dict()}, folder / "edm_training_state.pt")

    ddpmpp = edm.VPPrecond(
        img_resolution=16, img_channels=1, model_type="SongUNet", model_channels=4, channel_mult=[1, 1], num_blocks=1,
        attn_resolutions=[16], channel_mult_emb=2,
    ).eval().requires_grad_(False).to(torch.float16)
    with open(folder / "edm_vp_half.pkl", "wb") as file:
        pickle.dump({"net": ddpmpp, "ema": ddpmpp, "loss_fn": None}, file, protocol=3)
    outputs["edm_vp_half"] = torch_outputs(ddpmpp.model.float(), None)


def tiny_files(folder):
    """The smallest files of their kinds, of which tests damage every byte."""
    torch.manual_seed(2)
    with open(folder / "tiny.pkl", "wb") as file:
        pickle.dump({"ema": edm.Tiny(2), "loss_fn": edm.EDMLoss()}, file)
    torch.save({"net": edm.Tiny(2)}, folder / "tiny.pt")
    torch.save({"net": edm.Tiny(2)}, folder / "tiny_legacy.pt", _use_new_zipfile_serialization=False)
    flax.serialization.MAX_CHUNK_SIZE = 16
    params = {"Conv_0": {"kernel": noise(7, 2, 3), "bias": noise(8, 3).astype(jnp.bfloat16)}}
    state = {"step": np.int32(3), "params_ema": params, "opt_state": {"0": None, "1": 2 + 1j}, "lr": 0.1}
    (folder / "tiny.msgpack").write_bytes(flax.serialization.msgpack_serialize(state))


def torch_outputs(network, labels):
    channels = network.enc["16x16_conv"].weight.shape[1]
    x, code = noise(5, 2, channels, 16, 16), np.asarray([-0.4, 0.7], np.float32)
    with torch.no_grad():
        y = network.eval()(torch.from_numpy(x), torch.from_numpy(code), labels).numpy()
    found = {"x": x.transpose(0, 2, 3, 1), "code": code, "y": y.transpose(0, 2, 3, 1)}
    if labels is not None:
        found["labels"] = labels.argmax(1).numpy().astype(np.int64)
    return found


@flax.struct.dataclass
class State:
    step: int
    lr: float
    ema_rate: float
    params: dict
    params_ema: dict
    model_state: dict
    opt_state: tuple
    rng_state: object


@flax.struct.dataclass
class StateWithTarget(State):
    target_params: dict = None


def flax_files(folder, outputs):
    """A state of training of an NCSN++ and, with a target network and arrays in pieces, of a DDPM++."""
    settings = {
        "flax_ncsnpp": {"nf": 4, "mults": (1, 2), "blocks": 1, "attention": (8,), "ncsnpp": True},
        "flax_ddpmpp": {"nf": 4, "mults": (1, 1, 2), "blocks": 1, "attention": (8,), "ncsnpp": False},
    }
    for name, each in settings.items():
        network = NCSNpp(**each)
        x, code = noise(6, 2, 16, 16, 3), np.asarray([-0.4, 0.7], np.float32)
        params = network.init(jax.random.PRNGKey(3), x, code)["params"]
        narrow = lambda dtype: jax.tree.map(lambda array: array.astype(dtype), params)
        rest = {"step": np.int64(7), "lr": 1e-3, "ema_rate": 0.999, "model_state": {}, "rng_state": jax.random.PRNGKey(1)}
        optimizer = ({"count": jnp.asarray(7), "mu": {"Dense_0": jnp.zeros((2, 2), jnp.bfloat16)}}, ())
        flax.serialization.MAX_CHUNK_SIZE = 2**30 if each["ncsnpp"] else 2000
        if each["ncsnpp"]:
            state = State(params=narrow(jnp.bfloat16), params_ema=params, opt_state=optimizer, **rest)
        else:
            half, other = narrow(jnp.float16), jax.tree.map(lambda array: array.ravel()[:1], params)
            state = StateWithTarget(params=other, params_ema=half, target_params=other, opt_state=optimizer, **rest)
            params = jax.tree.map(lambda array: array.astype(jnp.float32), half)
        path = folder / f"{name}.msgpack"
        path.write_bytes(flax.serialization.to_bytes(state))
        y = np.asarray(network.apply({"params": params}, x, code))
        outputs[name] = {"x": x, "code": code, "y": y}


def published_names(folder):
    """Names and shapes of the networks for CIFAR-10 at their full size, as flax gives them; no number is computed."""
    found = {}
    for name, is_ncsnpp in [("ncsnpp", True), ("ddpmpp", False)]:
        network = NCSNpp(nf=128, mults=(2, 2, 2), blocks=4, attention=(16,), ncsnpp=is_ncsnpp)
        init = lambda: network.init(jax.random.PRNGKey(0), jnp.zeros((1, 32, 32, 3)), jnp.zeros(1))["params"]
        shapes = flax.traverse_util.flatten_dict(jax.eval_shape(init), sep="/")
        found[name] = {path: list(each.shape) for path, each in sorted(shapes.items())}
    (folder / "flax_published.json").write_text(json.dumps(found, separators=(",", ":")))


def full_size(path):
    network = edm.EDMPrecond(
        img_resolution=64, img_channels=3, label_dim=1000, model_type="DhariwalUNet", augment_dim=9
    ).eval().requires_grad_(False)
    with open(path, "wb") as file:
        pickle.dump({"ema": network, "loss_fn": edm.EDMLoss(), "augment_pipe": None, "dataset_kwargs": {}}, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="FOLDER is the file of an EDM pickle of full size")
    arguments = parser.parse_args()
    if arguments.full:
        return full_size(arguments.folder)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_default_matmul_precision", "highest")
    outputs = {}
    tiny_files(arguments.folder)
    edm_files(arguments.folder, outputs)
    flax_files(arguments.folder, outputs)
    published_names(arguments.folder)
    flat = {f"{name}.{key}": np.ascontiguousarray(array) for name, each in outputs.items() for key, array in each.items()}
    safetensors.numpy.save_file(flat, arguments.folder / "outputs.safetensors")
    for path in sorted(arguments.folder.iterdir()):
        print(f"{path.name}: {path.stat().st_size} bytes")
        assert path.stat().st_size < MAX_BYTES, path


if __name__ == "__main__":
    main()
