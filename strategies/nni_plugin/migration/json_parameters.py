"""The JSON search spaces of NNI as parameters of an Optuna trial, without NNI.

Format: https://nni.readthedocs.io/en/stable/hpo/search_space.html. Most types have a distribution of Optuna that is the
same, and their parameter has the label of NNI. The others are made of a parameter that Optuna does have:

========================================  ====================  ==================================================
type of NNI                               parameter of Optuna   its distribution
========================================  ====================  ==================================================
``choice``, ``randint``, ``uniform``,     ``x``                 categories, integers, floats (with ``log`` or ``step``)
``loguniform``, ``quniform`` whose
bounds are multiples of its step
other ``quniform``, ``qloguniform``       ``x/unrounded``       floats; rounded to the step, clipped to the bounds
``normal``, ``lognormal`` and theirs      ``x/quantile``        floats in (0, 1); the quantile of NNI's distribution
with a step
a choice ``a`` within option ``o``        ``x/o/a``             as above
========================================  ====================  ==================================================
"""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from statistics import NormalDist
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from tart_nas.checks import short
from tart_nas.errors import NniError, reason
from tart_nas.trials.optuna_internals import contains

__all__ = ["JsonParameters", "read_search_space", "suggest_nni"]

_TAIL = 1e-9
"""Quantiles reach from this to one minus this, 6 standard deviations: NNI draws what is beyond once in 5e8 times."""

_DEVIATIONS = 6
_LARGEST = sys.float_info.max

_ALIGNED = 1e-8  # of a step, by which a bound may miss a multiple of it, as Optuna's own check of a step does


def suggest_nni(trial: BaseTrial, search_space: Mapping[str, Any] | str | PathLike[str]) -> dict[str, Any]:
    """Suggests what NNI's tuner would hand out: the place of ``nni.get_next_parameter()`` in an objective of Optuna.

    Under Optuna's ``RandomSampler``, samples are distributed as under NNI's random tuner, but that the two ends of a
    ``quniform`` are as frequent as other steps. The trial of a finished study gives back its sample.

    Example:
        >>> import optuna
        >>> space = {"lr": {"_type": "loguniform", "_value": [0.001, 1]}, "op": {"_type": "choice", "_value": [1, 3]}}
        >>> suggest_nni(optuna.trial.FixedTrial({"lr": 0.1, "op": 3}), space)
        {'lr': 0.1, 'op': 3}

    Args:
        trial: of a study. Other parameters may be suggested beside these.
        search_space: as NNI has it, or the path of its JSON file.

    Returns:
        The sample as NNI's trials get it: nested choices are dicts with ``_name``.

    Raises:
        NniError: if it is no search space of NNI, naming what is wrong; or if the file cannot be read.
    """
    return JsonParameters(read_search_space(search_space)).suggest(trial)


def read_search_space(search_space: Mapping[str, Any] | str | PathLike[str]) -> Mapping[str, Any]:
    """A search space, read from its file where a path is given.

    Raises:
        NniError: if the file cannot be read, or is not JSON.
    """
    if isinstance(search_space, Mapping):
        return search_space
    if not isinstance(search_space, str | PathLike):
        raise NniError(f"`search_space` must be a mapping or the path of a file, but got {short(search_space)}.")
    try:
        space: Any = json.loads(Path(search_space).read_text(encoding="utf-8"))
    except OSError as error:
        raise NniError(f"The search space {search_space} cannot be read: {reason(error)}.") from None
    except (ValueError, RecursionError) as error:
        raise NniError(f"{search_space} is not a search space of NNI: {reason(error)}.") from None
    if not isinstance(space, dict):
        raise NniError(f"{search_space} is not a search space of NNI: expected an object, but got {short(space)}.")
    return space


