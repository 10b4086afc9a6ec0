import json

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.search_spaces.deepnets1m_sampling import RULES
from tart_nas.strategies.optuna_plugin import (
    architecture_distributions,
    architecture_of,
    architecture_parameters,
    suggest_architecture,
)

SPACES = [DartsSpace(), DartsSpace(20, 36, stem_type=1), *map(DeepNets1MSpace, RULES)]


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_the_parameters_of_a_sample_rebuild_it(space):
    for architecture in space.sample(60, seed=1):
        values = architecture_parameters(architecture, space)
        assert all(isinstance(value, str | int | bool | None) for value in values.values())
        again = architecture_of(json.loads(json.dumps(values)), space)
        assert space.canonical(again) == space.canonical(architecture)
        assert space.contains(again)
        assert architecture_parameters(again, space) == values


@pytest.mark.parametrize("space", SPACES[1:], ids=repr)
def test_a_study_suggests_enqueued_and_new_architectures(space, tmp_path):
    file = JournalFileBackend(str(tmp_path / "study.log"))  # a third of the time that SQLite takes for its commits
    study = optuna.create_study(
        storage=JournalStorage(file), sampler=optuna.samplers.RandomSampler(seed=0), study_name="s"
    )
    wanted, suggested = space.sample(1, seed=5)[0], {}
    study.enqueue_trial(architecture_parameters(wanted, space))

    def objective(trial):
        trial.suggest_float("lr", 1e-3, 1e-1, log=True)
        suggested[trial.number] = suggest_architecture(trial, space)
        return 1.0

    study.optimize(objective, n_trials=12)
    assert space.canonical(suggested[0]) == space.canonical(wanted)
    for trial in optuna.load_study(study_name="s", storage=JournalStorage(file)).trials:  # as read years later
        if trial.number in suggested:
            assert architecture_of(trial, space) == suggested[trial.number]
            assert space.contains(suggested[trial.number])
        else:
            assert trial.state.name == "PRUNED"
            assert "reject" in trial.user_attrs["pruned_because"]
            with pytest.raises(ArchitectureError, match="reject"):
                architecture_of(trial, space)


def test_uniform_parameters_make_uniform_darts_architectures():
    space = DartsSpace()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    pairs = []
    for _ in range(300):
        genotype = suggest_architecture(study.ask(), space).genotype
        pairs += [source for _, source in genotype.normal[6:] + genotype.reduce[6:]]
    for source in range(5):
        assert pairs.count(source) / len(pairs) == pytest.approx(1 / 5, abs=0.04)


def test_the_names_are_flat_and_readable():
    names = list(architecture_parameters(DartsSpace().sample(1, 0)[0], DartsSpace()))
    assert names[:5] == [
        "normal_node2_op0",
        "normal_node2_op1",
        "normal_node3_inputs",
        "normal_node3_op0",
        "normal_node3_op1",
    ]
    assert len(names) == 22
    deep = next(a for a in DeepNets1MSpace("deep").sample(50, 0) if a.n_cells > 18)
    assert {"n_cells", "n_nodes_if_deep", "C_mult", "stem_type"} <= set(
        architecture_parameters(deep, DeepNets1MSpace("deep"))
    )


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["normal_node2_op0", "normal_node3_inputs", "lr"]), st.integers() | st.text()))
def test_foreign_parameters_are_refused(values):
    with pytest.raises(SettingError):
        architecture_of(values, DartsSpace())


def test_what_is_missing_or_wrong_is_named():
    space = DartsSpace()
    values = architecture_parameters(space.sample(1, 0)[0], space)
    with pytest.raises(SettingError, match="no parameter 'normal_node2_op0' .* the parameters are x"):
        architecture_of({"x": 1}, space)
    with pytest.raises(SettingError, match="'reduce_node4_inputs' must be one of 0,1, .* but is '3,4'"):
        architecture_of({**values, "reduce_node4_inputs": "3,4"}, space)
    with pytest.raises(SettingError, match=r"'n_cells' must be a whole number in \[6, 20\], but is 21"):
        architecture_of({"n_cells": 21}, DeepNets1MSpace())
    with pytest.raises(SettingError, match="does not contain"):
        architecture_parameters(DartsSpace(5).sample(1, 0)[0], space)
    with pytest.raises(SettingError, match="no parameters to suggest"):
        architecture_of(values, object())  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="must be an object such as .*, but got the class DartsSpace"):
        architecture_of(values, DartsSpace)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="`prefix` must be a string, but got 3"):
        architecture_of(values, space, prefix=3)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"does not contain the architecture \{'C': 3\}"):
        architecture_parameters({"C": 3}, space)  # type: ignore[arg-type]


