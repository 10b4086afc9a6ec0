"""How long work takes: medians of several rounds, in which all that is compared takes turns."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

__all__ = ["Timing", "timed", "timings"]


@dataclass(frozen=True)
class Timing:
    """How long something took.

    Args:
        seconds: by the clock.
        processor: seconds of processor time of all threads of this process, which count no other program's.
    """

    seconds: float
    processor: float


def timed(work: Callable[[], Any]) -> Timing:
    """Does the work once."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Timing(time.perf_counter() - clock, time.process_time() - processor)


def timings(works: Mapping[str, Callable[[], Any]], rounds: int, warm: bool = True) -> dict[str, Timing]:
    """Medians over the rounds.

    A round does each work once, so that a machine that is slow for a while is slow for all of them.

    Args:
        works: by name.
        rounds: how many count.
        warm: whether a round before does not count, since the first call also loads code.
    """
    if warm:
        for work in works.values():
            work()
    all_rounds = [{name: timed(work) for name, work in works.items()} for _ in range(rounds)]
    return {
        name: Timing(median(r[name].seconds for r in all_rounds), median(r[name].processor for r in all_rounds))
        for name in works
    }
