"""The network of an architecture, with the module names, parameters and resolutions of DeepNets-1M's own."""

from functools import partial

from torch import Tensor, nn

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError
from tart_nas.layout import network_layout
from tart_nas.networks.cell import Cell
from tart_nas.networks.heads import AuxiliaryHead, classifier
from tart_nas.networks.operations import Norm
from tart_nas.networks.stems import stem_modules

__all__ = ["Network", "build_network"]


class Network(nn.Module):
    """The network of an architecture; :func:`build_network` makes it and says what the arguments are.

    Attributes:
        architecture: what it was made from.
        image_size: height and width of the images it takes.
        drop_path_prob: in training, the probability with which the result of a cell's operation (but an identity) is
            dropped, for each image on its own, the others being scaled up. In [0, 1); 0 at first.
    """

    # Which of these there are depends on the kind of the stem.
    stem: nn.Module
    stem0: nn.Module
    stem1: nn.Module
    pos_enc: nn.Module

    def __init__(
        self, architecture: Architecture, num_classes: int, image_size: int, auxiliary: bool, track_running_stats: bool
    ) -> None:
        super().__init__()
        layout = network_layout(architecture, num_classes, image_size)
        self.architecture = architecture
        self.image_size = image_size
        self.drop_path_prob = 0.0
        norm: Norm = nn.Identity
        if architecture.norm is not None:
            norm = partial(nn.BatchNorm2d, track_running_stats=track_running_stats)
        # As children of the network itself, so that weights have DeepNets-1M's names: `stem.0.weight`.
        for name, module in stem_modules(layout.stem, norm).items():
            self.add_module(name, module)
        self._stem_kind = layout.stem.kind
        self.cells = nn.ModuleList([Cell(cell, norm) for cell in layout.cells])
        self.global_pooling = nn.AdaptiveAvgPool2d(1) if architecture.glob_avg else nn.Identity()
        self.classifier = classifier(layout.features, num_classes, architecture.fc_layers, architecture.fc_dim)
        self._auxiliary_cell = layout.auxiliary_cell if auxiliary else None
        self._needed = layout.needed([layout.auxiliary_cell] if auxiliary else [])  # only these cells are run
        if self._auxiliary_cell is not None:
            if not architecture.live_cells()[self._auxiliary_cell]:
                raise ArchitectureError(
                    f"No auxiliary head is possible: `none` makes the output of cell {self._auxiliary_cell} zero."
                )
            C = layout.cells[self._auxiliary_cell].C_out
            self.auxiliary_head = AuxiliaryHead(C, num_classes, layout.stem.imagenet, norm)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Classifies images.

        Args:
            x: images (B, 3, image_size, image_size).

        Returns:
            Logits (B, num_classes). In training with an auxiliary head, these and its logits, (B, num_classes) too.
        """
        features, auxiliary_logits = self._run(x)
        logits: Tensor = self.classifier(self.global_pooling(features).flatten(1))
        return logits if auxiliary_logits is None else (logits, auxiliary_logits)

    def feature_map(self, x: Tensor) -> Tensor:
        """What the last cell gives, before it is pooled and classified.

        Args:
            x: images (B, 3, H, W); of a vision transformer image_size x image_size.

        Returns:
            (B, C, h, w): the C inputs of the classifier at each place, if it pools globally.
        """
        return self._run(x)[0]

    def _run(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The output of the last cell, and the logits of the auxiliary head in training, if there is one."""
        s0: Tensor | None
        s1: Tensor | None
        if self._stem_kind == "patches":
            s0 = s1 = self.pos_enc(self.stem0(x))
        elif self._stem_kind == "simple":
            s0 = s1 = self.stem(x)
        else:
            s0 = self.stem0(x)
            s1 = self.stem1(s0)
        auxiliary_logits: Tensor | None = None
        for index, cell in enumerate(self.cells):
            # A cell that nothing reads gives None, which no later cell looks at.
            s0, s1 = s1, cell(s0, s1, self.drop_path_prob) if index in self._needed else None
            if self.training and index == self._auxiliary_cell:
                auxiliary_logits = self.auxiliary_head(s1)
        assert s1 is not None  # the last cell is always needed
        return s1, auxiliary_logits


def build_network(
    architecture: Architecture,
    num_classes: int = 10,
    image_size: int = 32,
    *,
    auxiliary: bool = False,
    track_running_stats: bool = True,
) -> Network:
    """Makes the network of an architecture, with PyTorch's default initialisation.

    From 128 pixels on, networks take DeepNets-1M's form for ImageNet: a stem that divides the resolution by 4 (stem
    type 0) or 8 (stem type 1), and patches of 16x16 in vision transformers. Below, they take its form for CIFAR-10: a
    stem that keeps or halves the resolution, and patches of 3x3. At 32 and 224 pixels they are DeepNets-1M's own,
    parameter by parameter.

    On a CPU, networks train faster in ``torch.channels_last`` memory.

    Args:
        architecture: the architecture; its ``C`` at least 2.
        num_classes: number of logits, at least 1.
        image_size: height and width of the images, in pixels, at least 8.
        auxiliary: whether to add the auxiliary head of DARTS, behind cell ``2 * n_cells // 3``.
        track_running_stats: whether batch normalisation keeps running statistics for evaluation (as in DARTS) or
            always takes those of the batch (as in DeepNets-1M).

    Raises:
        ArchitectureError: if the architecture has one channel only, or the auxiliary head would stand on zeros.
        SettingError: if another argument is out of range.
    """
    return Network(architecture, num_classes, image_size, auxiliary, track_running_stats)
