"""The comparison of several runs as text for a terminal."""

from tart_nas.runs.comparison import Comparison, mean_test_accuracy
from tart_nas.runs.text import per_cent, table

__all__ = ["comparison_text"]


def comparison_text(comparison: Comparison, width: int = 88) -> str:
    """The gains of several runs as a table, and the settings that differ.

    Args:
        comparison: of the runs.
        width: of the terminal, in characters.
    """
    rows = []
    for name, result in zip(comparison.names, comparison.results, strict=True):
        gain = result.gain()
        best = result.best.test_accuracy if result.has_best else None
        means = [per_cent(mean_test_accuracy(result, is_random)) for is_random in (False, True)]
        interval = ""
        if gain is not None:
            interval = f"{100 * gain.difference:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
        rows.append([name, per_cent(best), *means, interval])
    header = ["run", "best, test", "picked, mean", "random, mean", "gain, points"]
    differing, _ = comparison.settings()
    settings = table(["setting", *comparison.names], [[name, *row] for name, row in differing.items()], width)
    lines = [table(header, rows, width), "gain: picked minus random networks, with 95 % interval"]
    lines.append(settings if differing else "no setting differs")
    if not comparison.is_alike:
        lines.append("These runs did not train or test alike: compare their gains, not their accuracies.")
    return "\n".join(lines)
