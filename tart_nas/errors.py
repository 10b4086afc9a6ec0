"""The one family of errors: each says what was given, what was expected, and where.

Every error also subclasses the builtin it refines, so that ``except ValueError`` goes on working. The command line
prints the message of any :class:`TartError` on one line and exits with status 2.
"""

__all__ = [
    "ArchitectureError",
    "CheckpointError",
    "DeepNetsError",
    "DeepNetsIndexError",
    "DivergenceError",
    "GraphError",
    "ImageDataError",
    "InsufficientMemoryError",
    "MachineError",
    "NniError",
    "PredictorError",
    "RunFolderError",
    "SettingError",
    "TartError",
    "TrainingError",
]


class TartError(Exception):
    """Anything that TART-NAS reports to its user."""


class ArchitectureError(TartError, ValueError):
    """An architecture, or a text that should be one, that is not valid."""


class GraphError(TartError, ValueError):
    """A computational graph that is not valid, or a network of which none can be made."""


class DeepNetsError(TartError, ValueError):
    """A file of DeepNets-1M that is missing, incomplete, corrupt, or of another split."""


class DeepNetsIndexError(DeepNetsError, IndexError):
    """An index that a split of DeepNets-1M does not have."""


class SettingError(TartError, ValueError):
    """An argument or option outside its legal range."""


class CheckpointError(TartError, ValueError):
    """A file of weights that is truncated, foreign, or of another version."""


class PredictorError(TartError, ValueError):
    """A predictor asked for what it cannot give, such as an architecture outside what it was trained on."""


class ImageDataError(TartError, ValueError):
    """An image data set that is missing, incomplete or corrupt."""


class TrainingError(TartError, RuntimeError):
    """A training that cannot go on."""


class DivergenceError(TrainingError):
    """A training whose loss, or a network whose output, is not finite: the network's own failure, however often."""


class InsufficientMemoryError(TrainingError):
    """A network that does not fit into the memory of this machine, as it is now."""


class MachineError(TartError, RuntimeError):
    """A fault of the machine while a network was trained or measured. It says nothing of the network: try again."""


class RunFolderError(TartError, ValueError):
    """A run folder that belongs to another run, or is not one."""


class NniError(TartError, RuntimeError):
    """NNI missing or of another version, or an NNI experiment that cannot be run as asked."""
