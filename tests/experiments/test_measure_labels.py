"""The labels in the repository are those of the networks and the settings that the experiment states."""

import pytest
from rich.console import Console

from tart_nas.architecture import Architecture
from tart_nas.experiments.measure_labels import FILES, LABELS, TEST_FILES, tables
from tart_nas.measurements import MeasuringSettings, convergence, read_label_file
from tart_nas.networks import parameter_count


@pytest.mark.parametrize("name", [name for name in FILES if (LABELS / name).exists()])
def test_labels_belong_to_their_plan(name):
    plan, architectures = FILES[name], FILES[name].architectures()
    about, labels, failed = read_label_file(LABELS / name / "labels.json", plan.group)
    assert MeasuringSettings.from_dict(about["settings"]) == plan.settings
    assert (about["measured"], about["failed"]) == (len(labels), len(failed))
    assert {**plan.source(), "group": plan.group} == about["networks"]
    assert about["planned"] == len(architectures) >= len(labels) > 0
    for index, label in labels.items():
        assert Architecture.from_dict(label["architecture"]) == architectures[index]
        assert label["params"] == parameter_count(architectures[index])
        trained = plan.settings.shrunk(architectures[index])
        assert label["trained_params"] == parameter_count(trained, 10, plan.settings.image_size or 32)
        assert len(label["curve"]["train_accuracy"]) == plan.settings.recipe.epochs
        assert label["converge_time"] == pytest.approx(convergence(label["curve"]["train_accuracy"], 0.1), abs=1e-3)
        assert label["val_acc"] == pytest.approx(100 * label["curve"]["validation_accuracy"][-1], abs=0.01)
        for key in ("val_acc", "val_acc_noise", "test_acc", "test_acc_noise"):
            images = plan.settings.validation_images if key.startswith("val") else plan.settings.test_images
            right = label[key] / 100 * images  # a whole number of images, rounded to 4 digits of per cent
            assert abs(right - round(right)) < 0.02
            assert 0 <= right <= images
        assert label["time"] > 0 < label["time_reference"]


@pytest.mark.parametrize("name", ["deepnets1m-val", "darts"])
def test_the_repeats_are_of_the_same_networks_with_another_seed(name):
    first, repeat = FILES[name], FILES[f"{name}-repeat"]
    assert first.settings.seed != repeat.settings.seed
    assert repeat.architectures().items() <= first.architectures().items()
    assert len(repeat.architectures()) == 20


def test_test_networks_are_trained_three_times_and_never_to_train_on():
    tests = [FILES[name] for name in TEST_FILES]
    assert len({plan.settings.seed for plan in tests}) == 3
    assert all(plan.architectures() == tests[0].architectures() for plan in tests)
    assert len(set(tests[0].architectures().values())) == 100
    train = {n for name in ("deepnets1m-val", "deepnets1m-val-more") for n in FILES[name].architectures().values()}
    assert len(train) == 600
    assert train.isdisjoint(tests[0].architectures().values())


def test_the_pool_of_the_darts_space_has_200_networks():
    first, pool = FILES["darts"].architectures(), FILES["darts-pool"].architectures()
    assert len({*first.values(), *pool.values()}) == 200
    assert FILES["darts-pool-large"].architectures().items() <= pool.items()


def test_what_the_command_prints_of_them(capsys):
    printed = []
    for table in tables(LABELS):
        Console(width=120).print(table)
        printed.append((table.title, capsys.readouterr().out))
    by_file = {str(title).partition(":")[0]: text for title, text in printed if title}
    (scores,) = [text for title, text in printed if not title]
    lines = (by_file["darts"] + scores).splitlines()
    row = {line.split("│")[1].strip(): line.split("│")[2:4] for line in lines if "│" in line}
    assert float(row["val_acc"][0]) > 0.6
    assert float(row["darts-cifar10"][1]) > float(row["params"][1]) > 0
    assert "time / time_reference" in by_file["deepnets1m-val"]
