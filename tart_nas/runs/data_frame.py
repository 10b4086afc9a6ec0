"""The trained networks of a run as a table of pandas."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tart_nas.architecture import Architecture
from tart_nas.errors import SettingError
from tart_nas.runs.trained_pick import TrainedPick

if TYPE_CHECKING:
    import pandas

__all__ = ["picks_frame"]


def picks_frame(picks: Sequence[TrainedPick]) -> "pandas.DataFrame":
    """See :meth:`tart_nas.SearchResult.to_dataframe`."""
    try:
        import pandas
    except ImportError:  # no dependency: nothing else needs it
        raise SettingError("A data frame needs pandas: pip install pandas.") from None
    rows = [
        {
            "name": p.pick.name,
            "is_random": p.pick.is_random,
            "round": p.pick.round,
            "rank": p.pick.rank,
            "predicted": p.pick.predicted,
            "expected_accuracy": p.pick.expected,
            "parameters": p.pick.parameters,
            "multiply_accumulates": p.pick.multiply_accumulates,
            "state": p.state,
            "validation_accuracy": p.validation_accuracy,
            "test_accuracy": p.test_accuracy,
            "seconds": p.seconds,
            "failure": p.failure,
            "genotype": repr(p.pick.architecture.genotype) if isinstance(p.pick.architecture, Architecture) else None,
            "string": str(p.pick.architecture),
        }
        for p in picks
    ]
    frame = pandas.DataFrame(rows).set_index("name")
    # Columns without a single value would be of objects.
    floats = ["expected_accuracy", "validation_accuracy", "test_accuracy"]
    return frame.astype(dict.fromkeys(floats, float))