@pytest.mark.parametrize("space", SPACES[:3], ids=repr)
def test_values_of_a_data_frame_are_taken(space):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    networks = space.sample(6, seed=2)  # with other parameters each, so that columns have gaps
    for network in networks:
        study.enqueue_trial(architecture_parameters(network, space))
        trial = study.ask()
        suggest_architecture(trial, space)
        study.tell(trial, 1.0)
    rows = study.trials_dataframe().to_dict("records")
    for row, network in zip(rows, networks, strict=True):
        again = architecture_of(row, space, prefix="params_")
        assert space.canonical(again) == space.canonical(network)
        for value in architecture_parameters(again, space).values():
            assert type(value) in (str, int, bool, type(None))
    values = architecture_parameters(DeepNets1MSpace().sample(1, 0)[0], DeepNets1MSpace())
    for n_cells in (np.int64(7), 7.0, np.float32(7)):
        assert type(architecture_of({**values, "n_cells": n_cells}, DeepNets1MSpace()).n_cells) is int
    with pytest.raises(SettingError, match=r"whole number in \[6, 20\], but is 7.5"):
        architecture_of({**values, "n_cells": 7.5}, DeepNets1MSpace())


def test_a_row_of_a_data_frame_is_enqueued():
    space = DeepNets1MSpace("search")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    network = space.sample(1, seed=2)[0]
    values = architecture_parameters(network, space)
    for number in (np.int64, float):
        study.enqueue_trial({n: number(v) if type(v) is int else v for n, v in values.items()})
        suggested = suggest_architecture(study.ask(), space)
        assert space.canonical(suggested) == space.canonical(network)
        assert type(suggested.n_cells) is type(suggested.C_mult) is int


def test_a_prefix_keeps_two_architectures_of_a_trial_apart():
    space = DeepNets1MSpace("search")

    def objective(trial):
        trial.suggest_int("n_cells", 100, 200)  # the user's own, of the same name as the space's
        pair = [suggest_architecture(trial, space, prefix=prefix) for prefix in ("encoder_", "decoder_")]
        trial.set_user_attr("pair", [architecture.to_dict() for architecture in pair])
        return 1.0

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    wanted = space.sample(2, seed=3)
    for _ in range(3):
        study.enqueue_trial(
            architecture_parameters(wanted[0], space, prefix="encoder_")
            | architecture_parameters(wanted[1], space, prefix="decoder_")
        )
    study.optimize(objective, n_trials=3)
    for trial in study.trials:
        pair = [architecture_of(trial, space, prefix=prefix) for prefix in ("encoder_", "decoder_")]
        assert [architecture.to_dict() for architecture in pair] == trial.user_attrs["pair"]
        assert [space.canonical(a) for a in pair] == [space.canonical(a) for a in wanted]
        assert {"encoder_architecture_settings", "decoder_architecture_settings"} <= trial.user_attrs.keys()


def test_distributions_of_a_space():
    space = DartsSpace()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask(architecture_distributions(space, prefix="a_"))
    assert suggest_architecture(trial, space, prefix="a_") == architecture_of(trial, space, prefix="a_")
    conditional = DeepNets1MSpace()
    with pytest.raises(SettingError, match="depend on each other: give `architecture`"):
        architecture_distributions(conditional)
    network = conditional.sample(1, 0)[0]
    distributions = architecture_distributions(conditional, network)
    assert distributions.keys() == architecture_parameters(network, conditional).keys()
