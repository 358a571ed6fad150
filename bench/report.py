"""What a contest shows: a table for people, and the numbers behind it for programs."""

import statistics


def ratio(result, reference):
    """Median over the rounds of the time, in units of the reference's time in the same round."""
    if not reference.rounds_ms or reference.failure:
        return None
    return statistics.median(own / other for own, other in zip(result.rounds_ms, reference.rounds_ms))


def millis(value):
    return f"{value:.2f}" if value < 100 else f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def counted(rounds):
    return "one round" if rounds == 1 else f"medians of {rounds} rounds"


def difference(value):
    return f"{value:.1e}" if value else "0"


def times_as_fast(value):
    return f"{value:.2f} times as fast as" if value >= 1.0 else f"slower than ({value:.2f} times as fast as)"


def busy(contest):
    """CPUs that others used between the rounds, as far as known."""
    known = [value for value in contest.busy if value is not None]
    return statistics.mean(known) if known else None


HEADINGS = ["", "ms", "ratio", "GFLOP/s", "ceiling", "memory", "largest diff", "rms diff"]


def row(result, contest):
    gflops = contest.about["flop"] / result.median_ms / 1e6
    own = ratio(result, contest.results["onestep"])
    reference = result.name == "onestep" and contest.precision == "f32"
    return [
        result.title,
        millis(result.median_ms),
        "" if own is None else f"{own:.2f}",
        f"{gflops:.1f}",
        f"{100.0 * gflops / contest.about['ceiling_gflops']:.0f} %",
        f"{result.peak_memory_bytes / 2**20:,.0f} MiB",
        "reference" if reference else difference(result.largest),
        "" if reference else difference(result.rms),
    ]


def table(contest, network, threads, rounds):
    """The lines of one contest, fastest contestant first."""
    timed = [result for result in contest.results.values() if result.rounds_ms and not result.failure]
    timed.sort(key=lambda result: result.median_ms)
    work = "training step" if contest.training else "forward pass"
    about = contest.about
    yield f"{network} · {work} · batch {contest.batch} · {contest.precision} · {threads} threads"
    if about.get("flop"):
        yield (
            f"{about['parameters'] / 1e6:.1f} M parameters · {about['flop'] / 1e9:,.1f} GFLOP · "
            f"ceiling {about['ceiling_gflops']:,.0f} GFLOP/s · {counted(rounds)}"
        )
    yield ""
    rows = [HEADINGS] + [row(result, contest) for result in timed]
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEADINGS))]
    notes = [""] + [result.note for result in timed]
    failed = [result for result in contest.results.values() if result.failure]
    widths[0] = max([widths[0]] + [len(result.title) for result in failed])
    for index, (line, note) in enumerate(zip(rows, notes)):
        mark = ">" if index and timed[index - 1].name == "onestep" else " "
        cells = [line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        yield f"{mark} {'  '.join(cells)}{'  ' + note if note else ''}".rstrip()
        if index == 0:
            yield "  " + "  ".join("─" * width for width in widths)
    for result in failed:
        yield f"  {result.title.ljust(widths[0])}  {result.failure}"
    peers = [result for result in timed if result.name != "onestep"]
    if peers and len(peers) < len(timed):
        ratios = {result.name: ratio(result, contest.results["onestep"]) for result in peers}
        best = min(peers, key=lambda result: ratios[result.name])
        yield ""
        yield f"  onestep is {times_as_fast(ratios[best.name])} the fastest peer, {best.title}."
    others = busy(contest) or 0.0
    if others > 0.2:
        if len(peers) in (0, len(timed)):
            yield ""
        yield f"  Other programs kept {others:.1f} CPUs busy between the rounds: measure again on a quiet machine."


LEGEND = """\
ms            median over the rounds of each round's median
ratio         time in units of onestep's time in the same round, median: above 1, onestep is faster
GFLOP/s       nominal operations of the network over that time, the same for all
ceiling       of the multiply-add rate that `onestep bench` measured on these threads
memory        largest resident memory of the contestant's process, the program itself included
diff          from onestep's f32 output before the timing, relative to its largest value"""


def record(contest, network, threads):
    """The same as plain data."""
    return {
        "network": network,
        "work": "training_step" if contest.training else "forward",
        "batch": contest.batch,
        "precision": contest.precision,
        "threads": threads,
        "busy_cpus": busy(contest),
        **contest.about,
        "contestants": [
            {
                "name": result.name,
                "title": result.title,
                "rounds_ms": result.rounds_ms,
                "median_ms": result.median_ms if result.rounds_ms else None,
                "ratio": ratio(result, contest.results["onestep"]) if result.rounds_ms else None,
                "peak_memory_bytes": result.peak_memory_bytes,
                "largest_difference": result.largest,
                "rms_difference": result.rms,
                "note": result.note,
                "failure": result.failure,
            }
            for result in contest.results.values()
        ],
    }
