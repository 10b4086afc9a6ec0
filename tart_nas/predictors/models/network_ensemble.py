"""What all predictors that are ensembles of small PyTorch networks share: settings, fitting, prediction, arrays."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tart_nas.checks import number, one_of, whole
from tart_nas.devices import forked_rng, seed_rng, shapes_only
from tart_nas.errors import PredictorError, SettingError
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.regressor import Regressor
from tart_nas.predictors.models.threads import for_each_chunk, one_thread_per_operation
from tart_nas.predictors.models.training import FittingRecipe, Inputs, fit_networks

__all__ = ["NetworkEnsemble"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


_FOLDS = 5  # a calibration pair does not see one of them
_OF_TRAINING = {"dropout", "pretraining"}  # settings that leave the network as it is


@dataclass(frozen=True)
class _Errors:
    """How large errors are on architectures that a network has not seen, in units of standardised targets, (P,) each.

    Attributes:
        common: mean squared error that remains with infinitely many members (bias and noise).
        spread: mean variance between two members.
    """

    common: Floats
    spread: Floats

    def std(self, means: Floats) -> Floats:
        """Standard deviations (n, P) of what members (M, n, P) predict: half of the variance follows their spread."""
        members = len(means)
        variance = self.common + self.spread / members
        if members == 1:
            return np.broadcast_to(np.sqrt(variance), means.shape[1:])
        return np.asarray(np.sqrt(variance * (0.5 + 0.5 * means.var(axis=0, ddof=1) / self.spread)))


class NetworkEnsemble(Regressor):
    """The mean of several networks, alike but for their random numbers.

    On a GPU (:meth:`to`) the same seed gives nearly the same networks: there sums come in any order.

    In training each member also predicts the auxiliary targets, which keeps it from learning few targets by heart.

    What it says of its uncertainty comes from pairs of further networks, each of which is fitted beside the members
    without a fifth of the labels and then dropped. With y a label that the pair f, g has not seen, (f - g)^2 / 2 is the
    variance between networks, and (y - (f + g) / 2)^2 less half of that what no number of members would mend.

    Args:
        ensemble: number of members, at least 1.
        calibration: number of such pairs, from 0 to 5; with 0 the standard deviation is the members' spread, which is
            less than their error, and NaN of a single member.
        settings: fields of the kind's settings (``settings_class``) and of
            :class:`~tart_nas.predictors.models.training.FittingRecipe`.

    Raises:
        SettingError: if there is no such setting, or one is outside its range.
    """

    kind: ClassVar[str]
    several_targets = True
    settings_class: ClassVar[type[Any]]
    """A dataclass that tells the network, with defaults for all."""
    network_class: ClassVar[type[nn.Module]]
    """Of these settings and a number of outputs makes a network from inputs to (B, outputs), whose last layer is an
    ``nn.Linear`` called ``head``."""
    choices: ClassVar[Mapping[str, Sequence[str]]] = {}
    """The names that a setting chooses among, of those that are names."""
    fitted_together: ClassVar[bool] = True
    """See :func:`~tart_nas.predictors.models.training.fit_networks`."""

    def __init__(self, ensemble: int, calibration: int, recipe: FittingRecipe, settings: dict[str, Any]) -> None:
        legal = {field.name for field in (*fields(self.settings_class), *fields(FittingRecipe))}
        if unknown := sorted(settings.keys() - legal):
            expected = ", ".join(["ensemble", "calibration", *sorted(legal)])
            raise SettingError(f"The kind `{self.kind}` has no setting {unknown[0]!r}: expected one of {expected}.")
        self.recipe = FittingRecipe(**{**asdict(recipe), **_only(FittingRecipe, settings)})
        self.network_settings = self.settings_class(**_only(self.settings_class, settings))
        self.ensemble, self.calibration = ensemble, calibration
        for name, value in self.settings.items():
            self.check_setting(name, value)
        self._members: list[nn.Module] = []
        self._errors: _Errors | None = None
        self._initial: list[nn.Module] = []
        self.device = torch.device("cpu")

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        return {
            "ensemble": self.ensemble,
            "calibration": self.calibration,
            **asdict(self.network_settings),
            **asdict(self.recipe),
        }

    @abstractmethod
    def network_inputs(self, inputs: PredictorInputs, training: bool) -> Inputs:
        """What the networks read of some architectures."""

    @abstractmethod
    def chunks(self, inputs: Inputs) -> list[Rows]:
        """Which architectures are predicted in one pass each, given what :meth:`network_inputs` made."""

    def pretrain(
        self,
        members: list[nn.Module],
        inputs: PredictorInputs,
        targets: Floats,
        held_out: torch.Tensor,
        generator: torch.Generator,
        advance: Callable[[float], None],
    ) -> float:
        """Gives new members something better to start from; by default it does nothing.

        Args:
            members: M of them.
            inputs: as of :meth:`fit`, like ``targets`` and ``advance``.
            targets: (n, P).
            held_out: (M, n), True where a member must not learn a label.
            generator: of everything random.
            advance: see there.

        Returns:
            The share of the work that this was.
        """
        return 0.0

    def check_setting(self, name: str, value: Any) -> None:
        """Checks a setting against its range.

        Raises:
            SettingError: if it is outside.
        """
        if name in self.choices:
            one_of(name, value, self.choices[name])
        elif name in ("learning_rate", "weight_decay", "ranking_weight", "auxiliary_weight", "dropout"):
            number(name, value, 0, below=1 if name == "dropout" else None)
        else:
            least = {"batch": 2, "calibration": 0}.get(name, 1)
            whole(name, value, least, _FOLDS if name == "calibration" else None)

    def start_from(self, other: Regressor) -> None:  # noqa: D102
        if type(other) is not type(self) or _shape(other.network_settings) != _shape(self.network_settings):
            raise PredictorError(f"A {self.kind} predictor can start only from one of the same kind and size.")
        self._initial = other._members

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        targets = targets.reshape(len(targets), -1)  # (n, P)
        with one_thread_per_operation(), forked_rng(self.device):
            seed_rng(self.device, seed)
            generator = torch.Generator().manual_seed(seed)
            pairs = self.calibration if len(targets) >= 2 * _FOLDS else 0
            outputs = targets.shape[1] + auxiliary.shape[1]
            members = [self._network(outputs).to(self.device) for _ in range(self.ensemble + 2 * pairs)]
            for index, member in enumerate(members if self._initial else []):
                _take_all_but_head(member, self._initial[index % len(self._initial)])
            fold = torch.randperm(len(targets), generator=generator) % _FOLDS
            held_out = torch.zeros(len(members), len(targets), dtype=torch.bool)
            for index in range(2 * pairs):
                held_out[self.ensemble + index] = fold == index // 2
            share = self.pretrain(members, inputs, targets, held_out, generator, advance)
            fit_networks(
                members,
                self.network_inputs(inputs, training=True),
                torch.from_numpy(targets.astype(np.float32)).to(self.device),
                torch.from_numpy(auxiliary.astype(np.float32)).to(self.device),
                self.recipe,
                generator,
                lambda done: advance((1 - share) * done),
                self.fitted_together,
                held_out.to(self.device) if pairs else None,
            )
            for member in members:
                _keep_first_outputs(member, targets.shape[1])
        self._members, calibration = members[: self.ensemble], members[self.ensemble :]
        self._errors = self._errors_of(calibration, inputs, targets, fold.numpy()) if pairs else None

    def _errors_of(self, calibration: list[nn.Module], inputs: PredictorInputs, targets: Floats, fold: Rows) -> _Errors:
        """What the calibration networks, two a fold, are wrong by on the fold that they have not seen."""
        common, spread = [], []
        for index in range(0, len(calibration), 2):
            rows = np.flatnonzero(fold == index // 2)
            first, second = self._outputs(calibration[index : index + 2], inputs.take(rows))
            is_labelled = np.isfinite(targets[rows])
            variance = np.where(is_labelled, (first - second) ** 2 / 2, np.nan)
            common.append((targets[rows] - (first + second) / 2) ** 2 - variance / 2)
            spread.append(variance)
        means = [np.ma.masked_invalid(np.concatenate(parts)).mean(axis=0).filled(1.0) for parts in (common, spread)]
        variance = np.maximum(means[1], 1e-6)
        return _Errors(np.maximum(means[0], variance / 4), variance)  # with few labels the first may come out negative

    def to(self, device: torch.device) -> None:  # noqa: D102
        self.device = device
        self._members = [deepcopy(member).to(device) for member in self._members]  # others may share them

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:  # noqa: D102
        outputs = self._outputs(self._members, inputs)
        if self._errors is not None:
            std = self._errors.std(outputs)
        elif self.ensemble > 1:
            std = outputs.std(axis=0)
        else:
            std = np.full(outputs.shape[1:], np.nan)
        return outputs.mean(axis=0), std

    def fast_approximation(self) -> "NetworkEnsemble":
        """One of its members: the best of a thousand architectures by all eight is among its first hundred."""
        if self.ensemble == 1:
            return self
        one = copy(self)
        one.ensemble, one._members = 1, self._members[:1]
        return one

    def _network(self, outputs: int) -> nn.Module:
        return self.network_class(self.network_settings, outputs)

    def _outputs(self, members: list[nn.Module], inputs: PredictorInputs) -> Floats:
        """(M, n, P)."""
        outputs = np.empty((len(members), len(inputs), _head(members[0]).out_features))
        read = self.network_inputs(inputs, training=False)

        def score(rows: Rows) -> None:
            with torch.inference_mode():
                chunk = read.take(torch.from_numpy(rows))
                outputs[:, rows] = torch.stack([member(chunk) for member in members]).cpu().numpy()

        for_each_chunk(score, self.chunks(read), self.device)
        return outputs

    def arrays(self) -> Arrays:  # noqa: D102
        arrays = {
            f"{index}.{name}": tensor.cpu().numpy()
            for index, member in enumerate(self._members)
            for name, tensor in member.state_dict().items()
        }
        return arrays if self._errors is None else arrays | {f"error.{k}": v for k, v in asdict(self._errors).items()}

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        bias = arrays.get("0.head.bias", np.zeros(0))
        if bias.ndim != 1 or not bias.size:
            raise ValueError("other arrays than those of the settings in the metadata")
        # Before members are made: a file may name any number of them, and of layers of a member.
        layers = asdict(self.network_settings).get("layers", 0)
        if f"{self.ensemble - 1}.head.bias" not in arrays or layers > len(arrays):
            raise ValueError("other arrays than those of the settings in the metadata")
        with shapes_only():  # no random numbers are drawn
            members = [self._network(len(bias)).eval() for _ in range(self.ensemble)]
        expected = {f"{index}.{name}" for index, member in enumerate(members) for name in member.state_dict()}
        errors = {f"error.{field.name}" for field in fields(_Errors)} & arrays.keys()
        if set(arrays) != expected | errors or len(errors) == 1:
            raise ValueError("other arrays than those of the settings in the metadata")
        for index, member in enumerate(members):
            state = {name: torch.from_numpy(arrays[f"{index}.{name}"]) for name in member.state_dict()}
            try:
                member.load_state_dict(state, assign=True)
            except RuntimeError:
                raise ValueError("other shapes than those of the settings in the metadata") from None
        for name in errors:
            if arrays[name].shape != bias.shape or not (arrays[name] > 0).all():
                raise ValueError(f"other shapes or values of {name!r} than the settings in the metadata ask for")
        self._members = members
        self._errors = _Errors(arrays["error.common"], arrays["error.spread"]) if errors else None


def _head(network: nn.Module) -> nn.Linear:
    head = network.get_submodule("head")
    assert isinstance(head, nn.Linear)
    return head


def _keep_first_outputs(network: nn.Module, outputs: int) -> None:
    """Drops the outputs for auxiliary targets."""
    old = _head(network)
    head = nn.Linear(old.in_features, outputs)
    head.weight, head.bias = (nn.Parameter(tensor[:outputs].detach().clone()) for tensor in (old.weight, old.bias))
    network.add_module("head", head)


def _take_all_but_head(network: nn.Module, other: nn.Module) -> None:
    """Copies the weights of another network of the same size; what is predicted is the network's own affair."""
    state = network.state_dict()
    taken = {name: tensor for name, tensor in other.state_dict().items() if not name.startswith("head.")}
    network.load_state_dict(state | taken)


def _shape(settings: Any) -> dict[str, Any]:
    """What of a network's settings weights depend on."""
    return {name: value for name, value in asdict(settings).items() if name not in _OF_TRAINING}


def _only(kind: type[Any], settings: dict[str, Any]) -> dict[str, Any]:
    return {field.name: settings[field.name] for field in fields(kind) if field.name in settings}
