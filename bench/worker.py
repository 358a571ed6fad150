"""A contestant's process: prepares, shows that its output agrees, and takes the time when told to.

Reads one job as JSON from the command line, then commands from standard input, and answers each with one line of JSON.
Nothing but `peers.py` starts it.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

from problem import Problem, gist


def peak_memory():
    """Largest resident memory of this process, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # `ru_maxrss` would include what the parent had before this program was started.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def passes(call, seconds):
    """Milliseconds of each pass: one to warm up, then at least two, and more until `seconds` are over."""
    call()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def contest(job, answer):
    from contestants import chosen
    from runners import runner

    (peer,) = chosen([job["peer"]])
    run = runner(peer, job["training"])(peer, job["precision"], job["case"], job["export"], job["threads"])
    largest, rms = run.check()
    answer({"largest": largest, "rms": rms, "notes": run.notes()})
    for line in sys.stdin:
        if line.strip() == "stop":
            break
        answer({"times_ms": passes(run, job["seconds"]), "peak_memory_bytes": peak_memory()})


def compare(job, answer):
    """How far two recorded outputs are apart."""
    from model import TensorFile, relative

    found, expected = (TensorFile(f"{job[name]}/case.safetensors").read("output") for name in ("found", "expected"))
    largest, rms = relative(found, expected)
    answer({"largest": largest, "rms": rms})


def export(job, answer):
    import runners

    runners.export(job["case"], job["suffix"], job["path"])
    answer({})


def main():
    # Libraries print; the answers go where their prints do not.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value):
        out.write(json.dumps(value) + "\n")
        out.flush()

    job = json.loads(sys.argv[1])
    try:
        {"contest": contest, "compare": compare, "export": export}[job["task"]](job, answer)
    except Problem as problem:
        answer({"error": str(problem)})
    except Exception as error:  # Whatever a library throws belongs into the table, with its trace in the log.
        import traceback

        traceback.print_exc()
        # torch.compile wraps what has happened to it.
        cause = getattr(error, "inner_exception", None) or error
        answer({"error": f"{type(cause).__name__}: {gist(str(cause))}"})
    out.flush()
    # Some libraries crash while they are torn down; everything has been said by now.
    os._exit(0)


if __name__ == "__main__":
    main()
