"""Who takes part: names, titles and what each can do. Imports nothing heavy, so that the clock's owner stays small."""

from dataclasses import dataclass

from problem import Problem


@dataclass(frozen=True)
class Peer:
    """One way to run a network besides onestep's."""

    name: str
    title: str
    precisions: tuple
    trains: bool
    packages: tuple
    # What `export` makes of the network for this peer: a file's suffix, or none.
    export: str = ""


PEERS = [
    Peer("eager", "PyTorch", ("f32", "bf16"), True, ("torch",)),
    Peer("channels-last", "PyTorch channels-last", ("f32", "bf16"), True, ("torch",)),
    Peer("bf16-weights", "PyTorch bf16 weights", ("bf16",), False, ("torch",)),
    Peer("compile", "PyTorch torch.compile", ("f32", "bf16"), True, ("torch",)),
    Peer("onnxruntime", "ONNX Runtime", ("f32",), False, ("onnxruntime", "torch", "onnx", "onnxscript"), "onnx"),
    Peer("openvino", "OpenVINO", ("f32", "bf16"), False, ("openvino", "torch"), "xml"),
]
NAMES = [peer.name for peer in PEERS]

# Largest difference from onestep's f32 output, relative to the largest value, that still counts as the same function.
TOLERANCE = {"f32": 1e-4, "bf16": 3e-2}


def chosen(names):
    """The peers of these names, in the order above."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise Problem(f"there is no peer `{unknown[0]}`", f"the peers are {', '.join(NAMES)}")
    return [peer for peer in PEERS if peer.name in names]


def takes_part(peer, precision, training):
    return precision in peer.precisions and (peer.trains or not training)
