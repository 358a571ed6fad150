"""Runs ONNX exports by ONNX Runtime and OpenVINO, and compares them with what onestep says.

    ONESTEP_ONNX_CASES=FOLDER cargo test --release --workspace --test it -- cases_for_other_programs
    python bench/check_onnx.py FOLDER

FOLDER holds exports `NAME.onnx`, and beside each what goes in and what has to come out, `NAME.BATCH.safetensors`: tensors by
the names of the inputs, and `expected`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from model import TensorFile
from problem import Problem

# Largest difference, as a part of the largest value.
TOLERANCE = 1e-4


def by_onnxruntime(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


def by_openvino(path):
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: np.array(compiled(inputs)[0])


RUNTIMES = {"ONNX Runtime": by_onnxruntime, "OpenVINO": by_openvino}


def cases_of(path):
    """Inputs and expected output of every batch that lies beside an export."""
    files = sorted(path.parent.glob(f"{path.stem}.*.safetensors"), key=lambda file: int(file.stem.rsplit(".", 1)[1]))
    if not files:
        raise Problem(f"nothing beside {path} says what has to come out", "the test that wrote it writes both")
    for file in files:
        tensors = TensorFile(file)
        arrays = {name: tensors.read(name) for name in tensors.entries}
        yield int(file.stem.rsplit(".", 1)[1]), arrays.pop("expected"), arrays


def check(path):
    """The largest difference of each runtime over all batches, and the batches."""
    import onnx

    # By its path, so that weights beside the file are found; with inference of shapes, which must agree.
    onnx.checker.check_model(str(path), full_check=True)
    cases = list(cases_of(path))
    worst = {}
    for name, prepare in RUNTIMES.items():
        run = prepare(path)
        for _, expected, inputs in cases:
            found = run(inputs)
            if found.shape != expected.shape:
                raise Problem(f"{path}: {name} gives {found.shape} for {expected.shape}")
            difference = float(np.abs(found - expected).max() / np.abs(expected).max())
            # Of NaN and a number, the number is the larger for Python.
            worst[name] = difference if np.isnan(difference) else max(worst.get(name, 0.0), difference)
    return worst, [batch for batch, _, _ in cases]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder with exports and expected outputs")
    folder = parser.parse_args().folder
    paths = sorted(folder.glob("*.onnx"))
    if not paths:
        raise Problem(f"there is no export in {folder}", "the first lines of this file say how to write some")
    width = max(len(path.stem) for path in paths)
    print(f"{'export':<{width}}  batches  " + "  ".join(f"{name:>12}" for name in RUNTIMES))
    failed = False
    for path in paths:
        worst, batches = check(path)
        bad = any(not difference <= TOLERANCE for difference in worst.values())
        failed |= bad
        numbers = "  ".join(f"{worst[name]:>12.1e}" for name in RUNTIMES)
        print(f"{path.stem:<{width}}  {','.join(map(str, batches)):>7}  {numbers}{'  DISAGREES' if bad else ''}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Problem as problem:
        print(problem.show(), file=sys.stderr)
        sys.exit(2)
