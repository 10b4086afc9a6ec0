"""What a predictor was fitted to, given back, written to a file and fitted to again."""

import json

import numpy as np
import pytest

from tart_nas.errors import CheckpointError, PredictorError
from tart_nas.experiments.measure_labels import LABELS
from tart_nas.measurements import read_labelled_data
from tart_nas.predictors import CrossValidation, LabelledData, Predictor, fit_and_validate
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.tokens import CellTokens

KEEPING = {"gp": {}, "ensemble": {"members": [{"kind": "ridge"}, {"kind": "gp"}]}}


def same(one, other):
    assert list(one.architectures) == list(other.architectures)
    assert [*one.targets] == [*other.targets]
    for name, values in one.targets.items():
        assert np.array_equal(values, other.targets[name], equal_nan=True)
    assert (one.auxiliary is None) == (other.auxiliary is None)
    if one.auxiliary is not None and other.auxiliary is not None:
        assert np.array_equal(one.auxiliary, other.auxiliary, equal_nan=True)
    assert one.auxiliary_names == other.auxiliary_names
    assert one.label_size == other.label_size


@pytest.fixture(scope="module")
def given(labelled):
    """Labels of all sorts: of the second target some are unknown, of the last row all; and two proxies."""
    architectures, accuracy = labelled.architectures[:60], labelled.targets[:60].copy()
    latency = np.linspace(1, 2, 60) ** 3 / 7
    latency[::3] = np.nan
    accuracy[59] = latency[59] = np.nan
    proxies = np.random.default_rng(0).normal(size=(60, 2))
    proxies[5, 1] = np.nan
    targets = {"accuracy": accuracy, "latency": latency}
    return LabelledData(architectures, targets, {"data": "made up"}, proxies, {"C": 16}, ("nwot", "snip"))


def fitted(kind, data):
    predictor = Predictor(kind, **KEEPING[kind])
    return predictor.fit(
        data.architectures, data.targets, auxiliary=data.named_auxiliary, label_size=data.label_size or None
    )


@pytest.mark.parametrize("kind", KEEPING)
def test_it_is_what_was_given(kind, given, tmp_path):
    predictor = fitted(kind, given)
    predictor.save(tmp_path / "p.safetensors")
    loaded = Predictor.load(tmp_path / "p.safetensors")
    for own in (predictor, loaded):
        back = own.training_data()
        assert [a.genotype for a in back.architectures] == [a.genotype for a in given.architectures[:59]]
        assert {a.C for a in back.architectures} == {16}  # at the size of the labels
        expected = given.take(np.arange(59))  # of the last nothing is known, so nothing was learned
        same(
            back,
            LabelledData(back.architectures, expected.targets, {}, expected.auxiliary, {"C": 16}, ("nwot", "snip")),
        )
    again = fitted(kind, loaded.training_data())
    assert again.identity == predictor.identity


def test_representations(given, labelled):
    assert repr(given) == (
        "<LabelledData, 60 architectures, targets accuracy, latency, 2 auxiliary values of each, trained at C 16>"
    )
    assert repr(CellTokens.encode(labelled.architectures)) == "<CellTokens, 718 architectures of up to 16 edges>"
    validation = CrossValidation((0.5, 0.7), np.zeros(9), 0)
    assert repr(validation) == "<CrossValidation, Kendall tau 0.600 (spread 0.100) of 2 folds>"


def test_without_names_or_auxiliary_labels(labelled):
    some, values = labelled.architectures[:20], labelled.targets[:20]
    back = Predictor("gp").fit(some, values).training_data()
    same(back, LabelledData(some, {"target": values}))
    back = Predictor("gp").fit(some, values, auxiliary=np.ones((20, 1))).training_data()
    same(back, LabelledData(some, {"target": values}, {}, np.ones((20, 1))))


def test_what_a_user_noted_of_the_data(labelled):
    predictor = Predictor("gp").fit(labelled.architectures[:20], labelled.targets[:20])
    predictor.notes["data"] = "measured in March"
    again, _ = fit_and_validate(predictor.training_data(), lambda: Predictor("gp"), folds=0)
    assert again.notes["data"] == {"data": "measured in March"}


def test_those_that_keep_none_say_so(labelled):
    some, values = labelled.architectures[:20], labelled.targets[:20]
    updated = Predictor("params").update(some, values)
    for predictor in (Predictor("ridge").fit(some, values), Predictor("params"), updated):
        with pytest.raises(PredictorError, match=f"The {predictor.kind} predictor does not keep .*'gp' does"):
            predictor.training_data()
    with pytest.raises(PredictorError, match="not fitted yet"):
        Predictor("gp").training_data()


def test_the_bundled_predictors():
    darts = Predictor.from_pretrained("darts-cifar10").training_data()
    assert len(darts.architectures) == 718
    assert {(a.n_cells, a.C) for a in darts.architectures} == {(8, 32)}
    assert darts.auxiliary is not None
    assert darts.auxiliary.shape == (718, 12)
    assert darts.auxiliary_names == tuple(darts.description["auxiliary"])
    counts = darts.auxiliary[:, darts.auxiliary_names.index("params")]
    assert np.corrcoef(counts, Predictor("params").predict(darts.architectures))[0, 1] > 0.99
    files = ("deepnets1m-val", "deepnets1m-val-more")
    measured = LabelledData.joined([read_labelled_data(LABELS / name) for name in files])
    deepnets = Predictor.from_pretrained("deepnets1m-cifar10").training_data()
    assert deepnets.label_size == measured.label_size == {"C": 8}
    assert [a.genotype for a in deepnets.architectures] == [a.genotype for a in measured.architectures]
    for name, values in measured.targets.items():
        np.testing.assert_allclose(deepnets.targets[name], values, rtol=1e-13)


