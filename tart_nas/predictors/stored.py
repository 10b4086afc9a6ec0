"""What a predictor is, what it judges, where it computes and how it is kept: kind, scope, metadata, files."""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.choices import KINDS, UNLABELLED_KINDS
from tart_nas.errors import CheckpointError, PredictorError, SettingError, first_line
from tart_nas.predictors import pretrained
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.predictors.fit import Fit
from tart_nas.predictors.inputs import Networks
from tart_nas.predictors.labels import LabelledData
from tart_nas.predictors.multi_target import MultiTargetModel

if TYPE_CHECKING:
    import torch

__all__ = ["StoredPredictor"]


class StoredPredictor:
    """The part of :class:`~tart_nas.predictors.Predictor` that neither learns nor predicts.

    Args:
        kind: one of :data:`tart_nas.predictors.KINDS`.
        settings: keyword arguments of that kind.

    Raises:
        SettingError: for another kind, or a setting it does not have.
    """

    def __init__(self, kind: str = "tart-cell", **settings: Any) -> None:
        self.notes: dict[str, Any] = {}
        self._fit = Fit.before_labels(MultiTargetModel.make(kind, settings))

    def __repr__(self) -> str:
        """Kind, targets, number of labels and how good it was found to be."""
        return f"<{self._fit.described(self.notes)}>"

    @property
    def kind(self) -> str:
        """One of :data:`tart_nas.predictors.KINDS`; ``"refined"`` after an update."""
        return self._fit.model.kind

    @property
    def is_fitted(self) -> bool:
        """Whether it can predict; kinds that need no labels always can."""
        return bool(self._fit.targets)

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of what it predicts, the first of which is predicted where none is named; () before it is fitted.

        A target that was given without a name is called ``"target"``.
        """
        return tuple(self._fit.targets)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the predictor is: kind, settings, tokens; once fitted, also targets, scope and training; the notes."""
        return self._fit.metadata() | {"notes": copy.deepcopy(self.notes)}

    @property
    def identity(self) -> str:
        """The kind and a digest of all that predictions depend on: equal for predictors that predict the same.

        Raises:
            PredictorError: if the predictor is not fitted.
        """
        return self._fitted().identity()

    def training_data(self) -> LabelledData:
        """The labelled architectures that the predictor was fitted to, as far as it keeps them.

        Gaussian processes keep them, ensembles with one, and so the bundled ``darts-cifar10`` and
        ``deepnets1m-cifar10``. A fit to them, with the same kind, settings and seed, makes the predictor again, but for
        what it was told to judge beside them (``extend_scope``)::

            predictor = Predictor.from_pretrained("darts-cifar10")
            again, validation = fit_and_validate(predictor.training_data(), lambda: Predictor("ensemble"))

        Returns:
            n architectures, at the size of the labels; all targets by name, NaN where unknown; auxiliary targets, with
            their names where they had some. Of a file that an earlier version wrote there are no auxiliary ones.

        Raises:
            PredictorError: if the predictor is not fitted, or of a kind that does not keep its training set.
        """
        data = self.notes.get("data", {})
        # Notes are the user's, who may have written a text there.
        return self._fitted().training_data(data if isinstance(data, Mapping) else {"data": data})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the fitted predictor to one safetensors file, atomically.

        Raises:
            PredictorError: if it is not fitted.
            CheckpointError: if the file cannot be written.
        """
        write_checkpoint(path, self._fitted().arrays(), self.metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads what :meth:`save` wrote.

        Raises:
            CheckpointError: if the file is missing, truncated, foreign, of a later version or of other tokens.
        """
        arrays, metadata = read_checkpoint(path)
        try:
            predictor = cls(metadata["kind"], **metadata["settings"])
            scheme = predictor._fit.model.first.token_scheme
            # Tokens of another scheme have the same shapes: predictions would be wrong without an error.
            if metadata["token_scheme"] != scheme:
                raise CheckpointError(
                    f"{path} was made for the tokens {metadata['token_scheme']!r}; this TART-NAS makes {scheme!r}."
                )
            predictor._fit = Fit.restored(predictor._fit.model, arrays, metadata)
            predictor.notes = dict(metadata["notes"])
        # It is a ValueError too, which the next clause would wrap in a second message.
        except CheckpointError:
            raise
        except (
            SettingError,
            KeyError,
            TypeError,
            AttributeError,
            ValueError,
            IndexError,
            ArithmeticError,
            RuntimeError,
            MemoryError,
        ) as error:  # a file may hold anything
            said = first_line(error)
            raise CheckpointError(f"{path} is not a predictor that this TART-NAS can read: {said}.") from None
        return predictor

    @classmethod
    def open(cls, source: str | os.PathLike[str]) -> Self:
        """A pretrained predictor by its name, any by its file, or one of a kind by that.

        A kind without labels is ready to predict; one of the others is not fitted yet, for a search or a study that
        learns from its own trials (:attr:`is_fitted`).

        Raises:
            CheckpointError: if it is none of these.
        """
        name = str(source)
        if name in UNLABELLED_KINDS or (name in KINDS and not Path(source).exists()):
            return cls(name)
        return cls.from_pretrained(name) if name in pretrained.names() else cls.load(source)

    @classmethod
    def from_pretrained(cls, name: str) -> Self:
        """A predictor that comes with TART-NAS.

        Args:
            name: ``"darts-cifar10"``, accuracy on CIFAR-10 in the DARTS space, from NAS-Bench-301; ``"darts-small"``,
                the same after a small training;
                ``"deepnets1m-cifar10"``, four properties of DeepNets-1M's networks, trained on a small budget;
                ``"deepnets1m-cifar10-graph"``, the same by TART on graph tokens, slower.

        Raises:
            CheckpointError: if there is none of that name.
        """
        return cls.load(pretrained.path(name))

    def to(self, device: "torch.device | str | None" = None) -> Self:
        """Computes on a device from now on: a GPU scores some hundred thousand architectures a second.

        Predictions are the same on all devices, to about 1e-5 of the targets' standard deviation. Gaussian processes
        are fitted on the CPU; of the other kinds all but transformers and graph convolutions stay there altogether.

        Example:
            >>> tokens = DartsSpace().sample_tokens(1_000_000, seed=0)
            >>> scores = Predictor.from_pretrained("darts-cifar10").to("cuda").predict(tokens)

        Args:
            device: such as ``"cuda"`` or ``"cpu"``; None for a GPU when there is one.

        Raises:
            SettingError: if this machine has no such device.
        """
        from tart_nas.devices import resolve_device  # here, since it imports PyTorch

        self._fit = replace(self._fit, model=self._fit.model.to(resolve_device(device)))
        return self

    def judges(self, architectures: Networks) -> npt.NDArray[np.bool_]:
        """Which of n networks the predictor judges, (n,): those like the ones that it was fitted to.

        Operations, numbers of nodes and the settings around the cells must be within the ranges of the training set, at
        the size of the labels (``label_size`` of :meth:`fit`). Of other networks, graphs and modules, it judges those
        within the ranges of the graphs that it was fitted to, or none where it was fitted to architectures. Kinds that
        need no labels judge all that they can read.

        Raises:
            PredictorError: if the predictor is not fitted.
            GraphError: if it reads graphs, and a module cannot be traced.
        """
        return self._fitted().domain.judges(architectures)

    def at_known_size(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        """The architectures, with the nearest numbers of cells and channels that the predictor judges.

        What it judges at its own size, or at none, stays as it is; other settings and the cells are never changed.

        Example:
            >>> from tart_nas.published import DARTS  # 20 cells of 36 channels
            >>> [judged] = Predictor.from_pretrained("darts-cifar10").at_known_size([DARTS])
            >>> judged.n_cells, judged.C
            (8, 32)

        Raises:
            PredictorError: if the predictor is not fitted.
        """
        return self._fitted().domain.at_known_size(architectures)

    def _fitted(self) -> Fit:
        """What was learned.

        Raises:
            PredictorError: if that is nothing yet.
        """
        if not self.is_fitted:
            raise PredictorError(f"The {self.kind} predictor is not fitted yet: call fit, load or from_pretrained.")
        return self._fit
