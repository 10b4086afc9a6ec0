"""Training the architecture of one trial, and telling the study how it went."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from rich.console import Console

from tart_nas.devices import describe_device, resolve_device
from tart_nas.errors import DivergenceError, InsufficientMemoryError, RunFolderError, TrainingError
from tart_nas.images import ImageData, load_images
from tart_nas.networks import describe, load, save
from tart_nas.networks.trained import write_description
from tart_nas.runs.candidate_networks import joined_space
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.own_training import OwnTraining, Reporter, train_by
from tart_nas.runs.pick_outcome import PickOutcome
from tart_nas.runs.pick_training import PickTraining
from tart_nas.runs.settings import GIVEN_IMAGES, SearchSettings
from tart_nas.runs.study import (
    CURVE,
    FAILURE_IS_FINAL,
    IMAGE_FINGERPRINT,
    TEST_IMAGE_FINGERPRINT,
    Pick,
    is_trained,
    study_of_run,
    trials,
)
from tart_nas.search_spaces import TrialSpace
from tart_nas.training import EpochMetrics, evaluate
from tart_nas.training.evaluation import evaluation_batch
from tart_nas.training.faults import OWN_FAULTS
from tart_nas.trials import FAILURE, Claim, RetryWhileUnreachable

__all__ = ["Trainer", "load_run_images"]


def load_run_images(settings: SearchSettings, data_dir: Path | str | None, given: Any = None) -> ImageData:
    """The images that the networks of a run are trained on.

    Args:
        settings: of the run.
        data_dir: where the data set is; see :func:`tart_nas.images.load_images`.
        given: the images themselves, where they have no name.

    Raises:
        RunFolderError: if the run's images were given in Python, and are not here.
        TartError: as :func:`~tart_nas.images.load_images`.
    """
    budget = settings.budget
    if given is None and settings.dataset == GIVEN_IMAGES:
        raise RunFolderError("The images of this run were given in Python: only the same call can go on with it.")
    return load_images(
        settings.dataset if given is None else given,
        data_dir,
        seed=settings.seed,
        train_images=budget.train_images,
        image_size=budget.image_size,
    )


@dataclass(frozen=True)
class Trainer:
    """What training the trials of a run needs.

    Args:
        study: of the run.
        folder: where weights go.
        settings: of the run.
        images: what is trained on.
        device: where.
        console: for progress.
        retrying: repeats what fails while the storage is away.
        own: trains in place of the recipe.
        space: what builds the networks, where they are of a user's own space.
    """

    study: optuna.Study
    folder: RunFolder
    settings: SearchSettings
    images: ImageData
    device: torch.device
    console: Console
    retrying: RetryWhileUnreachable
    own: OwnTraining | None = None
    space: TrialSpace | None = None

    @classmethod
    def joining(
        cls,
        out: Path | str,
        storage: str | None,
        data_dir: Path | str | None,
        device: str | None,
        console: Console,
        space: TrialSpace | str | None = None,
    ) -> "Trainer":
        """That of a process which joins a run: the folder tells all but what is different from there.

        Args:
            out: the run folder.
            storage: the address of the study, where it is outside of the folder.
            data_dir: where the images are on this machine.
            device: as its name; None for a GPU when there is one.
            console: for progress.
            space: what builds the networks, or the name of its function, where they are of a user's own space.

        Raises:
            TartError: if there is no such run, or its storage cannot be reached.
        """
        folder = RunFolder(Path(out))
        settings = folder.read_settings()
        if settings.train is not None:
            raise RunFolderError(f"The networks of {out} are trained by {settings.train}: only the search itself can.")
        builder = joined_space(space, settings)
        place = resolve_device(device)
        study, retrying = study_of_run(folder, storage, makes=False)
        images = load_run_images(settings, data_dir)
        return cls(study, folder, settings, images, place, console, retrying, space=builder)

    @cached_property
    def training(self) -> PickTraining:
        """What of it needs no study: the training of a pick."""
        return PickTraining(self.settings, self.images, self.space)

    def check_images(self) -> None:
        """Makes sure that the images are those that the run's networks are trained on.

        Runs of earlier versions have no fingerprint of their images and are not checked.

        Raises:
            RunFolderError: if they are others.
        """
        made = self.retrying(lambda: self.study.user_attrs)
        if made.get(IMAGE_FINGERPRINT, self.images.fingerprint) != self.images.fingerprint:
            raise RunFolderError(
                f"The networks of {self.folder.path} are trained on other images ({made.get('images')}) than those of "
                f"{self.images.source}: give the same ones, or use a new folder."
            )

    def begin(self) -> None:
        """Notes which images the networks of a run are trained on, or makes sure that they are the same as before.

        Raises:
            RunFolderError: if they are others, and a network was claimed.
        """
        if any(trial.state != TrialState.WAITING for _, trial in trials(self.study)):
            self.check_images()
        self.retrying(lambda: self.study.set_user_attr(IMAGE_FINGERPRINT, self.images.fingerprint))
        self.retrying(lambda: self.study.set_user_attr("images", self.images.source))

    def train(self, claim: Claim, on_epoch: Callable[[EpochMetrics], None] = lambda epoch: None) -> None:
        """Trains the architecture of a trial and tells the study how it went, and ``on_epoch`` of each epoch.

        The network is written where nobody but this claim writes. It gets its place in the run only if the claim still
        holds when the study is told: a process that stood still for too long changes nothing when it goes on.

        Raises:
            MachineError: on a fault that is not the network's own; the trial is left running, and taken up again.
        """
        trial, known = claim.trial, claim.known
        pick = Pick.from_attributes(known.user_attrs)
        self.console.print(
            f"{pick.name} (rank {pick.rank:,}, predicted {pick.predicted:.3f}, {pick.parameters:,} parameters)"
        )

        def report(epoch: EpochMetrics) -> None:
            if epoch.epoch not in known.intermediate_values:  # else told before the run was killed
                self.retrying(lambda: trial.report(epoch.validation_accuracy, epoch.epoch))
            on_epoch(epoch)

        with self._publishing(pick, claim):
            self.retrying(lambda: trial.set_user_attr("device", describe_device(self.device)))
            self._train(pick, claim, report)

    def record(self, claim: Claim, outcome: PickOutcome) -> None:
        """Tells the study how the architecture of a trial was trained on another machine, as :meth:`train` does here.

        Raises:
            RunFolderError: if the network that came back cannot be written.
        """
        trial, known = claim.trial, claim.known
        pick = Pick.from_attributes(known.user_attrs)
        self.console.print(f"{pick.name} (rank {pick.rank:,}, on {outcome.device})")
        with self._publishing(pick, claim):
            self.retrying(lambda: trial.set_user_attr("device", outcome.device))
            for epoch in outcome.curve:
                if (step := int(epoch["epoch"])) not in known.intermediate_values:
                    self.retrying(partial(trial.report, epoch["validation_accuracy"], step))
            if outcome.failure is not None:
                self._fail(claim, outcome.failure, is_final=outcome.is_final)
            else:
                self._complete(claim, outcome.write, outcome.curve[-1]["validation_accuracy"], outcome.curve)

    def record_loss(self, claim: Claim, failure: str) -> None:
        """Tells the study that the training of a trial was lost; a later search tries it again."""
        with suppress(UpdateFinishedTrialError):  # it was given to another process meanwhile
            self._fail(claim, failure, is_final=False)

    @contextmanager
    def _publishing(self, pick: Pick, claim: Claim) -> Iterator[None]:
        """What is written inside gets its place if the claim still holds when the study is told."""
        try:
            yield
        except UpdateFinishedTrialError:  # taken for dead; or told already, and the answer was lost on its way
            if not self.retrying(claim.holds):
                self.console.print("  too late: another process trains it again")
                self.folder.discard_network(claim.trial.number, claim.number)
                return
        self.folder.publish_network(pick.name, claim.trial.number, claim.number)

    def _train(self, pick: Pick, claim: Claim, report: Callable[[EpochMetrics], None]) -> None:
        if self.own is not None:
            self._train_by(self.own, pick, claim)
            return
        try:
            network, result = self.training.train(
                pick,
                self.device,
                report,
                progress=not self.console.quiet,
                # The trial was taken for dead and given to another: no fault of the network or the machine.
                passing=(UpdateFinishedTrialError,),
            )
        except (*OWN_FAULTS, InsufficientMemoryError) as error:
            self._fail(claim, str(error), is_final=isinstance(error, OWN_FAULTS))
            return
        curve = [asdict(epoch) for epoch in result.epochs]
        self._complete(
            claim, self._writer(pick, network, result.validation_accuracy), result.validation_accuracy, curve
        )

    def _train_by(self, own: OwnTraining, pick: Pick, claim: Claim) -> None:
        """Has the user's function train; what it raises is the failure of this network, and tried again."""
        known = claim.known.intermediate_values

        def tell(value: float, epoch: int) -> None:
            if epoch not in known:  # else told before the run was killed
                self.retrying(lambda: claim.trial.report(value, epoch))

        reporter = Reporter(self.device, self.settings.seed, claim.trial, tell)
        try:
            network = self.training.network(pick)
            value = train_by(own, network, reporter)
        except optuna.TrialPruned:
            epochs = int(reporter.curve[-1]["epoch"]) if reporter.curve else 0
            self._fail(claim, f"pruned after {epochs} epochs", is_final=True, state=TrialState.PRUNED)
        except (*OWN_FAULTS, TrainingError) as error:  # the first of a network that cannot be built
            self._fail(claim, str(error), is_final=not isinstance(error, TrainingError))
        else:
            self._complete(claim, self._writer(pick, network, value), value, reporter.curve)

    def _writer(self, pick: Pick, network: torch.nn.Module, validation_accuracy: float) -> Callable[[Path], None]:
        """Writes a trained network into the folder that it is given."""
        return partial(save, network, self.training.description(pick, validation_accuracy))

    def _fail(self, claim: Claim, failure: str, *, is_final: bool, state: TrialState = TrialState.FAIL) -> None:
        self.retrying(lambda: claim.trial.set_user_attr(FAILURE, failure))
        self.retrying(lambda: claim.trial.set_user_attr(FAILURE_IS_FINAL, is_final))
        self.retrying(lambda: claim.end(state))
        self.console.print(f"  failed: {failure}")

    def _complete(
        self,
        claim: Claim,
        write: Callable[[Path], None],
        validation_accuracy: float,
        curve: Sequence[Mapping[str, float]],
    ) -> None:
        """Writes the trained network and tells the study."""
        trial = claim.trial
        written = self.folder.claimed_network(trial.number, claim.number)
        try:
            write(written)
        except OSError as error:
            if self.retrying(claim.holds):
                raise
            raise UpdateFinishedTrialError("the search has removed what this claim wrote") from error
        self.retrying(lambda: trial.set_user_attr(CURVE, list(curve)))
        self.retrying(lambda: claim.end(TrialState.COMPLETE, validation_accuracy))
        self.console.print(f"  validation accuracy {100 * validation_accuracy:.2f} %")

    def read_test(self) -> None:
        """Measures the trained networks on the test split, each once: what was measured stays in the study.

        Raises:
            MachineError: if that failed; what was measured before is kept.
        """
        if "image_counts" not in self.study.user_attrs:  # runs of earlier versions have none
            counts = {name: len(getattr(self.images, name)) for name in ("train", "validation", "test")}
            self.retrying(lambda: self.study.set_user_attr("image_counts", counts))
        if self.own is not None:  # which alone knows how its task is tested
            untested = {pick.name: None for pick, trial in trials(self.study) if is_trained(trial)}
            self.retrying(lambda: self.study.set_user_attr("test_accuracy", untested))
            return
        made = self.study.user_attrs.get(TEST_IMAGE_FINGERPRINT, self.images.test_fingerprint)
        if made != self.images.test_fingerprint:
            raise RunFolderError(
                f"Networks of {self.folder.path} were tested on other images than those of {self.images.source}."
            )
        self.retrying(lambda: self.study.set_user_attr(TEST_IMAGE_FINGERPRINT, made))
        accuracies: dict[str, float | None] = dict(self.study.user_attrs.get("test_accuracy", {}))
        self.retrying(lambda: self.study.set_user_attr("test_accuracy", accuracies))  # even if none was trained
        for pick, trial in trials(self.study):
            if not is_trained(trial) or pick.name in accuracies:
                continue
            network = load(self.folder.network(pick.name), space=self.space)
            batch = min(evaluation_batch(network), len(self.images.test))
            with self.training.faults_told_apart(f"The test of {pick.name}", pick, batch):
                try:
                    accuracies[pick.name] = evaluate(network, self.images.test, self.images, device=self.device)
                except DivergenceError:  # though it was finite on the validation split
                    accuracies[pick.name] = None
            if (folder := self.folder.network(pick.name)).is_dir():  # else of version 0.1.0, without a description
                description = describe(folder)
                about = {**description.about, "test_accuracy": accuracies[pick.name]}
                write_description(replace(description, about=about), folder)
            self.retrying(lambda: self.study.set_user_attr("test_accuracy", accuracies))
