"""The candidates of a run, kept with their scores in the run folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tart_nas.errors import ArchitectureError, RunFolderError, reason
from tart_nas.files import replacing
from tart_nas.runs.goals import COSTS
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, architecture_from_dict

__all__ = ["ScoredCandidates", "digest"]


@dataclass(frozen=True)
class ScoredCandidates:
    """All candidates of a run, best first.

    Args:
        architectures: JSON texts of the n architectures (texts: a hundred thousand of them stay small).
        scores: shape (n,), descending.
        costs: what else was asked for of each, (n,) each, by the names of limits (:data:`tart_nas.runs.goals.COSTS`).
    """

    architectures: Sequence[str]
    scores: npt.NDArray[np.float64]
    costs: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)

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
    def ranked(
        cls,
        architectures: Sequence[AnyArchitecture],
        order: Sequence[int],
        scores: Any,
        costs: Mapping[str, npt.NDArray[np.float64]] | None = None,
    ) -> "ScoredCandidates":
        """The candidates in the given order of their positions."""
        texts, places = [_text(architectures[i]) for i in order], list(order)
        ordered = {name: values[places] for name, values in (costs or {}).items()}
        return cls(texts, np.asarray(scores, dtype=np.float64)[places], ordered)

    def write(self, path: Path) -> None:
        """Writes a parquet table with the columns ``score`` (float64) and ``architecture`` (JSON), best first.

        Where costs were asked for, they are columns of their own: ``params``, ``flops``, ``latency_ms``.
        """
        texts = pa.array(self.architectures, pa.string())
        table = pa.table({"score": self.scores, "architecture": texts, **self.costs})
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
            there = [name for name in COSTS.values() if name in pq.read_schema(path).names]
            table = pq.read_table(
                path,
                columns=["score", "architecture", *there],
                page_checksum_verification=True,
                # Arrow waits for ever for threads that it cannot start for lack of memory; alone it is quick enough.
                use_threads=False,
                pre_buffer=False,
            )
        except (pa.ArrowException, OSError) as error:
            raise RunFolderError(f"{path} does not hold scored candidates: {reason(error)}.") from None
        costs = {name: table[name].to_numpy() for name in there}
        return cls(table["architecture"].to_pylist(), table["score"].to_numpy(), costs)


def digest(architectures: Sequence[AnyArchitecture]) -> str:
    """A hash of a list of architectures, by which a run knows its candidates again."""
    return sha256("\n".join(map(_text, architectures)).encode()).hexdigest()


def _text(architecture: AnyArchitecture) -> str:
    return json.dumps(architecture.to_dict(), separators=(",", ":"))
