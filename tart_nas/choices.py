"""The names that arguments and options choose among, each list once.

They stand before everything else and import nothing, so that the command line refuses a wrong name before it imports
PyTorch. A list is a ``Literal``, which type checkers and the command line read, and a tuple of its names.
"""

from typing import Literal, get_args

__all__ = [
    "CLUSTER_ENGINES",
    "DEFAULT_DATASET",
    "DEFAULT_SPACE",
    "DEVICE_TYPES",
    "EMBEDDED_DATASETS",
    "ENGINES",
    "EVAL_SPLITS",
    "EXPORT_SUFFIXES",
    "FIGURE_SUFFIXES",
    "GHN_PRESET_NAMES",
    "GRAPH_KINDS",
    "IMAGE_DATASETS",
    "KINDS",
    "LOOPBACK",
    "NNI_HOSTS",
    "OPTIMIZERS",
    "PENN_FUDAN",
    "PRETRAINED_KINDS",
    "PROTOCOL_NAMES",
    "RELEASED_FILE_NAMES",
    "SAMPLED_SPLITS",
    "SPACES",
    "SPLITS",
    "STRATEGIES",
    "UNLABELLED_KINDS",
    "ClusterEngine",
    "Engine",
    "EvalSplit",
    "GHNPreset",
    "ImageDataset",
    "Kind",
    "NniHost",
    "OptimizerName",
    "PretrainedKind",
    "Protocol",
    "ReleasedFileName",
    "SampledSplit",
    "Space",
    "Split",
    "Strategy",
    "UnlabelledKind",
]

Space = Literal["darts", "deepnets1m"]
SPACES: tuple[str, ...] = get_args(Space)
"""The search spaces by name."""

DEFAULT_SPACE: Space = "deepnets1m"
"""What a search samples from when no space is given: the space in which predicted networks are shown to be better at a
budget of minutes (``python -m tart_nas.experiments.first_run``)."""

EvalSplit = Literal["val", "test", "wide", "deep", "dense", "bnfree"]
EVAL_SPLITS: tuple[str, ...] = get_args(EvalSplit)
"""The splits of DeepNets-1M that share one pair of files, ``deepnets1m_eval``."""

SampledSplit = Literal["train", "search", EvalSplit]
SAMPLED_SPLITS: tuple[str, ...] = get_args(SampledSplit)
"""The splits of DeepNets-1M that are sampled by rules."""

Split = Literal[SampledSplit, "predefined"]
SPLITS: tuple[str, ...] = get_args(Split)
"""All splits of DeepNets-1M; ``predefined`` is built in code."""

ReleasedFileName = Literal[
    "deepnets1m_eval.hdf5", "deepnets1m_meta.tar.gz", "deepnets1m_search.hdf5", "deepnets1m_train.hdf5"
]
RELEASED_FILE_NAMES: tuple[str, ...] = get_args(ReleasedFileName)
"""The files of DeepNets-1M as they were released."""

PENN_FUDAN = "penn-fudan"
"""The data set for detection, as `tart-nas data download` knows it."""

DARTS_LABELS = "darts-labels"
"""The labels that ``darts-cifar10`` was fitted to, likewise."""

ImageDataset = Literal["cifar10-sample", "cifar10", "cifar100", "digits", "folder"]
IMAGE_DATASETS: tuple[str, ...] = get_args(ImageDataset)
"""The data sets that :func:`tart_nas.images.load_images` knows; ``folder`` is a folder of the user's own images."""

DEFAULT_DATASET: ImageDataset = "cifar10-sample"
"""What networks are trained on when no data set is given: real images, which come with the package."""

EMBEDDED_DATASETS: tuple[ImageDataset, ...] = ("cifar10-sample", "digits")
"""Those that come with a package and are read from no folder of the user's."""

BudgetName = Literal["tiny", "small", "medium", "full"]
BUDGET_NAMES: tuple[str, ...] = get_args(BudgetName)
"""How much training a network gets before it is compared with others; see :data:`tart_nas.training.BUDGETS`."""

PretrainedKind = Literal["pure-transformer", "tart-cell", "tart-graph"]
PRETRAINED_KINDS: tuple[str, ...] = get_args(PretrainedKind)
"""The kinds of predictors that can be pretrained without labels: transformers."""

UnlabelledKind = Literal["flops", "ghn-accuracy", "params"]
UNLABELLED_KINDS: tuple[str, ...] = get_args(UnlabelledKind)
"""The kinds of predictors that need no labels at all."""

Kind = Literal[
    "boosting",
    "ensemble",
    "ghn-embedding",
    "gp",
    "gp-graph",
    "neural-predictor",
    "ridge",
    "svr",
    PretrainedKind,
    UnlabelledKind,
]
KINDS: tuple[str, ...] = tuple(sorted(get_args(Kind)))
"""The kinds of predictors."""

GRAPH_KINDS: tuple[str, ...] = ("flops", "gp-graph", "neural-predictor", "params", "pure-transformer", "tart-graph")
"""The kinds of predictors that read graphs: of these, any networks can be given."""

Strategy = Literal["topk", "evolution", "active", "generate"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
"""How the candidates of a search are found and ranked; see :func:`tart_nas.search`."""

Engine = Literal["process", "nni", "ray"]
ENGINES: tuple[str, ...] = get_args(Engine)
"""What trains the networks of a search; see :func:`tart_nas.search`."""

ClusterEngine = Literal["process", "ray"]
CLUSTER_ENGINES: tuple[str, ...] = get_args(ClusterEngine)
"""What measures, scores and generates networks: this process, or the machines of a cluster of Ray's."""

NniHost = Literal["127.0.0.1", "0.0.0.0", "::"]
NNI_HOSTS: tuple[str, ...] = get_args(NniHost)
"""Where NNI's manager listens: on this machine alone, or on all interfaces."""

LOOPBACK: NniHost = "127.0.0.1"
"""Where it listens by default: whoever reaches it can start programs and read any file."""

Protocol = Literal["darts", "deepnets1m", "imagenet"]
PROTOCOL_NAMES: tuple[str, ...] = get_args(Protocol)
"""The published training recipes; see :data:`tart_nas.training.PROTOCOLS`."""

OptimizerName = Literal["sgd", "adamw", "adam"]
OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)
"""The optimizers of a training recipe; see :class:`tart_nas.training.TrainingRecipe`."""

GHNPreset = Literal[
    "ghn1-cifar10",
    "ghn2-cifar10",
    "mlp-cifar10",
    "ghn3-cifar10",
    "ghn1-imagenet",
    "ghn2-imagenet",
    "mlp-imagenet",
    "ghn3-imagenet",
    "ghn1-small",
    "ghn2-small",
    "mlp-small",
]
GHN_PRESET_NAMES: tuple[str, ...] = get_args(GHNPreset)
"""The ways to train a graph hypernetwork; see :data:`tart_nas.hypernetworks.training.GHN_PRESETS`."""

DEVICE_TYPES = ("cpu", "cuda", "mps", "xpu")
"""The types of devices that the command line takes, alone or with an index: ``cuda:1``."""

FIGURE_SUFFIXES = (".pdf", ".png", ".svg")
"""The file formats that a picture is written in."""

EXPORT_SUFFIXES = (".onnx", ".pt2")
"""The file formats that a network is exported in: ONNX, ``torch.export.ExportedProgram``."""