@dataclass(frozen=True)
class _Parameter:
    """A parameter of Optuna and what it means in NNI.

    Args:
        name: in Optuna.
        distribution: of what is stored.
        value: NNI's value of what is stored.
        stored: what is stored of NNI's value.
        branches: of a nested choice, what each option holds.
    """

    name: str
    distribution: BaseDistribution
    value: Callable[[Any], Any] = lambda stored: stored
    stored: Callable[[Any], Any] = lambda value: value
    branches: Mapping[str, "JsonParameters"] | None = None

    def suggest(self, trial: BaseTrial) -> Any:
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            stored: Any = trial.suggest_categorical(self.name, distribution.choices)
        elif isinstance(distribution, IntDistribution):
            stored = trial.suggest_int(self.name, distribution.low, distribution.high)
        else:
            assert isinstance(distribution, FloatDistribution)
            low, high, step, log = distribution.low, distribution.high, distribution.step, distribution.log
            stored = trial.suggest_float(self.name, low, high, step=step, log=log)
        return self.value(stored)


class JsonParameters:
    """The parameters of a JSON search space.

    Args:
        search_space: as NNI has it.
        prefix: before the names in Optuna, of what lies within a choice.

    Raises:
        NniError: if it is no search space of NNI, naming the label and what is wrong.
    """

    def __init__(self, search_space: Mapping[str, Any], prefix: str = "") -> None:
        try:
            self._parameters = {
                label: _parameter(f"{prefix}{label}", spec) for label, spec in search_space.items() if label != "_name"
            }
        except RecursionError:
            raise NniError("The search space is nested too deeply.") from None

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """A sample, its parameters suggested by a trial."""
        sample: dict[str, Any] = {}
        for label, parameter in self._parameters.items():
            sample[label] = parameter.suggest(trial)
            if parameter.branches is not None:
                sample[label] = {"_name": sample[label], **parameter.branches[sample[label]].suggest(trial)}
        return sample

    def of_sample(self, sample: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        """The parameters of a sample and their distributions, of which :meth:`suggest` makes the sample again.

        Quantiles beyond those of Optuna's parameter become its last ones.

        Raises:
            NniError: naming the label that the sample lacks, or whose value is outside the space.
        """
        values: dict[str, Any] = {}
        distributions: dict[str, BaseDistribution] = {}
        for label, parameter in self._parameters.items():
            if label not in sample:
                raise NniError(f"the sample lacks {parameter.name!r}")
            outside = NniError(f"{parameter.name!r} is outside the search space: {short(sample[label])}")
            try:
                chosen = sample[label] if parameter.branches is None else sample[label]["_name"]
                stored = parameter.stored(chosen)
            except (ValueError, TypeError, KeyError, OverflowError):
                raise outside from None
            if not contains(parameter.distribution, stored):
                raise outside
            values[parameter.name], distributions[parameter.name] = stored, parameter.distribution
            if parameter.branches is not None:
                inner = parameter.branches[chosen].of_sample(sample[label])
                values |= inner[0]
                distributions |= inner[1]
        return values, distributions


def _parameter(name: str, spec: Any) -> _Parameter:
    if not isinstance(spec, Mapping) or "_type" not in spec or not isinstance(spec.get("_value"), list | tuple):
        raise NniError(f"The search space has {name!r} without `_type` and a list `_value`: {short(spec)}.")
    kind, arguments = spec["_type"], spec["_value"]
    if kind == "choice":
        return _choice(name, arguments)
    if not isinstance(kind, str) or kind not in _MAKERS:
        known = ", ".join(("choice", *_MAKERS))
        raise NniError(f"The search space has {name!r} of the type {short(kind)}, which is none of NNI's: {known}.")
    numbers = [float(x) for x in arguments if type(x) in (int, float) and abs(x) <= _LARGEST]  # JSON's; True is none
    expected = 3 if kind.startswith("q") else 2
    if not len(numbers) == len(arguments) == expected:
        raise NniError(
            f"The search space has {name!r}: {kind} takes {expected} finite numbers, got {short(arguments)}."
        )
    if "normal" not in kind and (numbers[0] >= numbers[1] or ("log" in kind and numbers[0] <= 0)):
        rule = "0 < low < high" if "log" in kind else "low < high"
        raise NniError(f"The search space has {name!r}: {kind} needs {rule}, got {short(arguments)}.")
    if min(numbers[1 if "normal" in kind else 2 :], default=1) <= 0:
        raise NniError(f"The search space has {name!r}: {kind} needs a deviation and a step above 0, got {arguments}.")
    if "lognormal" in kind and numbers[0] + _DEVIATIONS * numbers[1] > math.log(_LARGEST):
        raise NniError(
            f"The search space has {name!r}: {kind} with {short(arguments)} reaches beyond what a float holds."
        )
    if kind.startswith("q") and "normal" not in kind and numbers[1] / numbers[2] > _LARGEST:
        raise NniError(f"The search space has {name!r}: {kind} needs a larger step, got {short(arguments)}.")
    return _MAKERS[kind](name, *numbers)


def _choice(name: str, options: Sequence[Any]) -> _Parameter:
    if not options:
        raise NniError(f"The search space has {name!r}, a choice without options.")
    if all(isinstance(option, Mapping) and "_name" in option for option in options):
        names = [option["_name"] for option in options]
        if len(set(map(str, names))) < len(names) or not all(isinstance(option, str) for option in names):
            raise NniError(f"The search space has {name!r}, whose options need different names, got {short(names)}.")
        branches = {option["_name"]: JsonParameters(option, f"{name}/{option['_name']}/") for option in options}
        return _Parameter(name, CategoricalDistribution(names), branches=branches)
    # Optuna stores numbers, texts and None: lists and objects become JSON
    texts = {_category(option): option for option in options if _category(option) is not option}
    return _Parameter(
        name,
        CategoricalDistribution([_category(option) for option in options]),
        value=lambda stored: texts.get(stored, stored),
        stored=_category,
    )


def _category(option: Any) -> Any:
    if option is None or isinstance(option, bool | int | float | str):
        return option
    return json.dumps(option)


def _randint(name: str, lower: float, upper: float) -> _Parameter:
    low, high = math.ceil(lower), math.ceil(upper) - 1  # the upper bound is exclusive
    if low > high:
        raise NniError(f"The search space has {name!r}: randint holds no integer in [{lower:g}, {upper:g}).")
    return _Parameter(name, IntDistribution(low, high))


def _uniform(name: str, low: float, high: float) -> _Parameter:
    return _Parameter(name, FloatDistribution(low, high))


def _loguniform(name: str, low: float, high: float) -> _Parameter:
    return _Parameter(name, FloatDistribution(low, high, log=True))


def _quniform(name: str, low: float, high: float, q: float) -> _Parameter:
    if all(abs(bound / q - round(bound / q)) < _ALIGNED for bound in (low, high)):
        return _Parameter(name, FloatDistribution(low, high, step=q))
    return _unrounded(name, FloatDistribution(low, high), q)


def _qloguniform(name: str, low: float, high: float, q: float) -> _Parameter:
    return _unrounded(name, FloatDistribution(low, high, log=True), q)


def _unrounded(name: str, distribution: FloatDistribution, q: float) -> _Parameter:
    def value(stored: float) -> float:
        return min(max(round(stored / q) * q, distribution.low), distribution.high)

    return _Parameter(f"{name}/unrounded", distribution, value)


def _normal(name: str, mu: float, sigma: float, q: float | None = None, *, is_log: bool = False) -> _Parameter:
    normal = NormalDist(mu, sigma)

    def value(stored: float) -> float:
        x = normal.inv_cdf(stored)
        x = math.exp(x) if is_log else x
        return x if q is None else round(x / q) * q

    def stored(value: float) -> float:
        # A quarter of a step is rounded to zero, which has no logarithm.
        x = math.log(max(value, q / 4) if q is not None else value) if is_log else value
        return min(max(normal.cdf(x), _TAIL), 1 - _TAIL)

    return _Parameter(f"{name}/quantile", FloatDistribution(_TAIL, 1 - _TAIL), value, stored)


def _lognormal(name: str, mu: float, sigma: float, q: float | None = None) -> _Parameter:
    return _normal(name, mu, sigma, q, is_log=True)


_MAKERS: dict[str, Callable[..., _Parameter]] = {
    "randint": _randint,
    "uniform": _uniform,
    "quniform": _quniform,
    "loguniform": _loguniform,
    "qloguniform": _qloguniform,
    "normal": _normal,
    "qnormal": _normal,
    "lognormal": _lognormal,
    "qlognormal": _lognormal,
}
