"""The architecture of a trial as Optuna's parameters: its dashboard and plots show what a network is made of."""

from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from tart_nas.architecture import Architecture
from tart_nas.errors import SettingError
from tart_nas.operations import CELL_OPS
from tart_nas.search_spaces import ArchitectureSource, DartsSpace, Parameters
from tart_nas.search_spaces.trial_architecture import AnyArchitecture

__all__ = ["TrialParameters", "trial_parameters"]

TrialParameters = tuple[dict[str, Any], dict[str, BaseDistribution]]
"""Values and distributions by name."""

# Ranges of what is counted where a source has no parameters. They must be the same in all trials of a study, or Optuna
# compares nothing; values beyond are shown as the end of the range.
_CELLS, _CHANNELS, _COUNT = IntDistribution(1, 64), IntDistribution(1, 1024, log=True), IntDistribution(0, 32)


class _Recorder(Parameters):
    """Known values as a suggester that notes the distributions which they are asked for from."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.distributions: dict[str, BaseDistribution] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        self.distributions[name] = CategoricalDistribution(list(choices))
        return super().suggest_categorical(name, choices)

    def suggest_int(self, name: str, low: int, high: int, /, *, step: int = 1, log: bool = False) -> int:
        self.distributions[name] = IntDistribution(low, high, log=log, step=step)
        return super().suggest_int(name, low, high, step=step, log=log)

    def suggest_float(
        self, name: str, low: float, high: float, /, *, step: float | None = None, log: bool = False
    ) -> float:
        self.distributions[name] = FloatDistribution(low, high, log=log, step=step)
        return super().suggest_float(name, low, high, step=step, log=log)


def trial_parameters(architecture: AnyArchitecture, source: ArchitectureSource | None) -> TrialParameters:
    """The parameters of an architecture.

    Args:
        architecture: at its own size.
        source: what it was drawn from. A space with parameters gives those that ``suggest_architecture`` of
            :mod:`tart_nas.strategies.optuna_plugin` suggests; other sources give the number of cells, the channels and
            how often each operation occurs; for None, a list of candidates, it is the DARTS space where that has it.
    """
    found: Any = source
    if isinstance(architecture, Architecture) and source is None:
        found = DartsSpace(**{**DartsSpace().settings, "n_cells": architecture.n_cells, "C": architecture.C})
    if hasattr(found, "suggest") and hasattr(found, "parameters"):
        try:
            recorder = _Recorder(found.parameters(architecture))
            found.suggest(recorder)
        except SettingError:  # a candidate that the space does not contain
            return _counted(architecture) if isinstance(architecture, Architecture) else ({}, {})
        return recorder.asked, recorder.distributions
    return _counted(architecture) if isinstance(architecture, Architecture) else ({}, {})


def _counted(architecture: Architecture) -> TrialParameters:
    ops = [op for op, _ in architecture.genotype.normal + architecture.genotype.reduce]
    values: dict[str, int] = {"cells": architecture.n_cells, "channels": architecture.C}
    values |= {f"number of {op}": ops.count(op) for op in CELL_OPS}
    distributions = {name: {"cells": _CELLS, "channels": _CHANNELS}.get(name, _COUNT) for name in values}
    return {name: min(value, distributions[name].high) for name, value in values.items()}, {**distributions}
