"""What a contest shows: a table for people, and the numbers behind it for programs."""

import textwrap

from verdict import SLOWER, UNDECIDED, compare

# Columns of the terminal that everything fits into.
WIDTH = 120


def comparison(result, contest):
    """A peer beside onestep; None where one of them has no times."""
    reference = contest.results["onestep"]
    if result is reference or result.failure or reference.failure:
        return None
    return compare(result.rounds_ms, reference.rounds_ms)


def millis(value):
    return f"{value:.2f}" if value < 100 else f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def counted(rounds):
    return "one round" if rounds == 1 else f"medians of {rounds} rounds"


def difference(value):
    return f"{value:.1e}" if value else "0"


HEADINGS = ["", "ms", "ratio", "by rounds", "GFLOP/s", "ceiling", "MiB", "max diff", "rms diff"]


def by_rounds(found, words=""):
    """The median of the ratios within rounds, and their range where there are several."""
    spread = f" ({found.least:.2f} to {found.largest:.2f})" if found.rounds > 1 else ""
    return f"{found.of_rounds:.2f}{words}{spread}"


def row(result, contest):
    gflops = contest.about["flop"] / result.median_ms / 1e6
    found = comparison(result, contest)
    reference = result.name == "onestep" and contest.precision == "f32"
    return [
        result.title,
        millis(result.median_ms),
        "" if found is None else f"{found.of_medians:.2f}{'?' if found.verdict == UNDECIDED else ' '}",
        "" if found is None else by_rounds(found),
        f"{gflops:.1f}",
        f"{100.0 * gflops / contest.watch.ceiling():.0f} %",
        f"{result.peak_memory_bytes / 2**20:,.0f}",
        "reference" if reference else difference(result.largest),
        "" if reference else difference(result.rms),
    ]


def heading(contest, network, threads, rounds):
    work = "training step" if contest.training else "forward pass"
    yield f"{network} · {work} · batch {contest.batch} · {contest.precision} · {threads} threads"
    about = contest.about
    if about.get("flop"):
        yield (
            f"{about['parameters'] / 1e6:.1f} M parameters · {about['flop'] / 1e9:,.1f} GFLOP · "
            f"ceiling {contest.watch.ceiling():,.0f} GFLOP/s · {counted(rounds)}"
        )


def verdict(contest, timed):
    """Sentences on onestep and the fastest peer, and on whoever else is not clearly slower."""
    found = {result.name: comparison(result, contest) for result in timed}
    peers = [result for result in timed if found[result.name]]
    if not peers:
        return
    best, own = peers[0], found[peers[0].name]
    times = f"{own.of_medians:.2f} times as long by the medians, {by_rounds(own, ' round by round')}"
    if own.rounds == 1:
        times = f"{own.of_rounds:.2f} times as long in its only round"
    if own.verdict == UNDECIDED:
        yield f"Undecided: the fastest peer, {best.title}, takes {times}."
    else:
        yield f"onestep is {own.verdict}: the fastest peer, {best.title}, takes {times}."
    for what, text in ((SLOWER, "onestep is slower than"), (UNDECIDED, "Undecided beside")):
        others = [peer.title for peer in peers[1:] if found[peer.name].verdict == what]
        if others:
            yield f"{text} {', '.join(others)} too." if own.verdict == what else f"{text} {', '.join(others)}."


def table(contest, network, threads, rounds):
    """The lines of one contest, fastest contestant first."""
    timed = [result for result in contest.results.values() if result.rounds_ms and not result.failure]
    timed.sort(key=lambda result: result.median_ms)
    failed = [result for result in contest.results.values() if result.failure]
    yield from heading(contest, network, threads, rounds)
    yield ""
    rows = [HEADINGS] + [row(result, contest) for result in timed]
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEADINGS))]
    widths[0] = max([widths[0]] + [len(result.title) for result in failed])
    for index, line in enumerate(rows):
        mark = ">" if index and timed[index - 1].name == "onestep" else " "
        cells = [line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        yield f"{mark} {'  '.join(cells)}".rstrip()
        if index == 0:
            yield "  " + "  ".join("─" * width for width in widths)
    for result in failed:
        yield from wrapped(f"{result.title.ljust(widths[0])}  {result.failure}", widths[0] + 2)
    yield ""
    noted = [result for result in timed if result.notes]
    for result in noted:
        yield from wrapped(f"{result.title.ljust(widths[0])}  {'; '.join(result.notes)}", widths[0] + 2)
    if noted:
        yield ""
    machine = list(contest.watch.about())
    if machine:
        yield from wrapped(f"Machine: {' · '.join(machine)}")
    for sentence in verdict(contest, timed):
        yield from wrapped(sentence)
    complaints = list(contest.watch.complaints())
    if complaints:
        yield from wrapped(f"Measure again on a quiet machine: {'; '.join(complaints)}.")


def wrapped(text, indent=2):
    """Lines of a sentence; those after the first begin `indent` columns further right."""
    further = " " * (2 + indent)
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent=further, break_on_hyphens=False)


LEGEND = """\
ms         median over the rounds of each round's median
ratio      that time in units of onestep's: above 1, onestep is faster; with a question mark, undecided
by rounds  time in units of onestep's time in the same round: median (least to largest)
GFLOP/s    nominal operations of the network over that time, the same for all
ceiling    of the multiply-add rate that `onestep bench` measured on these threads
MiB        largest resident memory of the contestant's process, the program itself included
diff       from onestep's f32 output before the timing, relative to its largest value

Undecided is who is less than 1 % apart in either ratio, or whose rounds disagree on who is faster (one in eight may); a
single round decides only where one takes at least twice as long.

Machine, from the first round to the last: the ceiling in onestep's turns; the CPUs that others kept busy between the
rounds; load average; steal, the part of the wanted CPU time that the host of a virtual machine gave to somebody else."""


def compared(result, contest):
    found = comparison(result, contest) if result.rounds_ms else None
    return {
        "ratio_of_medians": found and found.of_medians,
        "ratio_of_rounds": found and found.of_rounds,
        "least_ratio": found and found.least,
        "largest_ratio": found and found.largest,
        "onestep_is": found and found.verdict,
    }


def record(contest, network, threads):
    """The same as plain data."""
    return {
        "network": network,
        "work": "training_step" if contest.training else "forward",
        "batch": contest.batch,
        "precision": contest.precision,
        "threads": threads,
        **contest.about,
        "ceiling_gflops": contest.watch.ceiling(),
        "machine": contest.watch.record(),
        "contestants": [
            {
                "name": result.name,
                "title": result.title,
                "rounds_ms": result.rounds_ms,
                "median_ms": result.median_ms if result.rounds_ms else None,
                **compared(result, contest),
                "peak_memory_bytes": result.peak_memory_bytes,
                "largest_difference": result.largest,
                "rms_difference": result.rms,
                "notes": result.notes,
                "failure": result.failure,
            }
            for result in contest.results.values()
        ],
    }
