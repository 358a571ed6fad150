#!/usr/bin/env python3
"""Writes the small golden set that lies beside this script from the whole one. No packages are needed.

    python3 crates/onestep/tests/golden/reduce.py ../shared/golden crates/onestep/tests/golden

Every number is copied; README.md says what is left out. The same input gives the same bytes.
"""

import array
import fnmatch
import json
import struct
import sys
import zlib
from pathlib import Path

SIZES = {"F32": 4, "F64": 8, "I64": 8, "U8": 1, "BOOL": 1}

# Gradients of more values than this are left out; the norm of the whole gradient stays.
LARGEST_GRADIENT = 700


class Array:
    """An array as a safetensors file holds it."""

    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, shape, data

    @property
    def n_values(self):
        return len(self.data) // SIZES[self.dtype]

    def rows(self, indices, axis=0):
        """Some entries of an axis."""
        outer, inner = 1, SIZES[self.dtype]
        for size in self.shape[:axis]:
            outer *= size
        for size in self.shape[axis + 1 :]:
            inner *= size
        n = self.shape[axis]
        parts = [self.data[(o * n + i) * inner : (o * n + i + 1) * inner] for o in range(outer) for i in indices]
        shape = [*self.shape[:axis], len(indices), *self.shape[axis + 1 :]]
        return Array(self.dtype, shape, b"".join(parts))

    def described(self):
        names = {"F32": "float32", "F64": "float64", "I64": "int64", "U8": "uint8", "BOOL": "bool"}
        return f"{names[self.dtype]} {self.shape}"

    def integers(self):
        return list(struct.unpack(f"<{self.n_values}q", self.data))


def read(path):
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {
        name: Array(entry["dtype"], entry["shape"], data[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]])
        for name, entry in header.items()
    }


def safetensors(arrays):
    # Wide types first, so that every array begins at a multiple of its size.
    order = sorted(arrays, key=lambda name: (-SIZES[arrays[name].dtype], name))
    header, data = {}, b""
    for name in order:
        a = arrays[name]
        header[name] = {"dtype": a.dtype, "shape": a.shape, "data_offsets": [len(data), len(data) + len(a.data)]}
        data += a.data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def packed(plain):
    """The form that tests/it/golden/packed.rs reads: words of 32 bits rotated by one, in four planes of bytes."""
    words = array.array("I", plain)
    if sys.byteorder == "big":
        words.byteswap()
    words = array.array("I", ((word << 1 & 0xFFFFFFFF) | word >> 31 for word in words))
    if sys.byteorder == "big":
        words.byteswap()
    planes = words.tobytes()
    streams = [zlib.compress(planes[byte::4], 9) for byte in range(4)]
    return b"".join(struct.pack("<Q", len(stream)) + stream for stream in streams)


class Set:
    """The whole set to read from, and the small one to write."""

    def __init__(self, source, target):
        self.source, self.target = source, target

    def json(self, name):
        return json.loads((self.source / f"{name}.json").read_text())

    def arrays(self, file):
        path = self.source / file
        return read(path) if path.is_file() else {}

    def write(self, name, settings, arrays):
        if "tensors" in settings:
            settings["tensors"] = {key: a.described() for key, a in arrays.items()}
        (self.target / f"{name}.json").write_text(json.dumps(settings, separators=(",", ":")) + "\n")
        if arrays:
            self.write_arrays(f"{name}.safetensors", arrays)

    def write_arrays(self, file, arrays):
        plain = safetensors(arrays)
        small = packed(plain) if len(plain) % 4 == 0 else plain
        # Packed where it saves a block of the disk.
        if (len(small) + 4095) // 4096 < (len(plain) + 4095) // 4096:
            (self.target / f"{file}.packed").write_bytes(small)
        else:
            (self.target / file).write_bytes(plain)

    def copy(self, name, drop=(), samples=None, of=None, whole=()):
        """A case without the arrays that match `drop`, and of its batch the first samples only.

        The batch is the first axis of the array `of`; `whole` are other arrays whose first axis has that size by chance.
        """
        settings, arrays = self.json(name), self.arrays(f"{name}.safetensors")
        arrays = {key: a for key, a in arrays.items() if not matches(key, drop) and not is_large_gradient(key, a)}
        if samples:
            batch = arrays[of].shape[0]
            for key, a in arrays.items():
                if a.shape and a.shape[0] == batch and not matches(key, whole):
                    arrays[key] = a.rows(range(samples))
            if "batch" in settings:
                settings["batch"] = samples
        if isinstance(settings.get("weights"), list):
            settings["weights"] = [file for file in settings["weights"] if not file.endswith(".pt")]
        self.write(name, settings, arrays)

    def weights(self, *files):
        for file in files:
            self.write_arrays(f"{file}.weights.safetensors", self.arrays(f"{file}.weights.safetensors"))


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def is_large_gradient(key, a):
    return (".grad." in key or key.startswith(("grad.", "final."))) and a.n_values > LARGEST_GRADIENT


