"""TART on cell tokens: an ensemble of transformers that read an architecture as the edges of its cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tart_nas.encoders.cell_embedding import RELATIONS, CellEmbedding, CellInputs
from tart_nas.encoders.token_encoder import EncoderSettings, TokenEncoder
from tart_nas.errors import SettingError
from tart_nas.predictors.cell_features import BLOCKS, block_scales, cell_features
from tart_nas.predictors.inputs import PredictorInputs, row_chunks
from tart_nas.predictors.models.gaussian_process import MAX_POINTS, CellProcess
from tart_nas.predictors.models.kernel import SMOOTH
from tart_nas.predictors.models.network_ensemble import Flags, Floats, NetworkEnsemble, Rows
from tart_nas.predictors.models.training import FittingRecipe, Inputs, fit_networks
from tart_nas.predictors.recombination import recombined
from tart_nas.tokens import TOKEN_SCHEME

__all__ = ["CellSettings", "CellTransformer", "TartCell", "check_heads"]

_PRETRAINING = FittingRecipe(epochs=10)
_CHUNK = 512  # architectures in one pass: enough to hide Python, few enough for the processor's cache
_GPU_CHUNK = 1 << 14
# What a transformer can read beside the tokens: the features of the process' main kernel. Edges and pairs of operations
# it sees itself.
_FEATURE_COLUMNS = [column for name in SMOOTH[0] for column in range(BLOCKS[name].start, BLOCKS[name].stop)]
_FEATURE_DROPOUT = 0.2  # so that the tokens are read too


class CellRows(NamedTuple):
    """What a :class:`CellTransformer` reads of B architectures.

    Attributes:
        tokens: of their cells.
        features: (B, F) float32, columns of :func:`~tart_nas.predictors.cell_features.cell_features`; F may be 0.
    """

    tokens: CellInputs
    features: Tensor

    def take(self, rows: Tensor) -> "CellRows":
        """Some of the architectures (n,)."""
        return CellRows(self.tokens.take(rows), self.features[rows])


@dataclass(frozen=True)
class CellSettings(EncoderSettings):
    """The size of the encoder, what it reads, and what it starts from.

    Args:
        pretraining: number of unlabelled architectures that it learns a teacher's predictions of before it sees the
            labels, some thousand where labels are few; 0 leaves that out.
        features: whether the graph token also holds the features that the Gaussian process reads.
    """

    pretraining: int = 0
    features: bool = False


class CellTransformer(nn.Module):
    """Cell tokens, and features where the settings ask for them, to standardised predictions.

    Args:
        settings: the size of the encoder, and what it reads.
        outputs: predictions of each architecture.
    """

    def __init__(self, settings: CellSettings, outputs: int = 1) -> None:
        super().__init__()
        self.embedding = CellEmbedding(settings.width)
        self.features = FeatureEmbedding(settings.width) if settings.features else None
        self.encoder = TokenEncoder(settings, len(RELATIONS))
        self.head = nn.Linear(settings.width, outputs)

    def forward(self, rows: CellRows) -> Tensor:
        """Predictions (B, outputs) of B architectures."""
        embedded = self.embedding(rows.tokens)
        if self.features is not None:
            graph, edges = embedded[:, :1], embedded[:, 1:]  # the graph token comes first
            embedded = torch.cat((graph + self.features(rows.features)[:, None], edges), dim=1)
        encoded = self.encoder(embedded, rows.tokens.mask, rows.tokens.relation)
        predictions: Tensor = self.head(encoded)
        return predictions


class FeatureEmbedding(nn.Module):
    """Features of cells to a vector: standardised as the Gaussian process has them, then a linear map.

    Args:
        width: channels D of a token.
    """

    center: Tensor
    scales: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(len(_FEATURE_COLUMNS)))
        self.register_buffer("scales", torch.ones(len(_FEATURE_COLUMNS)))
        self.dropout = nn.Dropout(_FEATURE_DROPOUT)
        self.linear = nn.Linear(len(_FEATURE_COLUMNS), width)

    def standardise(self, center: Tensor, scales: Tensor) -> None:
        """Sets what features (F,) are centred by and divided by."""
        self.center.copy_(center)
        self.scales.copy_(scales)

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) of features (B, F)."""
        vectors: Tensor = self.linear(self.dropout((features - self.center) / self.scales))
        return vectors


