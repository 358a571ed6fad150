"""Model files and the arithmetic around a network, in NumPy alone.

A model file is a safetensors file whose metadata `onestep` says which network the numbers belong to and how a denoiser
is made of it. Convolutions are stored as `[kernel_h, kernel_w, in, out]`, linear layers as `[in, out]`.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from problem import Problem

KINDS = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64, "U32": np.uint32}
LONGEST_HEADER = 100_000_000


class TensorFile:
    """A safetensors file, read tensor by tensor.

    Not mapped into memory: mapped pages would count as resident memory of whoever reads them.
    """

    def __init__(self, path):
        self.path = Path(path)
        try:
            with open(self.path, "rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if not 2 <= length <= LONGEST_HEADER:
                    raise ValueError(f"a header of {length} bytes")
                header = json.loads(file.read(length))
        except OSError as error:
            raise Problem(f"cannot read {self.path}: {error.strerror}") from error
        except ValueError as error:
            raise Problem(f"{self.path} is not a safetensors file: {error}") from error
        self.start = 8 + length
        self.metadata = header.pop("__metadata__", {})
        self.entries = header

    def __contains__(self, name):
        return name in self.entries

    def read(self, name):
        """One tensor, in its own memory."""
        if name not in self.entries:
            raise Problem(f"{self.path} holds no tensor `{name}`, only {', '.join(sorted(self.entries)[:8])}")
        entry = self.entries[name]
        if entry["dtype"] not in KINDS:
            raise Problem(f"`{name}` in {self.path} is {entry['dtype']}, which is not read here")
        first, end = entry["data_offsets"]
        kind = np.dtype(KINDS[entry["dtype"]])
        count = math.prod(entry["shape"])
        if end - first != count * kind.itemsize:
            raise Problem(f"`{name}` in {self.path} has {end - first} bytes for the shape {entry['shape']}")
        with open(self.path, "rb") as file:
            file.seek(self.start + first)
            values = np.fromfile(file, kind, count)
        if values.size != count:
            raise Problem(f"{self.path} ends inside of `{name}`")
        return values.reshape(entry["shape"])


class ModelFile(TensorFile):
    """A model file: tensors, and the header that names their network."""

    def __init__(self, path):
        super().__init__(path)
        if "onestep" not in self.metadata:
            raise Problem(f"{self.path} holds tensors, but no model of onestep")
        self.header = json.loads(self.metadata["onestep"])
        self.architecture = self.header["architecture"]


@dataclass
class Coefficients:
    """The four coefficients of a denoiser c_skip·x + c_out·F(c_in·x, c_noise), each `[batch]`.

    Karras et al. 2022 (arXiv:2206.00364), table 1; Song et al. 2023 (arXiv:2303.01469), appendix C.
    """

    c_skip: np.ndarray
    c_out: np.ndarray
    c_in: np.ndarray
    c_noise: np.ndarray

    @classmethod
    def of(cls, header, sigma):
        """As the header's preconditioning wants them at each `sigma`, in double precision."""
        sigma = np.asarray(sigma, np.float64)
        data = header["sigma_data"]
        spread = np.sqrt(sigma**2 + data**2)
        kind = header["preconditioning"]
        if kind == "edm":
            skip, out = data**2 / spread**2, sigma * data / spread
        elif kind == "boundary":
            above = sigma - header["sigma_min"]
            skip, out = data**2 / (above**2 + data**2), above * data / spread
        else:
            raise Problem(f"the preconditioning `{kind}` is not known here")
        return cls(skip, out, 1.0 / spread, np.log(sigma + 1e-44) / 4.0)


def features(architecture, noise_code, frequencies=None):
    """What a network is told about the noise: sinusoids of its code, `[batch, width]` in f32.

    Computed in double precision and outside of every network, because a runtime that rounds everything to bf16 would
    round angles in the hundreds. `frequencies` are those stored with the weights of a Fourier embedding.
    """
    code = np.asarray(noise_code, np.float64)[:, None]
    if architecture["network"] == "adm":
        half = architecture["model_channels"] // 2
        angles = 1000.0 * code * np.exp(-math.log(10_000.0) * np.arange(half) / half)
        parts = [np.cos(angles), np.sin(angles)]
        if architecture["model_channels"] % 2:
            parts.append(np.zeros_like(code))
    elif architecture.get("embedding", "positional") == "fourier":
        angles = code.astype(np.float32) * (2.0 * math.pi * frequencies).astype(np.float32)
        parts = [np.sin(angles), np.cos(angles)]
    else:
        half = architecture.get("model_channels", 128) * architecture.get("channel_mult_noise", 1) // 2
        angles = code * np.exp(-math.log(10_000.0) * np.arange(half) / max(half - 1, 1))
        parts = [np.sin(angles), np.cos(angles)]
    return np.concatenate(parts, axis=1).astype(np.float32)


class Case:
    """Inputs and the output to agree with: noisy images, their noise levels, perhaps labels, denoised images.

    Images are `[batch, height, width, channels]` in the files and here.
    """

    def __init__(self, folder, model):
        file = TensorFile(Path(folder) / "case.safetensors")
        self.noisy = file.read("input").astype(np.float32)
        self.sigma = file.read("sigma").astype(np.float64)
        self.labels = file.read("labels").astype(np.int64) if "labels" in file else None
        self.expected = file.read("output").astype(np.float32)
        self.architecture = model.architecture
        self.coefficients = Coefficients.of(model.header, self.sigma)
        fourier = "map_noise.freqs" in model
        self.frequencies = model.read("map_noise.freqs") if fourier else None

    def inputs(self):
        """Arguments of the raw network: scaled images `[batch, channels, height, width]`, features, labels or None."""
        scaled = self.noisy * self.coefficients.c_in.astype(np.float32)[:, None, None, None]
        told = features(self.architecture, self.coefficients.c_noise, self.frequencies)
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)), told, self.labels

    def difference(self, output):
        """Largest and root-mean-square difference of the denoised images from the expected ones, both relative to the
        largest expected value.

        `output`: what the raw network returned, `[batch, channels, height, width]`.
        """
        skip = self.coefficients.c_skip[:, None, None, None]
        out = self.coefficients.c_out[:, None, None, None]
        estimate = skip * self.noisy + out * output.astype(np.float64).transpose(0, 2, 3, 1)
        return relative(estimate, self.expected)


def relative(found, expected):
    """Largest and root-mean-square difference, relative to the largest expected value; infinite where not a number."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        raise Problem(f"an output of shape {list(found.shape)} cannot be compared with one of {list(expected.shape)}")
    error = np.nan_to_num(found - expected, nan=np.inf)
    largest = np.abs(expected).max()
    return float(np.abs(error).max() / largest), float(np.sqrt(np.mean(error**2)) / largest)