def networks(whole):
    whole.copy("adm_unet_d", drop=["act.*", "timestep_embedding"])
    whole.copy("edm_cond", drop=["*_without_class*"])
    whole.copy("edm_ncsnpp", drop=["act.*", "*_without_class*"], samples=2, of="x")
    whole.copy("edm_skip", drop=["act.*"], samples=2, of="x")
    # The gradients are of the whole batch.
    whole.copy("edm_ddpmpp", drop=["act.*"])
    gradients = whole.arrays("edm_ddpmpp.grads.safetensors")
    small = {key: a for key, a in gradients.items() if a.n_values <= 256}
    whole.write_arrays("edm_ddpmpp.grads.safetensors", small)
    whole.copy("ect_net", samples=2, of="x")
    whole.copy("denoise", samples=2, of="x_t")
    whole.copy("loss_net")
    whole.weights("cmt_loss.student", "cmt_loss.teacher")
    whole.weights("adm_unet_d", "edm_cond", "edm_ddpmpp", "edm_ncsnpp", "edm_skip", "ect_net", "loss_net.student")


def losses(whole):
    # Means over the batch and their gradients: no sample can go. What the student answered follows from its weights.
    for name in ["consistency_cd", "consistency_ct", "consistency_ct_weights", "progdist", "edm_training"]:
        whole.copy(name, drop=["calls.*.student.*", "*.xs_mse", "*.mse"])
    for name in ["cmt_loss", "ct_training_steps", "ect_loss", "edm_loss", "edm_loss_cond"]:
        whole.copy(name)


def samplers(whole):
    for path in sorted(whole.source.glob("sample_*.json")):
        name = path.stem
        # Evaluations are of use as far as all before them are recorded.
        recorded = {key.split(".")[1] for key in whole.json(name)["tensors"] if key.startswith("call.")}
        first = next(i for i in range(len(recorded) + 1) if f"{i:03}" not in recorded)
        later = [f"call.{call}.*" for call in recorded if int(call) >= first]
        drop = later + (["samples*"] if later else [])
        whole.copy(name, drop=drop, samples=1, of="y", whole=["sigmas_of_calls"])
    for name in ["edm_sampler_deterministic", "edm_sampler_stochastic", "ect_sampling"]:
        whole.copy(name, samples=1, of="latents", whole=["sigmas_of_calls"])


def guidance(whole):
    # One sample of each batch. At 0 and 1 it is the network without class and the plain one, which are there.
    settings, arrays = whole.json("cfg_sampling"), whole.arrays("cfg_sampling.safetensors")
    drop = ["*_f64", "w0.*", "w1.*"]
    whole.write("cfg_sampling", settings, {key: a.rows([0]) for key, a in arrays.items() if not matches(key, drop)})


def solvers(whole):
    # On the network one path of all; on the Gaussian all.
    settings, arrays = whole.json("dpm_solver"), whole.arrays("dpm_solver.safetensors")
    kept = {key: a for key, a in arrays.items() if "gaussian." in key or key in ("latents", "log.k8.o3.x")}
    whole.write("dpm_solver", settings, kept)