class TartCell(NetworkEnsemble):
    """The mean of several :class:`CellTransformer`.

    With few labels a transformer learns less from them than a Gaussian process does, with many more. So with
    ``pretraining`` its members start from what a Gaussian process makes of the labels: they first learn its predictions
    of architectures like the labelled ones (distillation: Hinton et al., 2015), then, best with a learning rate of
    1e-3, the labels themselves.

    Arguments are those of :class:`NetworkEnsemble`, with settings of :class:`CellSettings`.
    """

    kind = "tart-cell"
    token_scheme = TOKEN_SCHEME
    settings_class = CellSettings
    network_class = CellTransformer

    def __init__(self, ensemble: int = 8, calibration: int = 2, **settings: Any) -> None:
        super().__init__(ensemble, calibration, FittingRecipe(), settings)
        check_heads(self.network_settings)

    @property
    def settings(self) -> dict[str, Any]:
        """All keyword arguments that make the model again."""
        settings = super().settings
        if not settings["features"]:  # so that predictors without it keep the identity that run folders know
            del settings["features"]
        return settings

    def check_setting(self, name: str, value: Any) -> None:  # noqa: D102
        if name == "features":
            if not isinstance(value, bool):
                raise SettingError(f"`features` must be True or False, but got {value!r}.")
        elif name != "pretraining" or value != 0 or isinstance(value, bool):
            super().check_setting(name, value)

    def pretrain(  # noqa: D102
        self,
        members: list[nn.Module],
        inputs: PredictorInputs,
        targets: Floats,
        held_out: torch.Tensor,
        generator: torch.Generator,
        advance: Callable[[float], None],
    ) -> float:
        if self.network_settings.features:
            self._standardise(members, inputs)
        if not self.network_settings.pretraining or len(targets) > MAX_POINTS:
            return 0.0
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        unlabelled = PredictorInputs(recombined(inputs.architectures, self.network_settings.pretraining, rng))
        network_inputs = self.network_inputs(unlabelled, training=True)
        auxiliary = next(iter(members)).get_submodule("head").out_features - targets.shape[1]
        unknown = torch.full((len(unlabelled), int(auxiliary)), torch.nan, device=self.device)
        work, later = _PRETRAINING.epochs * len(unlabelled), self.recipe.epochs * len(targets)
        share = work / (work + later)
        for hidden, rows in _groups(held_out):  # a teacher has not seen what its pupils must not see
            lessons = _lessons(inputs, np.where(hidden[:, None], np.nan, targets), unlabelled)
            pupils = [members[row] for row in rows]
            part = share * len(rows) / len(members)

            def advance_part(done: float, part: float = part) -> None:
                advance(part * done)

            fit_networks(
                pupils, network_inputs, lessons.to(self.device), unknown, _PRETRAINING, generator, advance_part
            )
        return share

    def _standardise(self, members: list[nn.Module], inputs: PredictorInputs) -> None:
        """Members read features in units of the labelled architectures' spread, like a Gaussian process."""
        features = cell_features(inputs.tokens, inputs.sizes).numpy()
        center, scales = features.mean(axis=0), block_scales(features)
        for member in members:
            embedding = member.get_submodule("features")
            assert isinstance(embedding, FeatureEmbedding)
            embedding.standardise(*(torch.from_numpy(each[_FEATURE_COLUMNS]) for each in (center, scales)))

    def network_inputs(self, inputs: PredictorInputs, training: bool) -> Inputs:  # noqa: D102
        chunked = _Chunked(inputs, self.network_settings.features, self.device)
        return chunked.take(torch.arange(len(inputs))) if training else chunked

    def chunks(self, inputs: Inputs) -> list[Rows]:  # noqa: D102
        assert isinstance(inputs, _Chunked)
        return row_chunks(len(inputs.inputs), _CHUNK if self.device.type == "cpu" else _GPU_CHUNK)


class _Chunked:
    """Cell tokens that become tensors some at a time: those of all at once would fill the memory."""

    def __init__(self, inputs: PredictorInputs, has_features: bool, device: torch.device) -> None:
        self.inputs, self._has_features, self._device = inputs, has_features, device

    def take(self, rows: Tensor) -> CellRows:
        tokens = self.inputs.tokens.take(rows.numpy())
        cells = CellInputs.of(tokens, self._device)
        if not self._has_features:
            return CellRows(cells, torch.zeros(len(rows), 0, device=self._device))
        features = cell_features(tokens, self.inputs.sizes[rows.numpy()], self._device, relations=False)
        return CellRows(cells, features[:, _FEATURE_COLUMNS].float())


def _groups(held_out: torch.Tensor) -> list[tuple[Flags, list[int]]]:
    """The different rows of flags (M, n), and which members have each."""
    groups: dict[bytes, tuple[Flags, list[int]]] = {}
    for member, row in enumerate(held_out.numpy()):
        groups.setdefault(row.tobytes(), (row, []))[1].append(member)
    return list(groups.values())


def _lessons(inputs: PredictorInputs, targets: Floats, unlabelled: PredictorInputs) -> torch.Tensor:
    """What Gaussian processes, one for each target, make of unlabelled architectures: (len(unlabelled), P)."""
    lessons = []
    for target in targets.T:
        labelled = np.flatnonzero(np.isfinite(target))
        teacher = CellProcess()
        teacher.fit(inputs.tokens.take(labelled), inputs.sizes[labelled], target[labelled])
        lessons.append(teacher.predict(unlabelled)[0])
    return torch.from_numpy(np.stack(lessons, axis=1).astype(np.float32))


def check_heads(settings: EncoderSettings) -> None:
    """Checks that the channels can be shared out among the heads.

    Raises:
        SettingError: if they cannot.
    """
    if settings.width % settings.heads:
        raise SettingError(f"`width` must be a multiple of `heads`, but got {settings.width} and {settings.heads}.")
