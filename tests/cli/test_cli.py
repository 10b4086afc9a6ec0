import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tart_nas.experiments.measure_labels import LABELS
from tart_nas.layout import parameter_count
from tart_nas.measurements import read_label_file
from tart_nas.measurements.label_file import write_label_file
from tart_nas.networks import describe
from tart_nas.predictors import Predictor
from tart_nas.published import DARTS, VIT
from tart_nas.search_spaces import DeepNets1MSpace
from tests.undrawn import undrawn_figures


@pytest.mark.parametrize("name", ["search", "fit", "score", "measure", "retrain", "export", "draw", "data", "ghn"])
def test_help_names_the_options(name, command):
    status, out, _ = command(name, "--help")
    assert status == 0
    assert "--help" in out
    assert name in command("--help")[1]


def test_version(fork_server):
    status, out, _ = fork_server.run("--version")
    assert status == 0
    assert out.startswith("tart-nas 0.")


def test_a_wrong_argument_ends_a_process_with_one_line_and_status_2(tmp_path, fork_server):
    status, out, errors = fork_server.run("score", tmp_path / "nothere.json")
    assert (status, out) == (2, "")
    assert errors.endswith("nothere.json: No such file or directory.\n")
    assert errors.count("\n") == 1


def test_score_ranks_a_file(tmp_path, darts_file, command):
    status, out, errors = command("score", darts_file, "--top", 3, "--out", tmp_path / "[old]/scores.parquet")
    assert (status, len(out.splitlines())) == (0, 3)
    assert "718 scores written" in errors
    assert "/[old]/scores.parquet" in errors  # which is no style of rich's
    assert out.split()[0] == "1"
    assert "Genotype(" in out


def test_fit_prints_the_cross_validated_tau_and_writes_the_predictor(tmp_path, darts_file, command):
    status, out, errors = command(
        "fit", darts_file, "--kind", "ridge", "--out", tmp_path / "ridge.safetensors", "--quiet"
    )
    assert (status, errors) == (0, "")
    taus = [float(line.split()[-1]) for line in out.splitlines() if line.startswith("fold")]
    assert len(taus) == 5
    mean = out.split("5-fold cross-validated Kendall tau ")[1].split()[0]
    assert float(mean) == pytest.approx(sum(taus) / 5, abs=1e-4)
    assert 0.7 < sum(taus) / 5 < 0.85
    assert command("score", darts_file, "--predictor", tmp_path / "ridge.safetensors", "--top", 1)[0] == 0
    fit = ["fit", darts_file, "--kind", "ridge", "--out", tmp_path / "alone.safetensors", "--quiet", "--folds"]
    status, out, errors = command(*fit, 0)
    assert (status, errors) == (0, "")
    assert out.startswith("ridge ")
    assert out.count("\n") == 1
    assert command(*fit, -1)[0] == 2


def test_fit_to_measured_labels(tmp_path, command):
    about, labels, failed = read_label_file(LABELS / "deepnets1m-val/labels.json", "val")
    data, out = tmp_path / "labels.json", tmp_path / "p.safetensors"
    write_label_file(data, about, "val", {index: labels[index] for index in range(60)}, failed)
    fit = ["fit", data, "--kind", "gp", "--out", out, "--quiet", "--also-judge"]
    status, said, errors = command(*fit, "search")
    assert (status, errors) == (0, "")
    assert said.startswith("fold 1 of 5: Kendall tau accuracy ")
    predictor = Predictor.load(out)
    validation = predictor.notes["cross_validation"]
    assert predictor.targets == ("accuracy", "noisy_accuracy", "inference_speed", "convergence_speed")
    for name in predictor.targets:
        assert f"5-fold cross-validated Kendall tau of {name} {validation[name]['tau']:.4f} " in said
    assert validation["inference_speed"]["tau"] > 0.5
    candidates = [a.to_dict() for a in DeepNets1MSpace("search").sample(200, 9)]
    (tmp_path / "candidates.json").write_text(json.dumps(candidates))
    score = ["score", tmp_path / "candidates.json", "--predictor", out, "--target"]
    status, said, errors = command(*score, "inference_speed", "--top", 1)
    assert (status, errors) == (0, "")
    best = max(predictor.predict(DeepNets1MSpace("search").sample(200, 9), target="inference_speed"))
    assert float(said.split()[1]) == pytest.approx(best, abs=1e-3)
    for arguments, message in (((*score, "latency"), "`--target` must be one of accuracy, noisy_accuracy, "),):
        status, _, errors = command(*arguments)
        assert status == 2
        assert errors.startswith("error: ")
        assert message in errors
        assert errors.count("\n") == 1


