"""Graph hypernetworks: the parameters of any network, predicted from its computational graph."""

from tart_nas.hypernetworks.batch_norm import use_batch_statistics, use_running_statistics
from tart_nas.hypernetworks.config import GHNConfig
from tart_nas.hypernetworks.evaluation import PredictedAccuracies, evaluate_predicted
from tart_nas.hypernetworks.ghn import GHN, GHNWarning
from tart_nas.hypernetworks.graph_inputs import GraphInputs, Target
from tart_nas.hypernetworks.published_norms import NormCheck, check_norms, published_norms
from tart_nas.hypernetworks.reinitialisation import reinitialise
from tart_nas.hypernetworks.released import BUNDLED, RELEASED, released_file
from tart_nas.hypernetworks.starting import PredictedStart

__all__ = [
    "BUNDLED",
    "GHN",
    "RELEASED",
    "GHNConfig",
    "GHNWarning",
    "GraphInputs",
    "NormCheck",
    "PredictedAccuracies",
    "PredictedStart",
    "Target",
    "check_norms",
    "evaluate_predicted",
    "published_norms",
    "reinitialise",
    "released_file",
    "use_batch_statistics",
    "use_running_statistics",
]
