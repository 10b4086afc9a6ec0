"""The search run: score, pick, train, resume, report."""

from tart_nas.runs.architecture_files import ArchitectureFile, open_architectures, read_candidates
from tart_nas.runs.defaults import default_budget, default_generator, default_predictor, default_recipe, default_space
from tart_nas.runs.gain import Gain
from tart_nas.runs.own_training import Reporter
from tart_nas.runs.result import SearchResult
from tart_nas.runs.retraining import retrain
from tart_nas.runs.searching import search
from tart_nas.runs.settings import SearchSettings, TrainingBudget
from tart_nas.runs.trained_pick import TrainedPick
from tart_nas.runs.working import work

__all__ = [
    "ArchitectureFile",
    "Gain",
    "Reporter",
    "SearchResult",
    "SearchSettings",
    "TrainedPick",
    "TrainingBudget",
    "default_budget",
    "default_generator",
    "default_predictor",
    "default_recipe",
    "default_space",
    "open_architectures",
    "read_candidates",
    "retrain",
    "search",
    "work",
]