def test_fit_to_several_files(tmp_path, command):
    """Two halves, which share a network, are the whole: it counts once, and the description tells both."""
    about, labels, failed = read_label_file(LABELS / "deepnets1m-val/labels.json", "val")
    files = {"whole": range(40), "first": range(21), "second": range(20, 40)}
    for name, rows in files.items():
        write_label_file(tmp_path / f"{name}.json", about, "val", {row: labels[row] for row in rows}, failed)
    options = ("--kind", "gp", "--folds", 0, "--quiet", "--out")
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    assert command("fit", tmp_path / "whole.json", *options, one)[0] == 0
    assert command("fit", tmp_path / "first.json", tmp_path / "second.json", *options, two)[0] == 0
    asked = DeepNets1MSpace("val").sample(20, 0)
    np.testing.assert_allclose(Predictor.load(one).predict(asked), Predictor.load(two).predict(asked), rtol=1e-9)
    data = Predictor.load(two).notes["data"]
    assert (data["n"], [part["n"] for part in data["of"]]) == (40, [21, 20])
    on_gpu = {row: labels[row] | {"device": "NVIDIA H200"} for row in range(20, 40)}
    write_label_file(tmp_path / "gpu.json", about, "val", on_gpu, failed)
    status, _, errors = command("fit", tmp_path / "first.json", tmp_path / "gpu.json", *options, two)
    assert (status, errors.count("\n")) == (0, 1)
    assert errors.startswith("note: times on NVIDIA H200 and on cpu do not compare, but inference_speed is learned ")
    update = ["update", one, tmp_path / "first.json", tmp_path / "gpu.json", "--folds", 0, "--out", two, "--target"]
    assert command(*update, "accuracy")[::2] == (0, "")
    status, _, errors = command(*update, "inference_speed")
    assert (status, errors.startswith("note: times on NVIDIA H200 and on cpu do not compare")) == (0, True)
    status, _, errors = command("fit", tmp_path / "first.json", tmp_path / "none.json", *options, two)
    assert (status, "none.json" in errors) == (2, True)


def test_update_with_labels_of_one_s_own(darts_file, tmp_path, command):
    """Of two files, one of which holds the other's networks: each counts once."""
    out = tmp_path / "mine.safetensors"
    few, own = tmp_path / "few.json", json.loads(darts_file.read_text())[:40]
    few.write_text(json.dumps(own))
    status, _, errors = command("update", "darts-cifar10", few, "--folds", 2, "--out", out)
    assert (status, out.exists()) == (2, False)
    assert "learned labels of 40 of the 40 networks" in errors
    assert "or give `--folds` 0" in errors
    few.write_text(json.dumps([entry | {"val_accuracy": entry["val_accuracy"] / 2} for entry in own]))
    update = ["update", "darts-cifar10", few, few, "--out", out]
    status, said, errors = command(*update, "--folds", 2)
    assert (status, errors) == (0, "")
    assert "updated with 40 labels" in said
    assert said.count("Kendall tau, as it was: ") == said.count("Kendall tau, updated: ") == 1
    assert Predictor.load(out).kind == "refined"
    before = out.read_bytes()
    status, said, errors = command(*update, "--target", "latency")
    assert (status, said) == (2, "")
    assert errors == "error: `--target` must be one of target, but got 'latency'.\n"
    status, _, errors = command(*update, "--folds", 1)
    assert status == 2
    assert "`--folds` must be at least 2" in errors
    assert out.read_bytes() == before


def test_pretrain_then_fit_from_there(darts_file, tmp_path, command):
    small = [word for pair in ("width=16", "layers=1", "ensemble=1", "epochs=1") for word in ("--set", pair)]
    start, out = tmp_path / "start.safetensors", tmp_path / "fitted.safetensors"
    status, said, errors = command("pretrain", "--n", 60, "--out", start, "--quiet", *small)
    assert (status, errors) == (0, "")
    assert "pretrained on 60 architectures to tell parameters, macs, " in said
    fit = ["fit", darts_file, "--kind", "tart-cell", "--folds", 2, "--quiet", "--out", out, "--init", start]
    assert command(*fit, *small)[0] == 0
    assert out.exists()
    status, _, errors = command(*fit)  # of another size
    assert status == 2
    assert "can start only from one of the same kind and size" in errors


