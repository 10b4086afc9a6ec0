"""The candidates of a run: read from a file, and kept with their scores in the run folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tart_nas.architecture import Architecture, Genotype
from tart_nas.errors import ArchitectureError, RunFolderError
from tart_nas.files import replacing
from tart_nas.search_spaces import DartsSpace

__all__ = ["ScoredCandidates", "digest", "read_candidates"]


@dataclass(frozen=True)
class ScoredCandidates:
    """All candidates of a run, best first.

    Args:
        architectures: JSON texts of the n architectures (texts: a hundred thousand of them stay small).
        scores: shape (n,), descending.
    """

    architectures: Sequence[str]
    scores: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.scores)

    def architecture(self, rank: int) -> Architecture:
        """The architecture of a rank, counted from 0."""
        return Architecture.from_dict(json.loads(self.architectures[rank]))

    @classmethod
    def ranked(cls, architectures: Sequence[Architecture], order: Sequence[int], scores: Any) -> "ScoredCandidates":
        """The candidates in the given order of their positions."""
        texts = [_text(architectures[i]) for i in order]
        return cls(texts, np.asarray(scores, dtype=np.float64)[list(order)])

    def write(self, path: Path) -> None:
        """Writes a parquet table with the columns ``score`` (float64) and ``architecture`` (JSON), best first."""
        table = pa.table({"score": self.scores, "architecture": pa.array(self.architectures, pa.string())})
        with replacing(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> "ScoredCandidates":
        """Reads what :meth:`write` wrote.

        Raises:
            RunFolderError: if the file is something else.
        """
        try:
            table = pq.read_table(path, columns=["score", "architecture"])
        except (pa.ArrowException, OSError) as error:
            raise RunFolderError(f"{path} does not hold scored candidates: {str(error).splitlines()[0]}") from None
        return cls(table["architecture"].to_pylist(), table["score"].to_numpy())


def read_candidates(path: Path | str, space: DartsSpace) -> list[Architecture]:
    """Reads architectures from a JSON file.

    Args:
        path: a JSON list, or a file of one JSON value a line. Each value is an architecture (a net of a DeepNets-1M
            meta file, :meth:`Architecture.to_dict`), a genotype in any form that :meth:`Genotype.from_dict` reads, or
            DARTS' text.
        space: gives the macro settings to bare genotypes.

    Raises:
        ArchitectureError: naming the file and the entry that is wrong.
    """
    path = Path(path)
    try:
        text = path.read_text()
        entries = json.loads(text) if text.lstrip()[:1] == "[" else [json.loads(line) for line in text.splitlines()]
    except (OSError, ValueError) as error:
        raise ArchitectureError(f"Cannot read candidates from {path}: {error}.") from None
    architectures = []
    for i, entry in enumerate(entries):
        try:
            architectures.append(_architecture(entry, space))
        except ArchitectureError as error:
            raise ArchitectureError(f"Entry {i} of {path}: {error}") from None
    if not architectures:
        raise ArchitectureError(f"{path} holds no candidates: expected a JSON list of architectures or genotypes.")
    return architectures


def digest(architectures: Sequence[Architecture]) -> str:
    """A hash of a list of architectures, by which a run knows its candidates again."""
    return sha256("\n".join(map(_text, architectures)).encode()).hexdigest()


def _text(architecture: Architecture) -> str:
    return json.dumps(architecture.to_dict(), separators=(",", ":"))


def _architecture(entry: Any, space: DartsSpace) -> Architecture:
    if isinstance(entry, str):
        return space.architecture(Genotype.from_text(entry))
    if isinstance(entry, dict) and "genotype" in entry:
        return Architecture.from_dict(entry)
    return space.architecture(Genotype.from_dict(entry))
