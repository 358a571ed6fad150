"""Writes the seeds of the fuzzing corpora: small sound files of every kind, from which the fuzzer makes unsound ones.

    python fuzz/seeds.py [--golden ../shared/golden/bad]

Needs numpy, Pillow and PyTorch; with `--golden`, the small hostile files of the golden set join them.
"""

import argparse
import io
import json
import pathlib
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import torch
from PIL import Image

CORPUS = pathlib.Path(__file__).parent / "corpus"
PIPELINES = CORPUS.parents[1] / "crates/onestep/tests/foreign/diffusers"
RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def seed(target, name, contents):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(contents)


def saved(write, *args, **kwargs):
    file = io.BytesIO()
    write(file, *args, **kwargs)
    return file.getvalue()


def pictures():
    colour, grey = Image.fromarray(PIXELS[0]), Image.fromarray(PIXELS[0, ..., 0])
    alpha = Image.fromarray(np.dstack([PIXELS[0], PIXELS[1, ..., 0]]))
    palette = colour.quantize(8)
    text = Image.new("L", (2, 2))
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    record = {"tool": "onestep 0.1.0", "model": "m.safetensors", "seeds": "0-3", "levels": [80.0], "nfe": 1}
    info.add_itxt("onestep", json.dumps(record))
    seed("png", "record", saved(lambda file: text.save(file, "png", pnginfo=info)))
    for name, image in [("colour", colour), ("grey", grey), ("alpha", alpha), ("palette", palette)]:
        seed("png", name, saved(lambda file: image.save(file, "png")))
        if name != "palette":
            seed("webp", f"{name}-lossless", saved(lambda file: image.save(file, "webp", lossless=True)))
            seed("webp", name, saved(lambda file: image.save(file, "webp", quality=50)))
    seed("png", "sixteen", saved(lambda file: Image.fromarray(PIXELS[0, ..., 0].astype(np.uint16) * 257).save(file, "png")))
    seed("webp", "moving", saved(lambda file: colour.save(file, "webp", save_all=True, append_images=[Image.fromarray(PIXELS[1])])))
    seed("gif", "still", saved(lambda file: palette.save(file, "gif")))
    frames = [Image.fromarray(frame).quantize(8) for frame in PIXELS[1:3]]
    seed("gif", "moving", saved(lambda file: palette.save(file, "gif", save_all=True, append_images=frames)))
    for name, options in [("baseline", {}), ("progressive", {"progressive": True}), ("restarts", {"restart_marker_rows": 1})]:
        seed("jpeg", name, saved(lambda file: colour.save(file, "jpeg", **options)))
    seed("jpeg", "grey", saved(lambda file: grey.save(file, "jpeg")))
    exif = Image.Exif()
    exif[0x0112] = 6
    seed("jpeg", "turned", saved(lambda file: colour.save(file, "jpeg", exif=exif)))


def data_sets():
    seed("npy", "bytes", saved(np.save, PIXELS))
    seed("npy", "floats", saved(np.save, (PIXELS / 127.5 - 1).astype(np.float32)))
    seed("npy", "fortran", saved(np.save, np.asfortranarray(PIXELS)))
    seed("npy", "objects", saved(np.save, np.array([{}, 1], dtype=object), allow_pickle=True))
    seed("npz", "labelled", saved(np.savez, PIXELS, np.arange(6)))
    seed("npz", "packed", saved(np.savez_compressed, arr_0=PIXELS, arr_1=np.arange(6)))
    seed("idx", "images", struct.pack(">IIII", 2051, 4, 8, 8) + PIXELS[:4, ..., 0].tobytes())
    seed("idx", "labels", struct.pack(">II", 2049, 4) + bytes(range(4)))
    record = bytes([3]) + RANDOM.integers(0, 256, 3072, dtype=np.uint8).tobytes()
    seed("cifar", "records", record * 2)
    batch = {b"data": RANDOM.integers(0, 256, (2, 3072), dtype=np.uint8), b"labels": [1, 2], b"batch_label": b"x"}
    for protocol in (2, 4):
        seed("cifar", f"pickle-{protocol}", pickle.dumps(batch, protocol=protocol))
    seed("dataset_json", "labels", b'{"labels": [["00000/img00000000.png", 3]], "classes": ["a", "b", "c", "d"]}')
    seed("dataset_json", "none", b'{"labels": null}')
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for index in range(3):
            picture = saved(lambda out: Image.fromarray(PIXELS[index]).save(out, "png"))
            archive.writestr(f"00000/img{index:08}.png", picture)
        labels = [[f"00000/img{index:08}.png", index] for index in range(3)]
        archive.writestr("dataset.json", json.dumps({"labels": labels}))
    seed("edm_zip", "set", file.getvalue())


def weights():
    state = {"a.weight": torch.randn(2, 3), "a.bias": torch.randn(2).half(), "b": torch.randn(4, 2).t()}
    seed("torch", "zip", saved(lambda file: torch.save(state, file)))
    seed("torch", "legacy", saved(lambda file: torch.save(state, file, _use_new_zipfile_serialization=False)))
    seed("torch", "nested", saved(lambda file: torch.save({"state_dict": state, "epoch": 3}, file)))
    seed("edm_pickle", "tensors", pickle.dumps({"ema": state}))
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    seed("safetensors", "one", struct.pack("<Q", len(header)) + header + bytes(16))
    header = json.dumps({"__metadata__": {"onestep": "{\"format\": 1}"}}).encode()
    seed("safetensors", "ours", struct.pack("<Q", len(header)) + header)
    # MessagePack, by hand: {"params_ema": {"w": ext 1 ((2,), "float32", bytes)}, "step": 3}.
    array = b"\x93\x91\x02\xa7float32\xc4\x08" + bytes(8)
    body = b"\x82\xaaparams_ema\x81\xa1w\xc7" + bytes([len(array), 1]) + array + b"\xa4step\x03"
    seed("msgpack", "state", body)


def texts():
    root = CORPUS.parent.parent
    for name in ("emoji-ct", "toy2d-edm"):
        path = next(root.glob(f"crates/onestep/recipes/**/{name}.toml"), None)
        if path:
            seed("recipe", name, path.read_bytes())
    seed("recipe", "shortest", b'name = "x"\n[data]\nsource = "builtin:emoji"\n[train]\nsteps = 1\n')


def pipelines():
    for folder in sorted(path for path in PIPELINES.iterdir() if path.is_dir()):
        places = ["unet/config.json", "scheduler/scheduler_config.json", "model_index.json"]
        texts = [json.dumps(json.loads((folder / place).read_text())) for place in places]
        seed("diffusers_config", folder.name, "\0".join(texts).encode())


def golden(folder):
    kinds = {".pt": "torch", ".pkl": "edm_pickle", ".safetensors": "safetensors"}
    for path in sorted(folder.iterdir()):
        if path.suffix in kinds and path.stat().st_size <= 5000:
            seed(kinds[path.suffix], f"golden-{path.stem}", path.read_bytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--golden", type=pathlib.Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    pictures()
    data_sets()
    weights()
    texts()
    pipelines()
    if args.golden:
        golden(args.golden)
    sizes = {folder.name: [path.stat().st_size for path in folder.iterdir()] for folder in sorted(CORPUS.iterdir())}
    for name, each in sizes.items():
        print(f"{name:<18} {len(each):>3} seeds, {sum(each):>7} bytes")


if __name__ == "__main__":
    main()
