"""The paper's table on files in the released layout, whose labels are MADE UP: nothing was trained or measured."""

import json

import numpy as np
import pytest

from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.errors import DeepNetsError
from tart_nas.experiments import paper_table
from tart_nas.graphs import ComputationalGraph
from tart_nas.networks import parameter_count

NETWORKS = 8


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """A folder like the released one: networks of val and test, and labels that are made up from their graphs."""
    folder = tmp_path_factory.mktemp("made-up-labels")
    results: dict[str, dict[str, dict[str, float]]] = {}
    for split in ("val", "test"):
        generate(split, NETWORKS, folder, seed=4)
        results[split] = {}
        for index, architecture in enumerate(DeepNets1M(folder, split).architectures()):
            size = ComputationalGraph.from_architecture(architecture).num_nodes
            results[split][str(index)] = {
                "val_acc": 90 + size / 100,
                "val_acc_noise": 50 - size / 100,
                "time": size / 20,
                "converge_time": 1 / size,
                "params": parameter_count(architecture),
            }
    (folder / "results_cifar10.json").write_text(json.dumps(results))
    return folder


def run(folder, out):
    arguments = ["--data-dir", str(folder), "--out", str(out), "--title", "made-up labels"]
    return paper_table.main([*arguments, "--seeds", "1", "--epochs", "1"])


def test_the_table_and_going_on(made_up, tmp_path, capsys):
    out = tmp_path / "table.json"
    assert run(made_up, out) == 0
    printed = capsys.readouterr().out
    first = json.loads(out.read_text())
    assert first["title"] == "made-up labels"
    assert "made-up labels: 8 networks of val, 8 of test" in printed
    for method, published in paper_table.PUBLISHED.items():
        row = next(line for line in printed.splitlines() if line.startswith(f"│ {method}"))
        cells = [cell.strip() for cell in row.strip("│").split("│")][1:]
        assert tuple(cells[::2]) == published
        results = [first["results"][method][f"{name}/0"] for name in paper_table.PROPERTIES]
        assert cells[1::2] == [f"{result['tau']:.3f}" for result in results]
        assert all(-1 <= result["tau"] <= 1 for result in results)

    interrupted = json.loads(out.read_text())
    del interrupted["results"]["TART"]["inference speed/0"]
    out.write_text(json.dumps(interrupted))
    assert run(made_up, out) == 0
    assert capsys.readouterr().out.count("  tau ") == 1
    again = json.loads(out.read_text())
    missing, known = (c["results"]["TART"].pop("inference speed/0") for c in (again, first))
    assert missing["tau"] == known["tau"]
    assert again == first


def test_targets_are_higher_where_networks_are_better(made_up):
    dataset = DeepNets1M(made_up, "val")
    for name, sign in {
        "clean accuracy": 1,
        "noisy accuracy": 1,
        "inference speed": -1,
        "convergence speed": -1,
    }.items():
        found, n_val = paper_table.labelled(made_up, name, networks=6)
        assert (n_val, len(found.architectures)) == (6, 12)
        values = [dataset[i].labels[paper_table.PROPERTIES[name][0]] for i in range(6)]
        assert np.array_equal(np.argsort(found.targets[name][:6]), np.argsort(sign * np.array(values)))
        assert found.architectures[:6] == list(dataset.architectures())[:6]


def test_networks_without_a_label_are_left_out(made_up, tmp_path):
    for file in made_up.glob("deepnets1m_eval*"):
        (tmp_path / file.name).symlink_to(file)
    results = json.loads((made_up / "results_cifar10.json").read_text())
    del results["val"]["2"], results["val"]["5"]["time"]
    labels = tmp_path / "results_cifar10.json"
    labels.write_text(json.dumps(results))
    found = [paper_table.labelled(tmp_path, name) for name in paper_table.PROPERTIES]
    assert [n_val for _, n_val in found] == [7, 7, 6, 7]
    assert all(np.isfinite(values).all() for data, _ in found for values in data.targets.values())
    results["val"]["1"]["time"] = 0
    labels.write_text(json.dumps(results))
    with pytest.raises(DeepNetsError, match="`time` of val/1 must be above 0, but is 0"):
        paper_table.labelled(tmp_path, "inference speed")


def test_what_goes_wrong_is_one_line(made_up, tmp_path, capsys):
    out = tmp_path / "table.json"
    without = tmp_path / "without"
    without.mkdir()
    for file in made_up.glob("deepnets1m_eval*"):
        (without / file.name).symlink_to(file)
    out.write_text('{"setting": {}, "results": {"TART": {}}}')
    before = out.read_bytes()
    for folder, message in (
        (tmp_path, "error: There is no"),
        (made_up, "are of another setting: data was None"),
        (without, "0 of 8 networks of val"),
    ):
        assert run(folder, out) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
        assert out.read_bytes() == before
    out.write_text("[]")
    assert run(made_up, out) == 2
    assert "is no file of results" in capsys.readouterr().err
