"""A picked network and what training it gave."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from optuna.trial import FrozenTrial, TrialState
from torch import nn

from tart_nas.networks import load
from tart_nas.runs.study import CURVE, FAILURE_IS_FINAL, Pick, is_trained
from tart_nas.search_spaces import TrialSpace
from tart_nas.trials import FAILURE

__all__ = ["TrainedPick", "trained_pick"]

State = Literal["trained", "failed", "running", "waiting"]


@dataclass(frozen=True)
class TrainedPick:
    """A pick and what training it gave.

    Args:
        pick: what was trained, and why.
        curve: one mapping per epoch: ``train_loss``, ``train_accuracy``, ``validation_accuracy``, ``seconds``, ...
        validation_accuracy: of the last epoch, in [0, 1]; None when it failed.
        test_accuracy: in [0, 1], read once, after all were trained; None when it failed.
        failure: why it failed, else None.
        state: ``"trained"``, ``"failed"``, or in a run that has not finished ``"running"`` or ``"waiting"``.
        device: what it was trained on; None before that, and in runs of version 0.1.0.
        folder: where its trained network is, or will be.
    """

    pick: Pick
    curve: tuple[dict[str, float], ...]
    validation_accuracy: float | None
    test_accuracy: float | None
    failure: str | None
    state: State = "trained"
    device: str | None = None
    folder: Path = Path()

    def network(self, device: torch.device | str = "cpu", *, space: TrialSpace | None = None) -> nn.Module:
        """The trained network; see :func:`tart_nas.networks.load`.

        Args:
            device: where it is put.
            space: what builds it, where it is of a user's own space.

        Raises:
            CheckpointError: if it is not trained, or its files are gone.
        """
        return load(self.folder, device, space=space)

    @property
    def seconds(self) -> float | None:
        """How long its training took, validation included; None where that is not known."""
        seconds = [epoch["seconds"] for epoch in self.curve if "seconds" in epoch]
        return sum(seconds) if seconds else None

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON values."""
        return {
            "name": self.pick.name,
            "rank": self.pick.rank,
            "predicted": self.pick.predicted,
            "parameters": self.pick.parameters,
            "multiply_accumulates": self.pick.multiply_accumulates,
            "round": self.pick.round,
            "expected_accuracy": self.pick.expected,
            "expected_accuracy_std": self.pick.expected_std,
            "validation_accuracy": self.validation_accuracy,
            "test_accuracy": self.test_accuracy,
            "failure": self.failure,
            "state": self.state,
            "device": self.device,
            "seconds": self.seconds,
            **({"costs": dict(self.pick.costs)} if self.pick.costs else {}),
            "string": str(self.pick.architecture),
            "architecture": self.pick.architecture.to_dict(),
            "trained_architecture": self.pick.trained.to_dict(),
            "curve": list(self.curve),
        }


def trained_pick(
    pick: Pick, trial: FrozenTrial, test_accuracies: Mapping[str, float | None], folder: Path
) -> TrainedPick:
    """What the trial of a pick tells.

    Args:
        pick: of the trial.
        trial: of a run's study.
        test_accuracies: of the trained networks by name, in [0, 1]; None where the output was not finite.
        folder: where the trained network is, or will be.
    """
    attributes, state = trial.user_attrs, _state(trial)
    # The whole curve is written when the training ends; until then its reports tell the accuracies.
    so_far = [{"epoch": epoch, "validation_accuracy": value} for epoch, value in trial.intermediate_values.items()]
    again = "" if attributes.get(FAILURE_IS_FINAL, False) else " (the same command tries it again)"
    return TrainedPick(
        pick=pick,
        curve=tuple(attributes.get(CURVE, so_far)),
        validation_accuracy=trial.value if state == "trained" else None,
        test_accuracy=test_accuracies.get(pick.name) if state == "trained" else None,
        failure=f"{attributes[FAILURE]}{again}" if state == "failed" else None,
        state=state,
        device=attributes.get("device"),
        folder=folder,
    )


def _state(trial: FrozenTrial) -> State:
    if trial.state == TrialState.RUNNING:
        return "running"
    if is_trained(trial):
        return "trained"
    has_failed = trial.state in (TrialState.FAIL, TrialState.PRUNED) and FAILURE in trial.user_attrs
    return "failed" if has_failed else "waiting"
