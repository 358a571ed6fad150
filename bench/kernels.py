"""What computes underneath: which convolutions oneDNN chose, in PyTorch and OpenVINO, and whether there is a compiler.

A bf16 row on a processor with tiles means something else where the tiles were not used; so every such row tells.
"""

import os
import shlex
import shutil
import sys
import tempfile
from collections import Counter

from problem import Problem


def require_compiler():
    """torch.compile writes C++ on CPUs; without a compiler it fails, late and at length."""
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    name = os.environ.get("CXX") or usual
    if not shutil.which(shlex.split(name)[0]):
        raise Problem(f"needs a C++ compiler, and there is no `{name}` here")


def torch_kernels(torch, call):
    """Milliseconds that one `call` spends in each of oneDNN's implementations of convolutions, by their names."""
    verbose = torch.backends.mkldnn.verbose
    with tempfile.TemporaryFile("w+") as file:
        kept = os.dup(1)
        try:
            # oneDNN prints to the standard output of the process.
            os.dup2(file.fileno(), 1)
            with verbose(torch.backends.mkldnn.VERBOSE_ON):
                call()
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        file.seek(0)
        return convolutions(file)


def convolutions(lines):
    """The same from what oneDNN prints: `onednn_verbose,v1,primitive,exec,cpu,KIND,IMPLEMENTATION,…,MILLISECONDS`."""
    times = Counter()
    for line in lines:
        fields = line.strip().split(",")
        if "exec" not in fields[:5]:
            continue
        at = fields.index("exec")
        if "convolution" in fields[at + 2] and len(fields) > at + 4:
            times[fields[at + 3]] += float(fields[-1])
    return times


def openvino_kernels(compiled):
    """How many convolutions of a compiled model run in each implementation, by their names."""
    counts = Counter()
    for node in compiled.get_runtime_model().get_ordered_ops():
        told = node.get_rt_info()
        if "layerType" in told and "Convolution" in told["layerType"].astype(str):
            counts[told["primitiveType"].astype(str)] += 1
    return counts


def by_kernels(weights):
    """A note for people: instruction sets of the convolutions, the largest part first."""
    parts = Counter()
    for name, weight in weights.items():
        parts[instruction_set(name)] += weight
    whole = sum(parts.values())
    if not whole:
        return "no convolutions of oneDNN"
    if len(parts) == 1:
        return f"convolutions by {next(iter(parts))}"
    shares = (f"{name} ({100.0 * part / whole:.0f} %)" for name, part in parts.most_common() if part >= 0.005 * whole)
    return "convolutions by " + ", ".join(shares)


def instruction_set(implementation):
    """Of `brg_conv_fwd:avx10_1_512_amx` or `brgconv_avx512_amx_BF16`, in the words of the table."""
    name = implementation.lower()
    if "amx" in name:
        return "AMX tiles"
    for part, title in (("avx512", "AVX-512"), ("avx10", "AVX-512"), ("avx2", "AVX2"), ("sve", "SVE"), ("acl", "ACL")):
        if part in name:
            return title
    return implementation