@pytest.fixture
def saved(given, tmp_path):
    fitted("gp", given).save(tmp_path / "p.safetensors")
    return tmp_path / "p.safetensors"


def test_labels_are_no_part_of_the_identity_and_old_files_have_none(saved, labelled, tmp_path):
    arrays, metadata = read_checkpoint(saved)
    write_checkpoint(saved, {k: v for k, v in arrays.items() if not k.startswith("training/")}, metadata)
    old = Predictor.load(saved)
    write_checkpoint(saved, arrays, metadata)
    assert old.identity == Predictor.load(saved).identity
    with pytest.raises(PredictorError, match="labels of different architectures"):
        old.training_data()
    Predictor("gp").fit(labelled.architectures[:20], labelled.targets[:20], auxiliary=np.ones((20, 1))).save(saved)
    arrays, metadata = read_checkpoint(saved)
    write_checkpoint(saved, {k: v for k, v in arrays.items() if not k.startswith("training/")}, metadata)
    back = Predictor.load(saved).training_data()
    np.testing.assert_allclose(back.targets["target"], labelled.targets[:20], rtol=1e-14)
    assert back.auxiliary is None


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("training/targets", lambda a: a[:-2]),
        ("training/targets", lambda a: a[:, :1]),
        ("training/targets", np.zeros_like),
        ("training/targets", lambda a: a[:, 0]),
        ("training/auxiliary", lambda a: a[:-1]),
        ("training/auxiliary", lambda a: a[:, :1]),
        ("training/more", lambda a: a),
    ],
)
def test_damaged_labels(name, change, saved):
    arrays, metadata = read_checkpoint(saved)
    array = arrays.get(name, np.zeros(3))
    write_checkpoint(saved, arrays | {name: np.ascontiguousarray(change(array))}, metadata)
    with pytest.raises(CheckpointError, match="other arrays than those"):
        Predictor.load(saved)


@pytest.mark.parametrize("targets", [["target"], ["accuracy", "latency"]])
def test_a_file_of_them(targets, given, tmp_path):
    accuracy = np.nan_to_num(given.targets["accuracy"], nan=90.5)
    values = {"target": accuracy} if targets == ["target"] else dict(given.targets)
    architectures = [*given.architectures[:50], *DeepNets1MSpace("search").sample(10, 0)]
    data = LabelledData(architectures, values, {}, given.auxiliary, given.label_size, given.auxiliary_names)
    data.write(tmp_path / "labels.json")
    back = read_labelled_data(tmp_path / "labels.json")
    same(data, back)
    assert back.description["data"] == "labels.json"
    assert back.description["n"] == 60
    with pytest.raises(PredictorError, match="Cannot write the labels to .*: "):
        data.write(tmp_path / "labels.json/within")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"targets": {"a": "x"}}, "Target 'a' of entry 1 of .* must be a finite number or null, but got 'x'"),
        ({"targets": {}}, "Entry 1 of .* must be an object with 'targets'"),
        ({"targets": None}, "Entry 1 of .* must be an object with 'targets'"),
        ({"trained_at": {"C": 9}}, r"'trained_at' must be the same in all entries .* is \{'C': 8\} .* in entry 1"),
        ({"genotype": 3}, "Entry 1 of .*: "),
    ],
)
def test_bad_files(change, said, labelled, tmp_path):
    data = LabelledData(labelled.architectures[:3], {"a": np.arange(3.0), "b": np.ones(3)}, {}, None, {"C": 8})
    data.write(tmp_path / "labels.json")
    entries = json.loads((tmp_path / "labels.json").read_text())
    entries[1] |= change
    (tmp_path / "labels.json").write_text(json.dumps(entries))
    with pytest.raises(PredictorError, match=said):
        LabelledData.read(tmp_path / "labels.json")


def test_the_commands_make_a_predictor_again(command, given, tmp_path):
    data = given.take(np.arange(59))
    first = fitted("gp", data)
    first.save(tmp_path / "first.safetensors")
    status, output, _ = command("data", "labels", tmp_path / "first.safetensors", "--out", tmp_path / "labels.json")
    assert status == 0
    assert output.startswith("59 architectures with accuracy, latency and 2 auxiliary values of each written to ")
    fit = ("fit", tmp_path / "labels.json", "--kind", "gp", "--folds", "0", "--quiet", "--device", "cpu")
    status, _, errors = command(*fit, "--out", tmp_path / "again.safetensors")
    assert status == 0, errors
    again = Predictor.load(tmp_path / "again.safetensors")
    assert again.identity == first.identity
    same(again.training_data(), first.training_data())
    status, _, errors = command("data", "labels", "params", "--out", tmp_path / "none.json")
    assert status == 2
    assert "The params predictor does not keep the architectures that it was fitted to" in errors
    assert not (tmp_path / "none.json").exists()
