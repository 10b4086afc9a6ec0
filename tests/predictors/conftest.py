from typing import Any

import pytest
import torch

from tart_nas.predictors import Predictor
from tart_nas.predictors.cell_features import cell_features
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.tokens import CellTokens
from tests.labels import Labelled


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def held_out(labelled: Labelled) -> Labelled:
    return Labelled(labelled.architectures[600:], labelled.targets[600:])


@pytest.fixture(scope="session")
def nets():
    """Architectures of all sizes, operations and settings."""
    return [
        net for split in ("search", "bnfree", "dense", "wide", "deep") for net in DeepNets1MSpace(split).sample(30, 2)
    ]


def features_of(nets):
    return cell_features(CellTokens.encode(nets), PredictorInputs(nets).sizes).numpy()


SMALL = {"ensemble": 2, "width": 16, "epochs": 15, "learning_rate": 5e-3}
"""A tart-cell predictor that is fitted in seconds."""


@pytest.fixture(scope="session")
def small_settings() -> dict[str, float]:
    return dict(SMALL)


FITTED: dict[str, dict[str, Any]] = {
    "boosting": {"trees": 100, "learning_rate": 0.1},
    "ensemble": {"members": [{"kind": "ridge"}, {"kind": "svr"}]},
    "gp": {},
    "ridge": {},
    "svr": {},
    "tart-cell": SMALL,
}
"""Settings under which each kind is fitted in seconds."""


@pytest.fixture(scope="session", params=FITTED)
def fitted(request: pytest.FixtureRequest, labelled: Labelled) -> Predictor:
    """One fitted predictor of each kind, which tests must not change."""
    settings = FITTED[request.param]
    return Predictor(request.param, **settings).fit(labelled.architectures[:600], labelled.targets[:600], seed=1)
