import json
from typing import Any

import numpy as np
import pytest

from tart_nas.errors import CheckpointError, PredictorError, SettingError
from tart_nas.generators import ArchitectureGenerator
from tart_nas.generators.generator import FORMAT
from tart_nas.generators.training import LEVELS, levels_of
from tart_nas.layout import parameter_count
from tart_nas.predictors import Predictor
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.search_spaces import ArchitectureSource, DartsSpace, DeepNets1MSpace

SPACE = DartsSpace()
SMALL: dict[str, Any] = {"calls": 400, "first": 200, "rounds": 2, "strings": 1024}


def fitted(space=SPACE, **settings):
    return ArchitectureGenerator(width=32, layers=1).fit(space, Predictor("params"), **{**SMALL, **settings})


@pytest.fixture(scope="module")
def generator():
    return fitted()


def test_it_writes_different_networks_of_the_space_by_seed(generator):
    sample = generator.sample(300, seed=3)
    assert all(map(SPACE.contains, sample))
    assert len({SPACE.canonical(architecture) for architecture in sample}) == len(sample) == 300
    assert generator.sample(300, seed=3) == sample != generator.sample(300, seed=4)
    assert generator.sample(0, seed=0) == []
    assert json.loads(json.dumps(generator.settings))["space"] == "darts"
    assert len(generator.draws(50, seed=0)) == 50
    assert isinstance(generator, ArchitectureSource)


def test_what_it_is_asked_for_is_what_it_writes_more_of(generator):
    random = np.mean(list(map(parameter_count, SPACE.sample(300, seed=9))))
    best, any_ = (
        np.mean(list(map(parameter_count, generator.sample(300, seed=0, better_than=share)))) for share in (0.999, 0.0)
    )
    assert best > 1.05 * random
    assert best > any_
    cold, warm = (
        len(set(map(SPACE.canonical, generator.draws(300, seed=0, temperature=temperature))))
        for temperature in (0.05, 1.0)
    )
    assert cold < warm


def test_the_coldest_draws_are_the_most_probable_symbols(generator):
    """Logits divided by such a temperature are infinite."""
    assert generator.draws(5, seed=0, temperature=1e-308) == generator.draws(5, seed=0, temperature=1e-9)
    assert len(set(generator.draws(5, seed=0, temperature=1e-308)[0].genotype.normal)) > 1, "not the first symbol"


def test_the_same_seed_gives_the_same_generator(generator):
    assert fitted().identity == generator.identity != fitted(seed=1).identity
    assert sorted(generator.thresholds) == generator.thresholds


def test_strings_of_varying_length():
    space = DeepNets1MSpace("val")
    generator = fitted(space, calls=200, first=150, rounds=1, strings=256)
    sample = generator.sample(60, seed=0)
    assert all(map(space.contains, sample))
    assert len({len(architecture.genotype.normal) for architecture in sample}) > 1
    assert generator.space.split == "val"


def test_a_file_gives_the_same_samples(generator, tmp_path):
    generator.save(tmp_path / "g.safetensors")
    again = ArchitectureGenerator.open(tmp_path / "g.safetensors")
    assert again.sample(20, seed=1) == generator.sample(20, seed=1)
    assert (again.identity, again.thresholds, again.notes) == (
        generator.identity,
        generator.thresholds,
        generator.notes,
    )
    content = (tmp_path / "g.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-100])
    arrays, metadata = read_checkpoint(tmp_path / "g.safetensors", FORMAT)
    write_checkpoint(tmp_path / "other.safetensors", arrays, {**metadata, "alphabet": ["[sep9:0]"]}, FORMAT)
    Predictor("ridge").fit(SPACE.sample(12, seed=0), range(12)).save(tmp_path / "predictor.safetensors")
    for name, said in (
        ("cut", "cut.safetensors"),
        ("other", "other symbols"),
        ("predictor", "is no generator of TART-NAS: its format is 'tart-nas predictor'"),
        ("missing", "There is no generator at"),
    ):
        with pytest.raises(CheckpointError, match=said):
            ArchitectureGenerator.open(tmp_path / f"{name}.safetensors")


def test_levels_are_halves():
    levels = levels_of(np.random.default_rng(0).permutation(4096).astype(float))
    assert np.bincount(levels).tolist() == [2048 >> level for level in range(LEVELS - 1)] + [4]
    assert levels_of(np.array([3.0, 1.0, 2.0])).argmax() == 0


def test_what_is_refused(generator):
    for arguments, said in (
        ({"n": -1}, "`n` must be a whole number"),
        ({"seed": -1}, "`seed` must be"),
        ({"temperature": 0}, "`temperature` must be a number above 0, but got 0"),
        ({"temperature": -1.0}, "`temperature` must be a number above 0"),
        ({"better_than": 1.0}, r"`better_than` must be a number in \[0, 1\), but got 1.0"),
    ):
        with pytest.raises(SettingError, match=said):
            generator.sample(**{"n": 1, "seed": 0, **arguments})
    with pytest.raises(SettingError, match="was fitted to DartsSpace.*generates no networks of DeepNets1MSpace"):
        generator.check_space(DeepNets1MSpace("val"))
    generator.check_space(DartsSpace())
    with pytest.raises(PredictorError, match="not fitted yet"):
        ArchitectureGenerator().sample(1, seed=0)
    for settings in ({"width": 30}, {"layers": 0}, {"depth": 3}):
        with pytest.raises(SettingError):
            ArchitectureGenerator(**settings)
    for wrong in ({"calls": 100}, {"rounds": 0}, {"epochs": 3}):
        with pytest.raises(SettingError):
            fitted(**wrong)
    judged = Predictor("ridge").fit(SPACE.sample(12, seed=0), range(12))
    with pytest.raises(PredictorError, match="The predictor judges 0 of 200 random architectures"):
        ArchitectureGenerator().fit(DeepNets1MSpace("val"), judged, **SMALL)
    assert generator.is_fitted


def test_the_bundled_one():
    generator = ArchitectureGenerator.open("darts-cifar10-generator")
    sample = generator.sample(100, seed=0)
    assert all(map(SPACE.contains, sample))
    predictor = Predictor.from_pretrained("darts-cifar10").fast_approximation()
    assert predictor.predict(sample).mean() > predictor.predict(SPACE.sample(1000, seed=0)).max()
    assert generator.notes["predictor"].startswith("darts-cifar10")