def test_what_a_predictor_sees_is_printed_and_drawn(darts_file, tmp_path, command):
    status, said, _ = command(
        "draw", darts_file, "--index", 2, "--explain", "darts-cifar10", "--out", tmp_path / "cells.png"
    )
    assert status == 0
    assert said.count(" node ") == 16
    assert (tmp_path / "cells.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "10000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "passive"}, None),
    ],
)
def test_threads_that_wait_soon_sleep_unless_told_otherwise(given, expected):
    code = (
        "import os, sys; sys.argv[1:] = ['--version']; from tart_nas.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    )
    names = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    printed = subprocess.run(
        [sys.executable, "-c", code], env=names | given, capture_output=True, text=True, check=True
    )
    assert printed.stdout.splitlines()[-1] == f"{expected} False"  # before PyTorch reads it


LONG = 300 * "n"  # characters: more than a file system allows a name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "{data}", "--out", "{tmp}/p.safetensors", "--set", "epochs"], "NAME=VALUE"),
        (["fit", "{data}", "--out", "{tmp}/p.safetensors", "--set", "epochs=many"], "'epochs=many'"),
        (
            ["fit", "{data}", "--out", "{tmp}/p.safetensors", "--init", "{tmp}/no.safetensors"],
            "{tmp}/no.safetensors: No such",
        ),
        (["pretrain", "--out", "{tmp}/p.safetensors", "--n", "4", "--kind", "gp", "--quiet"], "'gp' is not one of"),
        *(
            ([*of, "--out", "{tmp}/p.safetensors", "--quiet", "--set", f"{name}={value}"], f"has no setting '{name}'")
            for of in (["pretrain", "--n", "4"], ["fit", "{data}", "--kind", "tart-cell"], ["fit", "{data}"])
            for name, value in (("kind", '"gp"'), ("self", "1"), ("seed", "1"), ("device", '"cpu"'), ("progress", "1"))
        ),
        *(
            (arguments, f"cannot read {LONG}: File name too long")
            for arguments in (
                ["summary", "DARTS", "--predictor", LONG],
                ["draw", "DARTS", "--out", "{tmp}/d.png", "--explain", LONG],
                ["search", "--out", "{tmp}/run", "--predictor", LONG],
                ["search", "--out", "{tmp}/run", "--candidates-file", LONG],
                ["generate", "--generator", LONG],
                ["score", LONG],
                ["update", LONG, "{data}", "--out", "{tmp}/p.safetensors"],
                ["update", "params", LONG, "--out", "{tmp}/p.safetensors"],
                ["fit", LONG, "--out", "{tmp}/p.safetensors"],
                ["export", LONG, "--out", "{tmp}/net.pt2"],
                ["measure", LONG, "--out", "{tmp}/labels"],
            )
        ),
        (["retrain", "--out", "{tmp}/net", "--initial-weights", LONG, "DARTS"], "does not exist"),
        (["summary", LONG], "Cannot read "),
        (["pretrain", "--out", "{tmp}/p.safetensors", "--set", "architectures=[]"], "has no setting 'architectures'"),
        (["draw", "vgg16_bn", "--explain", "params", "--out", "{tmp}/v.png"], "not made of cells"),
        (["draw", "vit", "--explain", "darts-cifar10", "--out", "{tmp}/v.png"], "outside what the predictor"),
        (["fit", "nothere.json", "--out", "{tmp}/p.safetensors"], "nothere.json"),
        (["score", "nothere.json"], "nothere.json"),
        (["search", "--out", "{tmp}/run", "--predictor", "{data}"], "darts_train.json"),
        (["search", "--out", "{tmp}/run", "--top-k", "11", "--candidates", "10"], "11 and 0 of 10"),
        (["search", "--out", "{tmp}/run", "--dataset", "cifar10", "--data-dir", "{tmp}"], "{tmp}"),
        (["search", "--out", "{tmp}/file/run"], "{tmp}/file"),
        (["search", "--space", "deepnets1m", "--predictor", "darts-cifar10", "--out", "{tmp}/run"], "outside what the"),
        (
            ["search", "--out", "{tmp}/run", "--space", "darts", "--split", "val"],
            "`--split` is for `--space` deepnets1m.",
        ),
        (["search", "--out", "{tmp}/run", "--space", "darts", "--deepnets-dir", "{tmp}"], "`--deepnets-dir` is for"),
        (["search", "--out", "{tmp}/run", "--input-size", "64"], "`--input-size` is for `--space` MODULE:FUNCTION."),
        (["search", "--out", "{tmp}/run", "--candidates-file", "{data}", "--candidates", "9"], "exclude each other"),
        (["search", "--out", "{tmp}/run", "--worker", "--workers", "2"], "leave out `--workers` and `--engine`"),
        (["measure", "darts", "--networks", "3", "--split", "val", "--out", "{tmp}/l"], "`--split` is for a folder"),
        (["measure", "DARTS", "--networks", "3", "--out", "{tmp}/l"], "`--networks` is for darts, a file or `--space`"),
        (
            ["score", "--sample", "9", "--space", "darts", "--image-size", "64"],
            "`--image-size` is for networks that are",
        ),
        *(
            ([*arguments, "--out", "{tmp}"], "'{tmp}' is a directory")
            for arguments in (
                ["fit", "{data}", "--kind", "ridge", "--quiet"],
                ["update", "darts-cifar10", "{data}", "--folds", "0"],
                ["pretrain", "--n", "4", "--quiet"],
                ["score", "DARTS"],
            )
        ),
        (["data", "inspect", "{tmp}", "val"], "deepnets1m_eval_meta.json"),
        (["draw", "nobody", "--out", "{tmp}/nobody.png"], "There is no network 'nobody'"),
        (["draw", "{data}", "--index", "718", "--out", "{tmp}/cell.png"], "no entry 718"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_2(arguments, message, tmp_path, darts_file, command):
    (tmp_path / "file").touch()
    names = {"tmp": tmp_path, "data": darts_file}
    status, _, errors = command(*(argument.format(**names) for argument in arguments))
    assert status == 2
    assert errors.startswith("error: ")
    assert message.format(**names) in errors
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_split_is_generated_inspected_drawn_and_searched(tmp_path, command):
    status, out, _ = command("data", "generate", "search", "--n", 12, "--out", tmp_path, "--quiet")
    assert (status, out.split(" written")[0]) == (0, "12 networks of search")
    status, out, _ = command("data", "inspect", tmp_path, "search", "--plot", tmp_path / "search.png", "--quiet")
    assert status == 0
    assert "search: 12 of 12 networks" in out
    assert "path length" in out
    assert "sep_conv" in out
    assert (tmp_path / "search.png").stat().st_size > 10_000
    status, out, _ = command("draw", tmp_path, "--split", "search", "--index", 3, "--out", tmp_path / "net.svg")
    assert status == 0
    assert out.startswith("search/3, ")
    arguments = ["--space", "deepnets1m", "--data-dir", tmp_path, "--candidates", 12, "--top-k", 1, "--channels", 8]
    arguments += ["--cells", 2]
    arguments += ["--dataset", "digits", "--epochs", 1, "--train-images", 40, "--out", tmp_path / "run", "--quiet"]
    with undrawn_figures():
        status, out, errors = command("search", *arguments)
    assert (status, errors) == (0, "")
    assert "top-1" in out
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["settings"]["space"]["name"] == "deepnets1m-files"
    assert config["settings"]["predictor"] == Predictor.from_pretrained("deepnets1m-cifar10").identity
    arguments = ["--candidates-file", tmp_path, "--split", "search", "--predictor", "params", "--out", tmp_path / "two"]
    status, _, errors = command("search", *arguments, "--top-k", 13)
    assert (status, "13 and 0 of 12" in errors) == (2, True)


def test_an_architecture_string_is_scored_drawn_and_trained(tmp_path, command):
    status, out, _ = command("score", "--string", DARTS, "--string", f"{VIT}", "--predictor", "params")
    assert status == 0
    ranked = [line.split("  Genotype")[0].split("  ")[-1] for line in out.splitlines()]
    by_size = sorted([(parameter_count(DARTS), "string 0"), (parameter_count(VIT), "string 1")], reverse=True)
    assert ranked == [name for _, name in by_size]
    status, out, _ = command("draw", "--string", DARTS, "--cells", "--out", tmp_path / "cells.png")
    assert (status, out.split(":")[0]) == (0, "the cells of the string's network")
    options = ["--dataset", "digits", "--epochs", 1, "--train-images", 20, "--auxiliary", 0, "--quiet"]
    status, _, errors = command("retrain", "--string", "[conv1:0][n_cells=1][C=4]", *options, "--out", tmp_path / "net")
    assert (status, errors) == (0, "")
    assert str(describe(tmp_path / "net").architecture) == "[conv1:0][skip:1][n_cells=1][C=4]"


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (["ViT"], "ViT, 129 nodes"),
        (["darts", "--cells"], "the cells of darts"),
        (["squeezenet1_1", "--image-size", "64"], "squeezenet1_1, "),
    ],
)
def test_networks_are_drawn(network, said, tmp_path, command):
    status, out, _ = command("draw", *network, "--out", tmp_path / "picture.png")
    assert status == 0
    assert out.startswith(said)
    assert (tmp_path / "picture.png").stat().st_size > 10_000
