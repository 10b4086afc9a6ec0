"""TART-NAS in NNI 3.0: experiments whose candidates the predictor has already judged.

NNI is an extra (in the clone: ``pip install '.[nni]'``) and is imported when one of these names is first used, but for
``to_optuna``, ``suggest_nni``, ``cell_architecture``, ``loopback`` and ``manager_environment``, which do without it.
"""

from typing import TYPE_CHECKING

from tart_nas.lazy import imported_when_used

if TYPE_CHECKING:
    from tart_nas.strategies.nni_plugin.assessor import TartAssessor
    from tart_nas.strategies.nni_plugin.chaining import tart_chain
    from tart_nas.strategies.nni_plugin.evaluator import TartEvaluator, retrain_top
    from tart_nas.strategies.nni_plugin.json_cells import cell_architecture
    from tart_nas.strategies.nni_plugin.listening import loopback, manager_environment
    from tart_nas.strategies.nni_plugin.managers import stop_manager
    from tart_nas.strategies.nni_plugin.middleware import TartBestOfN, TartOverSampling
    from tart_nas.strategies.nni_plugin.migration import suggest_nni, to_optuna
    from tart_nas.strategies.nni_plugin.resuming import enable_resume
    from tart_nas.strategies.nni_plugin.scoring import SampleScorer, Scorer
    from tart_nas.strategies.nni_plugin.spaces import HubSpace
    from tart_nas.strategies.nni_plugin.top_k import Pick, TartTopK
    from tart_nas.strategies.nni_plugin.tuner import TartTuner

__all__ = [
    "HubSpace",
    "Pick",
    "SampleScorer",
    "Scorer",
    "TartAssessor",
    "TartBestOfN",
    "TartEvaluator",
    "TartOverSampling",
    "TartTopK",
    "TartTuner",
    "cell_architecture",
    "enable_resume",
    "loopback",
    "manager_environment",
    "retrain_top",
    "stop_manager",
    "suggest_nni",
    "tart_chain",
    "to_optuna",
]

# The names above once more: only type checkers see those imports.
_MODULES = {
    "HubSpace": "spaces",
    "Pick": "top_k",
    "SampleScorer": "scoring",
    "Scorer": "scoring",
    "TartAssessor": "assessor",
    "TartBestOfN": "middleware",
    "TartEvaluator": "evaluator",
    "TartOverSampling": "middleware",
    "TartTopK": "top_k",
    "TartTuner": "tuner",
    "cell_architecture": "json_cells",
    "enable_resume": "resuming",
    "loopback": "listening",
    "manager_environment": "listening",
    "retrain_top": "evaluator",
    "stop_manager": "managers",
    "suggest_nni": "migration",
    "tart_chain": "chaining",
    "to_optuna": "migration",
}

__getattr__, __dir__ = imported_when_used(__name__, _MODULES, __all__)
