"""The other side of every comparison: the command `onestep bench`."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from problem import Problem


def environment(threads):
    """The environment of every contestant: so many threads, whoever counts them."""
    names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **{name: str(threads) for name in names}}


class Onestep:
    """The binary at `path`, asked about one network on `threads` threads."""

    def __init__(self, path, network, threads):
        found = path if Path(path).is_file() else shutil.which(path)
        if not found:
            raise Problem(
                f"there is no program `{path}`",
                "build it with `cargo build --release`, or say where it lies with --onestep",
            )
        self.path, self.network, self.threads = str(Path(found).absolute()), network, threads

    def run(self, batch, precision, *options):
        command = [self.path, "bench", self.network, "--batch", str(batch), "--precision", precision]
        command += ["--threads", str(self.threads), *options]
        try:
            done = subprocess.run(command, env=environment(self.threads), capture_output=True, text=True)
        except OSError as error:
            raise Problem(f"`{self.path}` cannot be started: {error.strerror}") from error
        if done.returncode != 0:
            said = done.stderr.strip() or f"it ended with {done.returncode} and said nothing"
            raise Problem(f"`{' '.join(command[1:])}` failed:\n  " + said.replace("\n", "\n  "))
        return done.stdout

    def build(self):
        """Which build it is and what it uses here, as `onestep --version` says: version, `commit`, `instructions`."""
        try:
            done = subprocess.run([self.path, "--version"], capture_output=True, text=True)
        except OSError as error:
            raise Problem(f"`{self.path}` cannot be started: {error.strerror}") from error
        lines = done.stdout.splitlines()
        if done.returncode != 0 or not lines:
            raise Problem(f"`{self.path} --version` said nothing")
        told = dict(line.split(maxsplit=1) for line in lines[1:] if len(line.split()) > 1)
        return {"version": lines[0].removeprefix("onestep "), **told}

    @staticmethod
    def reason(problem):
        """The line of a Problem that says what onestep refused."""
        lines = [line.strip() for line in str(problem).splitlines()]
        return next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), lines[0])

    def dump(self, batch, precision, folder):
        """Writes weights, inputs and onestep's own output: `model.safetensors` and `case.safetensors`."""
        self.run(batch, precision, "--what", "forward", "--seconds", "0", "--dump", str(folder))
        for name in ("model.safetensors", "case.safetensors"):
            if not (Path(folder) / name).is_file():
                raise Problem(f"`onestep bench --dump` wrote no {name}")

    def measure(self, batch, precision, training, seconds):
        """One measurement of the forward pass or the training step: a contestant's round, and what goes with it."""
        work, name = ("step", "training_step") if training else ("forward", "forward")
        text = self.run(batch, precision, "--what", work, "--seconds", str(seconds), "--json")
        try:
            told = json.loads(text)
            figures = told[name]
            measured = {
                "times_ms": [figures["median_ms"]],
                "peak_memory_bytes": told["peak_memory_bytes"],
                "flop": figures["flop"],
                "parameters": told["parameters"],
                "ceiling_gflops": told["ceiling_gflops"],
            }
            threads = told["threads"]
        except (ValueError, KeyError, TypeError) as error:
            raise Problem(f"`onestep bench --json` printed something else than expected: {error!r}") from error
        if threads != self.threads:
            raise Problem(f"onestep ran on {threads} threads, where {self.threads} were asked for")
        return measured
