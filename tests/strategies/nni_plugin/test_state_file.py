import json
from typing import Any

import numpy as np
import pytest
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import Random, RegularizedEvolution

from tart_nas.errors import NniError
from tart_nas.strategies.nni_plugin.state_file import StateSerializer, from_json, to_json
from tests.strategies.nni_plugin.tables import Known


def test_all_kinds_come_back():
    value: dict[str, Any] = {
        "tuple": (1, (2.5, None)),
        "sets": [{1, 2}, frozenset({("a", 1)})],
        "array": np.arange(6, dtype=np.uint32).reshape(2, 3),
        "keys": {1: "x", ("a", 2): True},
        "scalar": np.float64(0.5),
    }
    again = from_json(json.loads(json.dumps(to_json(value))))
    assert np.array_equal(again.pop("array"), value.pop("array"))
    assert again == value
    with pytest.raises(NniError, match="cannot be saved: it holds a object"):
        to_json({"x": object()})


@pytest.mark.parametrize(
    "make", [lambda: RegularizedEvolution(population_size=4, sample_size=2, seed=1), lambda: Random(seed=1)]
)
def test_strategies_of_nni_go_on_alike(make, darts, tmp_path):
    """A strategy whose state went through the file draws what the undisturbed one draws."""
    space = SimplifiedModelSpace(darts.model, darts.mutables, Known())
    strategy = make()
    strategy(space, SequentialExecutionEngine(max_model_count=6))
    serializer = StateSerializer()
    serializer.save({"strategy": strategy.state_dict()}, tmp_path / "state.ckpt")
    state = serializer.load(tmp_path / "state.ckpt")["strategy"]
    assert (tmp_path / "state.ckpt.before-resume.json").read_text() == (tmp_path / "state.ckpt.json").read_text()
    drawn = []
    for given in (strategy.state_dict(), state):
        evaluator = Known()
        again = make()
        again.initialize(
            SimplifiedModelSpace(darts.model, darts.mutables, evaluator), SequentialExecutionEngine(max_model_count=4)
        )
        again.load_state_dict(given)
        again.run()
        drawn.append(evaluator.seen)
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 4


def test_files_that_are_no_state(tmp_path):
    with pytest.raises(FileNotFoundError):
        StateSerializer().load(tmp_path / "state.ckpt")
    for text in ("{", '{"__tart_nas__": "bomb", "items": []}', '{"__tart_nas__": "array", "dtype": "O"}'):
        (tmp_path / "state.ckpt.json").write_text(text)
        with pytest.raises(NniError, match="is not the state of an experiment"):
            StateSerializer().load(tmp_path / "state.ckpt")
