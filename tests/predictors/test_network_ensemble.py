import numpy as np
import pytest

from tart_nas.errors import PredictorError
from tart_nas.predictors import Predictor
from tart_nas.predictors.checkpoint import read_checkpoint

SMALL = {"width": 16, "epochs": 20, "learning_rate": 5e-3}


def coverage(mean, std, targets):
    return (np.abs(targets - mean) < 1.645 * std).mean()


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"pretraining": 300}, {"ensemble": 1}])
def test_intervals_hold_what_they_say(settings, labelled, held_out):
    predictor = Predictor("tart-cell", **SMALL | {"ensemble": 3} | settings)
    predictor.fit(labelled.architectures[:300], labelled.targets[:300])
    mean, std = predictor.predict(held_out.architectures, return_std=True)
    assert 0.8 < coverage(mean, std, held_out.targets) < 0.98  # 90 % of normally distributed errors


@pytest.mark.slow
def test_what_was_learned_by_heart_is_not_taken_for_knowledge(labelled):
    noise = np.random.default_rng(0).normal(size=200)
    predictor = Predictor("tart-cell", ensemble=3, width=32, epochs=100, learning_rate=5e-3, dropout=0.0)
    predictor.fit(labelled.architectures[:200], noise)
    mean, std = predictor.predict(labelled.architectures[200:], return_std=True)
    assert (predictor.predict(labelled.architectures[:200]) - noise).std() < 0.7 * noise.std()
    assert coverage(mean, std, np.random.default_rng(1).normal(size=len(mean))) > 0.8


def test_without_calibration(labelled):
    few, targets = labelled.architectures[:60], labelled.targets[:60]
    spread = Predictor("tart-cell", **SMALL, ensemble=3, calibration=0).fit(few, targets)
    assert (spread.predict(few, return_std=True)[1] > 0).all()
    unknown = Predictor("tart-cell", **SMALL, ensemble=1, calibration=0).fit(few, targets)
    assert np.isnan(unknown.predict(few, return_std=True)[1]).all()


def arrays_of(predictor, path):
    """What its one model has learned, by name."""
    predictor.save(path)
    return {name.removeprefix("0/"): array for name, array in read_checkpoint(path)[0].items()}


@pytest.mark.slow
def test_starts_from_another(labelled, tmp_path):
    size = Predictor("params").predict(labelled.architectures)
    other = Predictor("tart-cell", **SMALL, ensemble=2).fit(labelled.architectures, size)
    still = {"epochs": 1, "learning_rate": 0.0, "ensemble": 3, "width": 16, "dropout": 0.2}  # which is no size
    fits = [
        Predictor("tart-cell", **still).fit(labelled.architectures[:50], labelled.targets[:50], init=init)
        for init in (other, None)
    ]
    first, fresh, theirs = (arrays_of(fit, tmp_path / "p.safetensors") for fit in (*fits, other))
    kept = [name for name in first if ".encoder." in name or ".embedding." in name]
    assert len(kept) > 30
    for name in kept:
        member, rest = name.split(".", 1)
        source = theirs[f"{int(member) % 2}.{rest}"]
        np.testing.assert_array_equal(first[name], source)
    assert not np.array_equal(first["0.head.weight"], theirs["0.head.weight"])
    assert not np.array_equal(first["0.embedding.op.weight"], fresh["0.embedding.op.weight"])


def test_starts_only_from_its_like(labelled):
    few, targets = labelled.architectures[:20], labelled.targets[:20]
    other = Predictor("tart-cell", width=16, ensemble=1, epochs=1).fit(few, targets)
    for predictor in (
        Predictor("tart-cell", width=32, ensemble=1, epochs=1),
        Predictor("tart-graph", width=16, epochs=1),
    ):
        with pytest.raises(PredictorError, match="can start only from one of the same kind and size"):
            predictor.fit(few, targets, init=other)
    with pytest.raises(PredictorError, match="fitted from nothing"):
        Predictor("gp").fit(few, targets, init=other)
