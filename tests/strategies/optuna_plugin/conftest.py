import optuna
import pytest

from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="session")
def space():
    return DartsSpace()


@pytest.fixture(scope="session")
def judge(labelled):
    """A predictor that is fitted in a moment, on the first half of the labels."""
    return Predictor("ridge").fit(labelled[0][:359], labelled[1][:359])


@pytest.fixture(scope="session")
def truth(labelled):
    """Another one, on the other half: what stands for training in studies of the whole space."""
    return Predictor("ridge").fit(labelled[0][359:], labelled[1][359:])
