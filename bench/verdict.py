"""Who is faster, from the rounds of two contestants, and never more than the rounds show.

A contestant is called faster only where the medians, the rounds in the middle and the rounds one by one all say so.
"""

import statistics
from dataclasses import dataclass

# Ratios closer to 1 than this are called equal, whoever is ahead.
CLOSE = 0.01
# One round in so many may contradict the others.
ROUNDS_PER_EXCEPTION = 8
# What a single round must show, having no other to confirm it.
ALONE = 2.0

FASTER, SLOWER, UNDECIDED = "faster", "slower", "undecided"


@dataclass(frozen=True)
class Comparison:
    """A peer's time in units of the reference's: above 1, the reference is faster.

    `of_medians` divides the medians over all rounds, as the table prints them. The others come from the ratios within
    each round: their median, the least and the largest. `verdict` is about the reference.
    """

    of_medians: float
    of_rounds: float
    least: float
    largest: float
    rounds: int
    verdict: str


def compare(times, reference):
    """Compares the times of a peer with those of the reference, round by round; None without any round in common.

    A peer with fewer rounds has taken part in the first ones.
    """
    ratios = [own / other for own, other in zip(times, reference)]
    if not ratios:
        return None
    of_medians = statistics.median(times) / statistics.median(reference)
    return Comparison(
        of_medians, statistics.median(ratios), min(ratios), max(ratios), len(ratios), judge(of_medians, ratios)
    )


def judge(of_medians, ratios):
    """`faster` or `slower`, said of the reference, where all agree on it; else `undecided`."""
    exceptions = len(ratios) // ROUNDS_PER_EXCEPTION
    margin = ALONE if len(ratios) == 1 else 1.0 + CLOSE

    def ahead(middles, rounds):
        wins = sum(ratio > 1.0 for ratio in rounds)
        return min(middles) >= margin and wins >= len(rounds) - exceptions

    middles = [of_medians, statistics.median(ratios)]
    if ahead(middles, ratios):
        return FASTER
    if ahead([1.0 / value for value in middles], [1.0 / value for value in ratios]):
        return SLOWER
    return UNDECIDED
