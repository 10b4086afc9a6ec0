"""The settings of a graph hypernetwork: what decides the shapes of its weights and what it computes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from tart_nas.checks import one_of, short, whole
from tart_nas.errors import SettingError

__all__ = ["DECODERS", "HYPERNETS", "GHNConfig"]

HYPERNETS = ("gatedgnn", "mlp", "graphormer")
"""How node vectors are made: a gated graph network (GHN-1, GHN-2), no messages at all, a transformer (GHN-3)."""

DECODERS = ("conv", "mlp")
"""How tensors of two and more dimensions are made from node vectors."""


@dataclass(frozen=True, kw_only=True)
class GHNConfig:
    """The settings of a graph hypernetwork. Names are those in the files of Knyazev et al.

    Args:
        max_shape: the largest tensor that is decoded: channels out, channels in, height, width. Height equals width.
            Larger targets repeat it.
        num_classes: of the classification that it is trained on.
        hypernet: one of :data:`HYPERNETS`.
        decoder: one of :data:`DECODERS`.
        weight_norm: whether predicted tensors are normalised, by their fan-in, by a sigmoid, by a tanh. False in GHN-1.
        ve: virtual edges: whether messages go along shortest paths of up to 50 edges too. False in GHN-1.
        layernorm: whether node vectors are normalised before they are decoded. False in GHN-1.
        hid: numbers in a node vector; a multiple of 4.
        layers: of the transformer; 0 in other kinds.
        heads: of its attention, a divisor of ``hid``; 0 in other kinds.

    Raises:
        SettingError: if a value is out of range.
    """

    max_shape: tuple[int, int, int, int]
    num_classes: int
    hypernet: str = "gatedgnn"
    decoder: str = "conv"
    weight_norm: bool = True
    ve: bool = True
    layernorm: bool = True
    hid: int = 32
    layers: int = 0
    heads: int = 0

    def __post_init__(self) -> None:
        one_of("hypernet", self.hypernet, HYPERNETS)
        one_of("decoder", self.decoder, DECODERS)
        for name in ("weight_norm", "ve", "layernorm"):
            if not isinstance(getattr(self, name), bool):
                raise SettingError(f"`{name}` must be True or False, but got {short(getattr(self, name))}.")
        if not isinstance(self.max_shape, tuple) or len(self.max_shape) != 4:
            raise SettingError(f"`max_shape` must be four numbers, but got {short(self.max_shape)}.")
        for size in self.max_shape:
            whole("max_shape", size, 1)
        if self.max_shape[2] != self.max_shape[3]:
            raise SettingError(f"The last two numbers of `max_shape` must be equal, but got {self.max_shape}.")
        whole("num_classes", self.num_classes, 1)
        if whole("hid", self.hid, 4) % 4:
            raise SettingError(f"`hid` must be a multiple of 4, but got {self.hid}.")
        if self.hypernet == "graphormer":
            whole("layers of a graphormer", self.layers, 1)
            if self.hid % whole("heads of a graphormer", self.heads, 1):
                raise SettingError(f"`heads` must divide `hid`, but got {self.heads} and {self.hid}.")
            if not self.ve or self.decoder != "conv":
                raise SettingError("A graphormer has virtual edges and the decoder 'conv'.")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "GHNConfig":
        """The settings in the ``config`` of a checkpoint.

        GHN-3's own files say ``is_ghn2: False`` and leave ``hypernet`` at its default.

        Raises:
            SettingError: if a setting is missing, unknown or out of range.
        """
        values = dict(values)
        values.pop("pretrained", None)  # GHN-3's own code notes it; it decides nothing here
        if values.pop("is_ghn2", True) is False:
            values["hypernet"] = "graphormer"
        elif values.get("hypernet") != "graphormer":
            values.pop("layers", None), values.pop("heads", None)
        if unknown := sorted(values.keys() - {field.name for field in fields(cls)}):
            raise SettingError(f"A graph hypernetwork has no setting {unknown[0]!r}.")
        if missing := sorted({"max_shape", "num_classes"} - values.keys()):
            raise SettingError(f"The settings of the graph hypernetwork lack {missing[0]!r}.")
        if isinstance(values["max_shape"], list):
            values["max_shape"] = tuple(values["max_shape"])
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON values, which :meth:`from_mapping` reads."""
        return {**asdict(self), "max_shape": list(self.max_shape)}

    @property
    def image_size(self) -> int:
        """Height and width of the images that it is for: kernels of 16x16 are those of ImageNet's patches."""
        return 224 if self.max_shape[2] >= 16 else 32
