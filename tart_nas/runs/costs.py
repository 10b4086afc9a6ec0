"""What candidates cost: parameters and FLOPs are counted, the latency is predicted for all and measured for some."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import torch

from tart_nas.checks import short
from tart_nas.errors import PredictorError, RunFolderError, SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.measurements.inference_time import InferenceTime, inference_time
from tart_nas.networks import build_network, parameter_count
from tart_nas.predictors import Predictor
from tart_nas.runs.settings import GIVEN_IMAGES
from tart_nas.search_spaces import TrialArchitecture, TrialSpace
from tart_nas.search_spaces.trial_architecture import AnyArchitecture

__all__ = ["Costs", "keep_reference", "own_image_size", "read_reference"]

Floats = npt.NDArray[np.float64]

_REFERENCE = "latency_reference_ms"  # user attribute of the study
_NAMED_IMAGE_SIZE = 32  # pixels, of the data sets that are known by name, before a training budget reduces them

# Gaussian processes of speed need few labels: 32 take about as long as training one network of the default budget.
_MEASURED = 32
_PASSES = 5  # of each of these; a picked network gets as many as `tart-nas measure` takes
_SCOPE = 500  # networks of a space, which tell the ranges that a predictor fitted in the run shall judge


def own_image_size(dataset: str, trained_size: int | None) -> int:
    """The size in pixels of the images that costs are for: a named data set's own, whatever they are trained at.

    Images that a user gave may come in any size, and in several: theirs is the one that they are brought to for
    training, which the network then takes when it is used, too.

    Args:
        dataset: its name.
        trained_size: height and width of the images that networks are trained on; None where that is not known.
    """
    is_named = dataset not in ("folder", GIVEN_IMAGES)
    return _NAMED_IMAGE_SIZE if is_named or trained_size is None else trained_size


def read_reference(study: optuna.Study) -> float | None:
    """What :func:`keep_reference` kept of a run; None where it kept nothing.

    Raises:
        RunFolderError: if it is no number of milliseconds.
    """
    reference = study.user_attrs.get(_REFERENCE)
    if reference is not None and not (isinstance(reference, float) and 0 < reference < float("inf")):
        raise RunFolderError(f"The study of the run is damaged: its {_REFERENCE} is {short(reference)}.")
    return reference


def keep_reference(study: optuna.Study, milliseconds: float) -> None:
    """Keeps the reference of a run's latencies in its study."""
    study.set_user_attr(_REFERENCE, milliseconds)


