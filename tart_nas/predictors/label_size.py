"""The size at which labels were measured, where that is not the architectures' own."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tart_nas.checks import whole
from tart_nas.errors import SettingError
from tart_nas.predictors.inputs import AnyNetworks, Given
from tart_nas.tokens import CellTokens

__all__ = ["LabelSize"]


@dataclass(frozen=True)
class LabelSize:
    """What all networks of a set of labels had in common, whatever their architectures say; None is their own.

    Labels are often measured on a budget, such as 8 channels for all. A predictor that learns from them what 8 channels
    do can then judge an architecture of any width, by the same network of 8 channels. This is apart from the budget of
    a search (:class:`~tart_nas.runs.TrainingBudget`), which shrinks only what is trained.

    Args:
        n_cells: number of cells, at least 1.
        C: channels of the first cells, at least 2.

    Raises:
        SettingError: if a value is outside its range.
    """

    n_cells: int | None = None
    C: int | None = None

    def __post_init__(self) -> None:
        for name, least in {"n_cells": 1, "C": 2}.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, whole(f"{name} of trained networks", value, least))

    def apply(self, architectures: Given) -> Given:
        """The architectures at this size.

        Raises:
            ArchitectureError: if one is no network at it, such as attention with fewer channels than heads.
            SettingError: if they are graphs, which have their size.
        """
        if not self.to_dict():
            return architectures
        if isinstance(architectures, AnyNetworks):
            raise SettingError("`label_size` is a size for architectures, but got graphs of networks, which have one.")
        objects = architectures.architectures() if isinstance(architectures, CellTokens) else architectures
        return [architecture.resized(self.n_cells, self.C) for architecture in objects]

    def to_dict(self) -> dict[str, int]:
        """What is not the architectures' own."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "LabelSize":
        """Reads :meth:`to_dict`'s result.

        Raises:
            SettingError: if it is none.
        """
        if not isinstance(data, Mapping):
            raise SettingError(f"The size of trained networks is told by n_cells and C, not by {data!r}.")
        if unknown := sorted(data.keys() - {"n_cells", "C"}):
            raise SettingError(f"The size of trained networks is told by n_cells and C, not by {unknown[0]!r}.")
        return cls(**data)