def edits(whole):
    for name in ["edit_colorization", "edit_inpainting", "edit_stroke", "edit_superres"]:
        whole.copy(name, samples=1, of="y", whole=["Q"])
    for name in ["slerp", "to_uint8"]:
        whole.copy(name)


def rules(whole):
    for name in ["ema", "optimizers", "weight_rule"]:
        whole.copy(name)
    # Of some lists only the f64 form is compared.
    settings = whole.json("schedules")
    for row in settings["ect_mapping"]:
        del row["r"]
    whole.write("schedules", settings, {})
    settings, arrays = whole.json("resize_bilinear"), whole.arrays("resize_bilinear.safetensors")
    # To 224 the training loss of `lpips` resizes.
    settings["pairs"] = [pair for pair in settings["pairs"] if pair[1] <= 32]
    keys = [f"{side}_{a}_to_{b}" for a, b in settings["pairs"] for side in ("in", "out")]
    whole.write("resize_bilinear", settings, {key: arrays[key].rows([0]).rows([0], axis=1) for key in keys})


def evaluation(whole):
    for name in ["metric_is", "metric_prec_recall", "metric_stats"]:
        whole.copy(name)

    # The rows of a and b are too many: the distance of a and b is that of their statistics.
    settings, arrays = whole.json("metric_fid"), whole.arrays("metric_fid.safetensors")
    rows = {name: arrays.pop(name) for name in ("a", "b")}
    stored = {name for name in (*rows, "few_c", "few_d") if name in arrays or f"{name}.mean" in arrays}
    settings["results"] = {
        pair: value for pair, value in settings["results"].items() if any(f"{a}_{b}" == pair for a in stored for b in stored)
    }
    whole.write("metric_fid", settings, arrays)

    # Two of the subsets, with their own rows; mean and deviation are those of the two.
    settings, subsets = whole.json("metric_kid"), whole.arrays("metric_kid.safetensors")
    kept = {}
    for name in ("a", "b"):
        indices = subsets[f"indices_{name}"].rows([0, 1])
        used = sorted(set(indices.integers()))
        kept[name] = rows[name].rows(used)
        renumbered = [used.index(index) for index in indices.integers()]
        kept[f"indices_{name}"] = Array("I64", indices.shape, struct.pack(f"<{len(renumbered)}q", *renumbered))
    kept["mmd2"] = subsets["mmd2"].rows([0, 1])
    one, two = struct.unpack("<2d", kept["mmd2"].data)
    settings.update(
        subsets=2, mean=(one + two) / 2, std_population=abs(one - two) / 2, activations="tensors a and b of metric_kid"
    )
    settings = {key: value for key, value in settings.items() if not key.startswith("first")}
    whole.write("metric_kid", settings, kept)

    # Of whole resized images every 13th pixel, as the set itself does with the large ones.
    settings, arrays = whole.json("inception"), whole.arrays("inception.safetensors")
    for key in [key for key in arrays if key.endswith(".resized")]:
        resized = arrays.pop(key)
        places = range(0, resized.shape[2] - 12, 13)
        arrays[f"{key}_every13"] = resized.rows(places, axis=2).rows(places, axis=3)
    whole.write("inception", settings, arrays)

    # The first pair of images; what `piq_*` compute is one of the two others up to rounding, or without a resize.
    settings, arrays = whole.json("lpips"), whole.arrays("lpips.safetensors")
    arrays = {
        key: a.rows([0], axis=1 if key.endswith("per_layer") else 0)
        for key, a in arrays.items()
        if not key.startswith("piq_")
    }
    whole.write("lpips", settings, arrays)


def main():
    whole = Set(Path(sys.argv[1]), Path(sys.argv[2]))
    whole.target.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.json", "*.safetensors", "*.packed"):
        for old in whole.target.glob(pattern):
            old.unlink()
    for write in (networks, losses, samplers, guidance, solvers, edits, rules, evaluation):
        write(whole)


if __name__ == "__main__":
    main()
