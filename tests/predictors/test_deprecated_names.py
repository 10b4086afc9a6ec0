from typing import Any

import pytest

from tart_nas.predictors import LabelledData, Predictor, fit_and_validate
from tart_nas.strategies import Surrogate


def test_old_names_of_arguments_do_what_the_new_ones_do(labelled):
    networks, targets = labelled.architectures[:9], labelled.targets[:9]
    others = labelled.architectures[9:60]
    size: dict[str, Any] = {"trained_at": {"C": 8}}  # as type checkers do not know these names any more
    scope: dict[str, Any] = {"also_judges": others}
    with (
        pytest.warns(DeprecationWarning, match="`trained_at` of Predictor.fit .* use `label_size`"),
        pytest.warns(DeprecationWarning, match="`also_judges` of Predictor.fit .* use `extend_scope`"),
    ):
        old = Predictor("ridge").fit(networks, targets, **size, **scope)
    new = Predictor("ridge").fit(networks, targets, label_size={"C": 8}, extend_scope=others)
    assert old.identity == new.identity != Predictor("ridge").fit(networks, targets).identity
    with pytest.warns(DeprecationWarning, match="use `label_size`"):
        data = LabelledData(networks, {"target": targets}, **size)
    assert data.label_size == {"C": 8}
    with pytest.warns(DeprecationWarning, match="use LabelledData.label_size"):
        assert data.trained_at == {"C": 8}
    with pytest.warns(DeprecationWarning, match="use `extend_scope`"):
        again, _ = fit_and_validate(data, lambda: Predictor("ridge"), folds=0, **scope)
    assert again.identity == new.identity


def test_rough_is_the_fast_approximation():
    predictor = Predictor.from_pretrained("darts-cifar10")
    with pytest.warns(DeprecationWarning, match="use Predictor.fast_approximation"):
        quicker = predictor.rough()
    assert quicker.identity == predictor.fast_approximation().identity != predictor.identity
    with pytest.warns(DeprecationWarning, match="use Surrogate.fast_approximation"):
        Surrogate(predictor).rough()
