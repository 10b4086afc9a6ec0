"""DeepNets-1M: a data set of a million architectures and their computational graphs, read, written and made."""

from tart_nas.choices import EVAL_SPLITS, SPLITS
from tart_nas.deepnets1m.dataset import DeepNets1M, Example
from tart_nas.deepnets1m.downloading import RELEASED_FILES, download
from tart_nas.deepnets1m.emulation import generator_graph
from tart_nas.deepnets1m.generating import generate
from tart_nas.deepnets1m.labels import LABELS
from tart_nas.deepnets1m.layout import split_files
from tart_nas.deepnets1m.statistics import draw_statistics, split_statistics

__all__ = [
    "EVAL_SPLITS",
    "LABELS",
    "RELEASED_FILES",
    "SPLITS",
    "DeepNets1M",
    "Example",
    "download",
    "draw_statistics",
    "generate",
    "generator_graph",
    "split_files",
    "split_statistics",
]
