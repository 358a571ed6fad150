#!/usr/bin/env python3
"""onestep beside its peers, on the same weights and inputs: one table of times in one run.

Every contestant has a process of its own and the same number of threads. Its output must agree with onestep's before it
is timed. Then all take turns, round by round, so that a machine that slows down slows down for everybody.
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import report
from contest import Contest
from contestants import NAMES, chosen, takes_part
from machine import Processor, limits
from onestep import Onestep
from problem import Problem


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def duration(text):
    value = float(text)
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds, got {text}")
    return value


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--onestep", default="target/release/onestep", metavar="PROGRAM", help="the command to measure [%(default)s]")
    add("--network", required=True, metavar="NETWORK", help="a network that `onestep bench` knows")
    add("--batch", type=positive, nargs="+", default=[1, 8], metavar="N", help="images at a time [1 8]")
    add("--precision", nargs="+", choices=["f32", "bf16"], default=["f32"], help="arithmetic [f32]")
    add("--training", action="store_true", help="time a whole training step instead of the forward pass")
    add("--peers", nargs="+", default=NAMES, metavar="PEER", help=f"only these [{' '.join(NAMES)}]")
    add("--without", nargs="+", default=[], metavar="PEER", help="all but these")
    add("--rounds", type=positive, default=5, metavar="N", help="turns of each contestant [%(default)s]")
    add("--seconds", type=duration, default=2.0, help="length of a turn, at least three passes [%(default)s]")
    add("--threads", type=positive, default=2, metavar="N", help="threads of each contestant [%(default)s]")
    add("--json", type=Path, metavar="FILE", help="write all numbers there too")
    add("--keep", type=Path, metavar="FOLDER", help="keep weights, inputs, exported graphs and logs there")
    return parser.parse_args()


def require_packages(peers):
    """Everything that the chosen peers import, before anything takes time."""
    missing = {
        package: peer.name
        for peer in peers
        for package in (*peer.packages, "numpy")
        if importlib.util.find_spec(package) is None
    }
    for package, name in missing.items():
        rest = [peer.name for peer in peers if package not in peer.packages]
        hint = f"{sys.executable} -m pip install -r {Path(__file__).with_name('requirements.txt')}"
        hint += f", or go without: --peers {' '.join(rest)}" if rest and package != "numpy" else ""
        raise Problem(f"the Python package `{package}`, which the peer `{name}` needs, is not installed", hint)


def circumstances(onestep, peers):
    """Where and of which versions everything is, as plain data."""
    packages = ["torch", "onnxruntime", "openvino"]
    used = [package for package in packages if any(package in peer.packages for peer in peers)]
    return {
        "processor": dataclasses.asdict(Processor.here()),
        "cpus": os.cpu_count(),
        "onestep": onestep.build(),
        "packages": {package: metadata.version(package) for package in used},
        "limits": limits(),
    }


def introduce(told, precisions):
    """The same in a few lines for people."""
    processor, build, packages = Processor(**told["processor"]), told["onestep"], told["packages"]
    yield processor.about()
    commit, loops = (build.get(key, "unknown") for key in ("commit", "instructions"))
    yield f"onestep {build['version']} (commit {commit}), loops for {loops}"
    if packages:
        yield ", ".join(f"{package} {version}" for package, version in packages.items())
    if told["limits"]:
        yield f"Held back by the environment: {' '.join(told['limits'])}"
    if "bf16" in precisions and processor.bf16 == ():
        yield "This CPU has no bf16 instructions: in bf16 the contestants emulate them, or compute in f32."


def compare(options, onestep, peers, folder, say):
    contests = []
    for batch in options.batch:
        case = folder / f"batch-{batch}"
        case.mkdir(parents=True, exist_ok=True)
        say(f"{options.network}, batch {batch}: weights and inputs")
        onestep.dump(batch, "f32", case)
        for precision in options.precision:
            taking_part = [peer for peer in peers if takes_part(peer, precision, options.training)]
            say(f"{options.network}, batch {batch}, {precision}")
            contest = Contest(
                onestep, taking_part, batch, precision, options.training, case, options.seconds, say
            )
            contests.append(contest.run(options.rounds))
            print("\n".join(report.table(contest, options.network, options.threads, options.rounds)) + "\n", flush=True)
        if not options.keep:
            shutil.rmtree(case)
    return contests


def main():
    options = arguments()
    peers = chosen(options.peers, options.without)
    require_packages(peers)
    onestep = Onestep(options.onestep, options.network, options.threads)

    def say(line):
        print(line, file=sys.stderr, flush=True)

    told = circumstances(onestep, peers)
    print("\n".join(introduce(told, options.precision)) + "\n", flush=True)
    if options.keep:
        contests = compare(options, onestep, peers, options.keep, say)
    else:
        with tempfile.TemporaryDirectory(prefix="onestep-peers-") as folder:
            contests = compare(options, onestep, peers, Path(folder), say)
    if options.json:
        records = [{**report.record(contest, options.network, options.threads), **told} for contest in contests]
        try:
            options.json.write_text(json.dumps(records, indent=1) + "\n")
        except OSError as error:
            raise Problem(f"cannot write {options.json}: {error.strerror}") from error
    print(report.LEGEND)


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        print(problem.show(), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
