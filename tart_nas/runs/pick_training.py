"""The training of one pick, without a study, a run folder or other processes: any machine can do it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from tart_nas.hypernetworks import PredictedStart
from tart_nas.images import ImageData
from tart_nas.networks import NetworkDescription
from tart_nas.runs.candidate_networks import candidate_network
from tart_nas.runs.settings import SearchSettings
from tart_nas.runs.study import Pick
from tart_nas.search_spaces import TrialArchitecture, TrialSpace
from tart_nas.training import EpochMetrics, TrainingResult, train
from tart_nas.training.faults import faults_told_apart

__all__ = ["PickTraining"]


@dataclass(frozen=True)
class PickTraining:
    """Trains picks of a run; the same pick gives the same network on every machine of the same kind.

    Args:
        settings: of the run.
        images: what is trained on.
        space: what builds the networks, where they are of a user's own space.
        start: what predicts first weights, where it was read already, so that a machine without its file has it too.
    """

    settings: SearchSettings
    images: ImageData
    space: TrialSpace | None = None
    start: PredictedStart | None = None

    def train(
        self,
        pick: Pick,
        device: torch.device,
        on_epoch: Callable[[EpochMetrics], None],
        *,
        progress: bool = False,
        passing: tuple[type[Exception], ...] = (),
    ) -> tuple[nn.Module, TrainingResult]:
        """Trains the network of a pick.

        Args:
            pick: of the run.
            device: where.
            on_epoch: is told of each epoch.
            progress: whether to show a bar.
            passing: what ``on_epoch`` may raise that says nothing of the training.

        Returns:
            The trained network and how it went.

        Raises:
            DivergenceError: if the loss is not finite: the network's own fault.
            ArchitectureError: if there is no such network: likewise.
            GraphError: if no graph can be made of it, of which first weights could be predicted: likewise.
            InsufficientMemoryError: if it does not fit into memory.
            MachineError: on a fault that is not the network's own.
        """
        batch = min(self.settings.recipe.batch_size, len(self.images.train))
        with self.faults_told_apart(f"The training of {pick.name}", pick, batch, passing):
            network = self.network(pick)
            outcome = train(
                network,
                self.images,
                self.settings.recipe,
                seed=self.settings.seed,
                initial_weights=self._predicted_weights(pick),
                device=device,
                on_epoch=on_epoch,
                progress=progress,
            )
        return network, outcome

    def network(self, pick: Pick, auxiliary: bool | None = None) -> nn.Module:
        """The network of a pick with its initial weights, the same ones whatever was trained before it."""
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            auxiliary = self.settings.recipe.auxiliary > 0 if auxiliary is None else auxiliary
            return candidate_network(pick.trained, self.images, self.space, auxiliary)

    def faults_told_apart(
        self, name: str, pick: Pick, batch: int, passing: tuple[type[Exception], ...] = ()
    ) -> AbstractContextManager[None]:
        """See :func:`tart_nas.training.faults.faults_told_apart`; of a batch of so many of the images."""
        size = self.images.image_size
        return faults_told_apart(name, lambda: self.network(pick), (batch, 3, size, size), passing)

    def description(self, pick: Pick, validation_accuracy: float) -> NetworkDescription:
        """What the trained network of a pick is, for its folder."""
        return NetworkDescription(
            architecture=None if isinstance(pick.trained, TrialArchitecture) else pick.trained,
            model=None,
            trial=pick.trained.to_dict() if isinstance(pick.trained, TrialArchitecture) else None,
            num_classes=len(self.images.classes),
            image_size=self.images.image_size,
            about={
                "name": pick.name,
                "is_random": pick.is_random,
                "validation_accuracy": validation_accuracy,
                "classes": list(self.images.classes),
                "mean": list(self.images.mean),
                "std": list(self.images.std),
                "images": self.images.source,
                **(
                    {}
                    if isinstance(pick.trained, TrialArchitecture)
                    else {"full_size_architecture": pick.architecture.to_dict()}
                ),
            },
        )

    def read_start(self) -> PredictedStart | None:
        """What predicts first weights, where the run has one.

        Raises:
            CheckpointError: if its hypernetwork is not there, or another one than when the run began.
        """
        return self.start or (None if self.settings.init is None else PredictedStart.identified(self.settings.init))

    def _predicted_weights(self, pick: Pick) -> dict[str, torch.Tensor] | None:
        """The first weights that are predicted for the network of a pick, without those of an auxiliary head."""
        start = self._read_start
        if start is None:
            return None
        network, size = self.network(pick, auxiliary=False), self.images.image_size
        # A network of a user's own may take images of one size alone, which is not that of the hypernetwork's training.
        return start.weights(network, image_size=size, seed=self.settings.seed)

    @cached_property
    def _read_start(self) -> PredictedStart | None:
        return self.read_start()
