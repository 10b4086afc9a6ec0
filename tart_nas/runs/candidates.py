"""The candidates of a run, kept with their scores in the run folder."""

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

from tart_nas.errors import ArchitectureError, RunFolderError, reason
from tart_nas.files import replacing
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, architecture_from_dict

__all__ = ["ScoredCandidates", "digest"]


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

    def architecture(self, rank: int) -> AnyArchitecture:
        """The architecture of a rank, counted from 0.

        Raises:
            ArchitectureError: if the text is none, in a table that something else wrote.
        """
        try:
            values = json.loads(self.architectures[rank])
        except (ValueError, TypeError, RecursionError) as error:
            raise ArchitectureError(f"The text of an architecture cannot be read: {reason(error)}.") from None
        return architecture_from_dict(values)

    @classmethod
    def ranked(cls, architectures: Sequence[AnyArchitecture], order: Sequence[int], scores: Any) -> "ScoredCandidates":
        """The candidates in the given order of their positions."""
        texts = [_text(architectures[i]) for i in order]
        return cls(texts, np.asarray(scores, dtype=np.float64)[list(order)])

    def write(self, path: Path) -> None:
        """Writes a parquet table with the columns ``score`` (float64) and ``architecture`` (JSON), best first."""
        table = pa.table({"score": self.scores, "architecture": pa.array(self.architectures, pa.string())})
        with replacing(path) as temporary:
            pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)

    @classmethod
    def read(cls, path: Path) -> "ScoredCandidates":
        """Reads what :meth:`write` wrote.

        Raises:
            RunFolderError: if the file is something else.
        """
        try:
            if pq.read_metadata(path).num_rows > path.stat().st_size:  # a row takes more; equal ones are stored once
                raise RunFolderError(f"{path} does not hold scored candidates: it has more rows than bytes.")
            table = pq.read_table(path, columns=["score", "architecture"], page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise RunFolderError(f"{path} does not hold scored candidates: {reason(error)}.") from None
        return cls(table["architecture"].to_pylist(), table["score"].to_numpy())


def digest(architectures: Sequence[AnyArchitecture]) -> str:
    """A hash of a list of architectures, by which a run knows its candidates again."""
    return sha256("\n".join(map(_text, architectures)).encode()).hexdigest()


def _text(architecture: AnyArchitecture) -> str:
    return json.dumps(architecture.to_dict(), separators=(",", ":"))