@dataclass
class Costs:
    """Counts, predicts and measures what networks of a search cost, at their own size and for one image.

    Args:
        names: what is wanted: ``params``, ``flops``, ``latency_ms``.
        classes: of the data set.
        image_size: of the images, in pixels (:func:`own_image_size`).
        device: which the latency is of; on a CPU, of one thread.
        seed: of what is measured.
        predictor: of the latency, fitted to labels of ``tart-nas measure``; None to fit one to networks that are
            measured now.
        space: what builds candidates of a user's own space. These have the size of the images that they are traced at.
        reference: milliseconds of the reference network, which are the speed of the machine that all latencies of the
            run are given for; None where no network of the run was timed yet.
        keep_reference: is told these as soon as they are known, so that a run that goes on gives its latencies for the
            same speed.
    """

    names: tuple[str, ...]
    classes: int
    image_size: int
    device: torch.device
    seed: int
    predictor: Predictor | None = None
    space: TrialSpace | None = None
    reference: float | None = None
    keep_reference: Callable[[float], None] = lambda milliseconds: None
    _latency: Callable[[Sequence[AnyArchitecture]], Floats] | None = field(default=None, repr=False)

    @property
    def is_prepared(self) -> bool:
        """Whether costs can be told already."""
        return "latency_ms" not in self.names or self._latency is not None

    def prepare(self, networks: Sequence[AnyArchitecture]) -> int:
        """Measures some networks, so that the latency of all that are like them can be predicted.

        Returns:
            How many were measured.
        """
        if "latency_ms" not in self.names:
            return 0
        rng = np.random.default_rng(self.seed)
        rows = rng.permutation(len(networks))
        if self.predictor is not None:
            speeds = self._speeds(self.predictor, [networks[i] for i in rows])
            rows = rows[np.isfinite(speeds)]
            if not len(rows):
                raise PredictorError(f"{self.predictor.identity}, of the latency, judges none of the candidates.")
        chosen = [networks[i] for i in rows[:_MEASURED].tolist()]
        times = [self._timed(network, _PASSES) for network in chosen]
        self._set_reference(float(np.median([time.reference for time in times])))
        logs = np.log([self._at_one_speed(time) for time in times])
        self._latency = (
            self._scaled(chosen, logs) if self.predictor is not None else self._fitted(chosen, logs, networks)
        )
        return len(chosen)

    def _speeds(self, predictor: Predictor, networks: Sequence[AnyArchitecture]) -> Floats:
        """What a predictor says of the speed: minus the logarithm of a time, up to a constant."""
        return predictor.predict(networks, target="inference_speed", outside="nan")

    def _scaled(self, chosen: Sequence[AnyArchitecture], logs: Floats) -> Callable[[Sequence[AnyArchitecture]], Floats]:
        """Predictions by the given predictor, whose labels may be of another device, batch or image size.

        The median ratio of what was measured here to what it predicts makes them milliseconds of this device.
        """
        predictor = self.predictor
        assert predictor is not None
        shift = float(np.median(logs + self._speeds(predictor, chosen)))
        return lambda networks: np.exp(shift - self._speeds(predictor, networks))

    def _fitted(
        self, chosen: Sequence[AnyArchitecture], logs: Floats, networks: Sequence[AnyArchitecture]
    ) -> Callable[[Sequence[AnyArchitecture]], Floats]:
        """Predictions of a Gaussian process that was fitted to what was measured."""
        if len(chosen) < 4 or np.ptp(logs) == 0:  # too few to learn from; all else is as slow as these
            return lambda others: np.full(len(others), np.exp(logs.mean()))
        scope = networks[:: max(1, len(networks) // _SCOPE)]
        kind = "gp" if self.space is None else "gp-graph"
        fitted = Predictor(kind).fit(_read(chosen), -logs, seed=self.seed, extend_scope=_read(scope))
        return lambda others: np.exp(-fitted.predict(_read(others), outside="nan"))

    def of(self, networks: Sequence[AnyArchitecture]) -> dict[str, Floats]:
        """The costs of n networks, (n,) each; NaN where a latency cannot be predicted."""
        counts: dict[str, Callable[[], Floats]] = {
            "params": lambda: np.array([float(self._parameters(network)) for network in networks]),
            "flops": lambda: np.array([float(self._macs(network)) for network in networks]),
            "latency_ms": lambda: self._predicted(networks),
        }
        return {name: counts[name]() for name in self.names}

    def of_pick(self, network: AnyArchitecture, predicted: Mapping[str, float]) -> dict[str, float]:
        """The same of a network that is picked, with its latency measured; the predicted one stands beside it."""
        if "latency_ms" not in self.names:
            return dict(predicted)
        return {**predicted, "latency_ms": self.measure(network), "predicted_latency_ms": predicted["latency_ms"]}

    def measure(self, network: AnyArchitecture) -> float:
        """Milliseconds for one image: the median after passes that are not counted, see :meth:`_at_one_speed`."""
        return self._at_one_speed(self._timed(network))

    def _at_one_speed(self, time: InferenceTime) -> float:
        """Milliseconds on a machine that is as quick as it was when the first networks of the run were timed.

        Other work slows a machine down while some networks of a run are timed, and not while others are: their
        milliseconds then tell of that work. The reference network, timed in turns with each, is slowed down as much.
        """
        if self.reference is None:  # of a run of a version before, which did not keep it
            self._set_reference(time.reference)
        assert self.reference is not None
        return time.relative * self.reference

    def _set_reference(self, milliseconds: float) -> None:
        self.reference = milliseconds
        self.keep_reference(milliseconds)

    def _timed(self, network: AnyArchitecture, passes: int = 15) -> InferenceTime:
        """One image through a network."""
        if isinstance(network, TrialArchitecture):
            assert self.space is not None, "candidates of a user's own space come from it"
            built, size = self.space.network(network), network.input_size[-1]
        else:
            built, size = build_network(network, self.classes, self.image_size), self.image_size
        return inference_time(built, size, batch_size=1, passes=passes, device=self.device)

    def _predicted(self, networks: Sequence[AnyArchitecture]) -> Floats:
        if self._latency is None:
            raise SettingError("The latency cannot be predicted before some networks are measured.")
        return self._latency(networks) if len(networks) else np.zeros(0)

    def _parameters(self, network: AnyArchitecture) -> int:
        if isinstance(network, TrialArchitecture):
            return network.graph.num_parameters
        return parameter_count(network, self.classes, self.image_size)

    def _macs(self, network: AnyArchitecture) -> int:
        if isinstance(network, TrialArchitecture):
            return network.graph.macs
        return ComputationalGraph.from_architecture(network, self.classes, self.image_size).macs


def _read(networks: Sequence[AnyArchitecture]) -> list[Any]:
    """What a predictor reads: of a user's own space graphs, since it reads graphs alone."""
    return [network.graph if isinstance(network, TrialArchitecture) else network for network in networks]
