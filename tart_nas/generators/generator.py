"""The generator: architectures of a space that are likely to score high."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from tart_nas.architecture import Architecture
from tart_nas.checks import number, whole
from tart_nas.devices import forked_rng
from tart_nas.errors import CheckpointError, PredictorError, SettingError, TartError, first_line
from tart_nas.generators import pretrained
from tart_nas.generators.model import Ints, ModelSettings, SymbolTransformer
from tart_nas.generators.rounds import FittingSettings, Scorer, fit_in_rounds
from tart_nas.generators.sampling import draw_new
from tart_nas.generators.training import LEVELS
from tart_nas.generators.vocabulary import Vocabulary
from tart_nas.predictors.checkpoint import CheckpointFormat, read_checkpoint, write_checkpoint
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strings import Language

__all__ = ["FORMAT", "ArchitectureGenerator"]

FORMAT = CheckpointFormat("tart-nas generator", 1, "generator")

_SPACES = {"darts": DartsSpace, "deepnets1m": DeepNets1MSpace}

Floats = npt.NDArray[np.float64]


class ArchitectureGenerator:
    """Writes strings of architectures that a predictor scores high.

    It is an :class:`~tart_nas.search_spaces.ArchitectureSource`: what takes a search space to sample from takes it.

    Example:
        >>> generator = ArchitectureGenerator().fit(DartsSpace(), Predictor.open("darts-cifar10"), calls=5000)
        >>> generator.sample(3, seed=0, better_than=0.999)

    Args:
        **settings: of :class:`tart_nas.generators.ModelSettings`.

    Attributes:
        notes: JSON values that :meth:`save` keeps: what scored, how it was fitted.

    Raises:
        SettingError: for a setting that there is not, or a size that cannot be.
    """

    name = "generated"

    def __init__(self, **settings: int | float) -> None:
        try:
            self._settings = ModelSettings(**settings)  # type: ignore[arg-type]
        except TypeError as error:
            raise SettingError(f"A generator has no such setting: {first_line(error)}.") from None
        for name in ("width", "layers", "heads", "expansion"):
            whole(name, getattr(self._settings, name), 1)
        number("dropout", self._settings.dropout, 0, below=1)
        if self._settings.width % self._settings.heads:
            raise SettingError(
                f"`width` must be a multiple of `heads`, but got {self._settings.width} and {self._settings.heads}."
            )
        self.notes: dict[str, Any] = {}
        self._vocabulary: Vocabulary | None = None
        self._model: SymbolTransformer | None = None
        self._thresholds: list[float] = []

    def __repr__(self) -> str:
        """The space and the number of weights."""
        if self._model is None or self._vocabulary is None:
            return "<ArchitectureGenerator, not fitted>"
        weights = sum(parameter.numel() for parameter in self._model.parameters())
        return f"<ArchitectureGenerator of {self._vocabulary.language.space.name}, {weights:,} weights>"

    @property
    def is_fitted(self) -> bool:
        """Whether it can generate."""
        return self._model is not None

    @property
    def space(self) -> DartsSpace | DeepNets1MSpace:
        """The space that it was fitted to.

        Raises:
            PredictorError: if it is not fitted.
        """
        return self._fitted()[1].language.space

    @property
    def identity(self) -> str:
        """A digest of all that samples depend on.

        Raises:
            PredictorError: if it is not fitted.
        """
        model, _ = self._fitted()
        digest = hashlib.sha256(json.dumps(self._description(), sort_keys=True).encode())
        for name, tensor in sorted(model.state_dict().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
        return f"generator {digest.hexdigest()[:16]}"

    @property
    def settings(self) -> dict[str, Any]:
        """The name and the settings of its space, and its identity."""
        return {"space": self.space.name, **self.space.settings, "generator": self.identity}

    @property
    def thresholds(self) -> list[float]:
        """The scores that are better than 0, 1/2, 3/4, 7/8, ... of all that was scored when it was fitted."""
        return list(self._thresholds)

    def fit(
        self,
        space: DartsSpace | DeepNets1MSpace,
        predictor: Scorer,
        *,
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        **settings: Any,
    ) -> Self:
        """Learns from what a predictor scores, in rounds, anew. A fit that fails changes nothing.

        Args:
            space: whose networks it shall generate.
            predictor: what scores them; of those that it does not judge nothing is learned.
            seed: of everything random; the same seed gives the same generator on one machine.
            progress: called with each share of the work that is done; the shares sum to 1.
            **settings: of :class:`tart_nas.generators.FittingSettings`, such as ``calls``.

        Raises:
            SettingError: if an argument is not legal.
            PredictorError: if the predictor judges next to none of the space's networks.
        """
        whole("seed", seed, 0)
        try:
            how = FittingSettings(**settings)
        except TypeError as error:
            raise SettingError(f"Fitting a generator has no such setting: {first_line(error)}.") from None
        vocabulary = Vocabulary(Language(space))
        with forked_rng(torch.device("cpu")):
            torch.manual_seed(seed)
            model = self._made(vocabulary)
            scored = fit_in_rounds(model, vocabulary, predictor, how, seed, progress or (lambda share: None))
        shares = 2.0 ** -np.arange(LEVELS)
        self._thresholds = [float(value) for value in np.quantile(scored.scores, 1 - shares)]
        self._model, self._vocabulary = model, vocabulary
        self.notes = {"fitting": {**asdict(how), "seed": seed}, "predictor": getattr(predictor, "identity", "")}
        return self

    def sample(
        self, n: int, seed: int, *, temperature: float = 1.0, better_than: float | None = None
    ) -> list[Architecture]:
        """Generates n architectures, no two of them the same network; fewer only where it hardly knows others.

        Args:
            n: how many, at least 0.
            seed: at least 0. The same seed gives the same architectures.
            temperature: above 0; below 1 networks are more alike and more probable.
            better_than: in [0, 1), the share of the networks scored in the fit that they shall be better than; 0.999 is
                the most that it knows, and the default. Few are that good: most of the scored ones are its own.

        Raises:
            SettingError: if an argument is outside its range.
            PredictorError: if it is not fitted.
        """
        model, vocabulary = self._fitted()
        levels = self._levels(n, seed, temperature, better_than)
        return draw_new(model, vocabulary, levels, temperature, np.random.default_rng(seed), set())

    def draws(
        self, n: int, seed: int, *, temperature: float = 1.0, better_than: float | None = None
    ) -> list[Architecture]:
        """n independent draws, of which some may be the same network; arguments and errors are those of sample."""
        model, vocabulary = self._fitted()
        levels = torch.from_numpy(self._levels(n, seed, temperature, better_than))
        return list(vocabulary.architectures(model.draw(levels, temperature, np.random.default_rng(seed))))

    @staticmethod
    def _levels(n: int, seed: int, temperature: float, better_than: float | None) -> Ints:
        """The level to ask for, n times."""
        whole("n", n, 0)
        whole("seed", seed, 0)
        number("temperature", temperature, above=0)
        level = LEVELS - 1
        if better_than is not None:
            share = 1 - number("better_than", better_than, 0, below=1)
            level = min(level, int(np.ceil(-np.log2(share) - 1e-9)))
        return np.full(n, level, dtype=np.int64)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the generator to one safetensors file, atomically.

        Raises:
            PredictorError: if it is not fitted.
            CheckpointError: if the file cannot be written.
        """
        model, _ = self._fitted()
        arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
        write_checkpoint(path, arrays, self._description() | {"notes": self.notes}, FORMAT)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads what :meth:`save` wrote.

        Raises:
            CheckpointError: if the file is missing, truncated, foreign, of a later version or of other symbols.
        """
        arrays, metadata = read_checkpoint(path, FORMAT)
        try:
            generator = cls(**metadata["settings"])
            space = _SPACES[metadata["space"]["name"]](**metadata["space"]["settings"])
            vocabulary = Vocabulary(Language(space))
            if metadata["alphabet"] != list(vocabulary.language.alphabet):
                raise CheckpointError(f"{path} was made for other symbols than those of this TART-NAS.")
            model = generator._made(vocabulary)
            model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
            generator._thresholds = [float(value) for value in metadata["thresholds"]]
            generator.notes = dict(metadata["notes"])
        except CheckpointError:
            raise
        except (TartError, KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{path} is not a generator that this TART-NAS can read: {first_line(error)}."
            ) from None
        generator._model, generator._vocabulary = model, vocabulary
        return generator

    @classmethod
    def open(cls, source: str | os.PathLike[str]) -> Self:
        """A pretrained generator by its name, or any by its file.

        Raises:
            CheckpointError: if it is neither.
        """
        return cls.load(pretrained.path(str(source)) if str(source) in pretrained.names() else source)

    def check_space(self, space: object) -> None:
        """Makes sure that it generates networks of a space.

        Raises:
            SettingError: if it was fitted to another.
        """
        mine = self.space
        if type(space) is not type(mine) or dict(space.settings) != dict(mine.settings):
            raise SettingError(f"The generator was fitted to {mine!r}, and generates no networks of {space!r}.")

    def _made(self, vocabulary: Vocabulary) -> SymbolTransformer:
        return SymbolTransformer(self._settings, LEVELS, vocabulary.size, vocabulary.length, vocabulary.has_end).eval()

    def _description(self) -> dict[str, Any]:
        _, vocabulary = self._fitted()
        space = vocabulary.language.space
        return {
            "settings": asdict(self._settings),
            "space": {"name": space.name, "settings": space.settings},
            "alphabet": list(vocabulary.language.alphabet),
            "thresholds": self._thresholds,
        }

    def _fitted(self) -> tuple[SymbolTransformer, Vocabulary]:
        if self._model is None or self._vocabulary is None:
            raise PredictorError("The generator is not fitted yet: call fit, load or open.")
        return self._model, self._vocabulary
