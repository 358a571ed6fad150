"""Who takes part: names, titles and what each can do. Imports nothing heavy, so that the clock's owner stays small."""

from dataclasses import dataclass, field

from problem import Problem

BOTH = ("f32", "bf16")


@dataclass(frozen=True)
class Peer:
    """One way to run a network besides onestep's."""

    name: str
    title: str
    packages: tuple
    precisions: tuple = BOTH
    works: tuple = ("forward", "training")
    # What `export` makes of the network for this peer: a file's suffix, or none.
    export: str = ""
    # How PyTorch is used. Without weights in bf16, it computes in bf16 by autocast.
    channels_last: bool = True
    bf16_weights: bool = False
    compiled: bool = False
    # Variables of its process, beside those that count threads.
    environment: dict = field(default_factory=dict)


# What PyTorch's own allocator and glibc's need to be told to keep large tensors, in huge pages, as onestep does unasked.
HUGE_PAGES = {
    "THP_MEM_ALLOC_ENABLE": "1",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=2147483648"
    ":glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=67108864",
}
TORCH = ("torch",)
FORWARD, TRAINING = ("forward",), ("training",)
PEERS = [
    Peer("eager", "PyTorch", TORCH, channels_last=False),
    Peer("channels-last", "PyTorch channels-last", TORCH),
    Peer("eager-pages", "PyTorch huge pages", TORCH, channels_last=False, environment=HUGE_PAGES),
    Peer("channels-last-pages", "PyTorch channels-last huge pages", TORCH, environment=HUGE_PAGES),
    Peer("bf16-weights", "PyTorch bf16 weights", TORCH, ("bf16",), FORWARD, bf16_weights=True),
    Peer("compile", "torch.compile", TORCH, compiled=True),
    Peer(
        "compile-bf16-weights", "torch.compile bf16 weights", TORCH, ("bf16",), FORWARD, bf16_weights=True, compiled=True
    ),
    # It computes in channels-last either way; what differs is how weights and their gradients lie, so without gradients,
    # where weights are frozen, nothing does.
    Peer("compile-default", "torch.compile default layout", TORCH, BOTH, TRAINING, channels_last=False, compiled=True),
    Peer("onnxruntime", "ONNX Runtime", ("onnxruntime", "torch", "onnx", "onnxscript"), ("f32",), FORWARD, "onnx"),
    Peer("openvino", "OpenVINO", ("openvino", "torch"), BOTH, FORWARD, "xml"),
]
NAMES = [peer.name for peer in PEERS]

# Largest difference from onestep's f32 output, relative to the largest value, that still counts as the same function.
TOLERANCE = {"f32": 1e-4, "bf16": 3e-2}


def chosen(names, without=()):
    """The peers of these names, in the order above, except some."""
    unknown = [name for name in (*names, *without) if name not in NAMES]
    if unknown:
        raise Problem(f"there is no peer `{unknown[0]}`", f"the peers are {', '.join(NAMES)}")
    return [peer for peer in PEERS if peer.name in names and peer.name not in without]


def takes_part(peer, precision, training):
    return precision in peer.precisions and ("training" if training else "forward") in peer.works
