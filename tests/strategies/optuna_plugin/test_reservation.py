"""Two processes that share a study: what one does between two steps of the other, without threads or timing."""

import optuna
import pytest
from optuna.samplers import PartialFixedSampler
from optuna.storages import InMemoryStorage, JournalStorage, get_storage
from optuna.storages.journal import JournalFileBackend

from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies.optuna_plugin import TartSampler, architecture_of, suggest_architecture

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

SPACE = DartsSpace()
FREE = "normal_node5_op1"
"""The one parameter that is not fixed, so that all samplers have the same seven candidates and rank them alike."""


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storages(request, tmp_path):
    """The storage of each of two processes."""
    if request.param == "memory":
        return [InMemoryStorage()] * 2
    if request.param == "sqlite":
        return [get_storage(f"sqlite:///{tmp_path}/study.sqlite3") for _ in range(2)]
    return [JournalStorage(JournalFileBackend(str(tmp_path / "study.log"))) for _ in range(2)]


@pytest.fixture
def studies(storages):
    fixed = SPACE.parameters(SPACE.sample(1, seed=0)[0])
    del fixed[FREE]
    studies = []
    for storage in storages:
        sampler = PartialFixedSampler(fixed, TartSampler(Predictor("params"), SPACE, n_candidates=200))
        studies.append(
            optuna.create_study(
                study_name="s", storage=storage, sampler=sampler, direction="maximize", load_if_exists=True
            )
        )
    return studies


def suggested(study):
    return suggest_architecture(study.ask(), SPACE)


@pytest.mark.parametrize("when", ["before it is reserved", "after it is reserved", "after all is suggested"])
def test_two_processes_never_choose_the_same_network(when, studies, storages, monkeypatch):
    first, second = studies
    others: list[object] = []
    write = storages[0].set_trial_system_attr

    def interrupted(*arguments):
        if not others and when == "before it is reserved":
            others.append(None)
            others[0] = suggested(second)
        write(*arguments)
        if not others and when == "after it is reserved":
            others.append(None)
            others[0] = suggested(second)

    monkeypatch.setattr(storages[0], "set_trial_system_attr", interrupted)
    best = suggested(first)
    if not others:
        others.append(suggested(second))
    ranked = sorted(SPACE_OPS, key=lambda op: -float(Predictor("params").predict([with_op(best, op)])[0]))
    chosen = [architecture.genotype.normal[7][0] for architecture in (best, *others)]
    # Whoever reserves first has the best network, the other one the next best.
    assert chosen == (ranked[1::-1] if when == "before it is reserved" else ranked[:2])


SPACE_OPS = ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5", "max_pool_3x3")


def with_op(architecture, op):
    return architecture_of({**SPACE.parameters(architecture), FREE: op}, SPACE)


def test_where_every_network_was_tried_they_begin_anew(studies):
    networks = [suggested(study) for _ in range(4) for study in studies]
    assert len(set(networks)) == 7
    assert networks[7] == networks[0]
