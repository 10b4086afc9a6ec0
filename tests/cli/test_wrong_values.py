"""Wrong values are refused by the name of their option, before anything that computes is imported."""

import os
import re

import pytest

from tart_nas.choices import IMAGE_DATASETS, KINDS, RELEASED_FILE_NAMES, SAMPLED_SPLITS, SPACES, SPLITS, STRATEGIES
from tests.forks import ForkServer

HEAVY = ("torch", "torchvision", "scipy", "sklearn", "matplotlib", "optuna", "numpy", "pyarrow", "nni")
CODE = f"""
import sys
from tart_nas.cli import main
try:
    main()
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
COMMANDS = [
    "search",
    "fit",
    "update",
    "pretrain",
    "score",
    "summary",
    "generate",
    "measure",
    "retrain",
    "detect",
    "export",
    "draw",
]
COMMANDS += ["data generate", "data download", "data inspect"]


@pytest.fixture(scope="module")
def run():
    """Runs a command: status, output, errors, and which modules that take long to import were imported."""
    with ForkServer(os.environ, imported=["tart_nas.cli.app"]) as server:

        def answer(*arguments, **environment):
            given = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **environment}
            status, out, errors = server.run(*arguments, code=CODE, environment=given)
            *lines, imported = errors.splitlines()
            return status, out, lines, imported

        yield answer


@pytest.mark.parametrize(
    ("arguments", "option", "expected"),
    [
        ("search --dataset cifar", "--dataset", IMAGE_DATASETS),
        ("search --space nasbench", "--space", SPACES),
        ("search --split vale", "--split", SPLITS),
        ("search --strategy best", "--strategy", STRATEGIES),
        ("search --engine dask", "--engine", ["process", "nni", "ray"]),
        ("search --channels 0", "--channels", ["greater than or equal to 1", "0"]),
        ("search --epochs 0", "--epochs", ["greater than or equal to 1", "0"]),
        ("search --epochs many", "--epochs", ["integer", "many"]),
        ("search --lr 0", "--lr", ["0"]),
        ("search --heartbeat -1", "--heartbeat", ["-1"]),
        ("search --seed -1", "--seed", ["greater than or equal to 0", "-1"]),
        ("search --nni-host 10.0.0.1", "--nni-host", ["127.0.0.1", "0.0.0.0"]),
        ("search --nni-port 65536", "--nni-port", ["less than or equal to 65535", "65536"]),
        ("search --device toaster", "--device", ["toaster", "cpu", "cuda"]),
        ("search --predictor darts-cifar", "--predictor", ["darts-cifar10", "params", "did you mean darts-cifar10"]),
        ("fit labels.json --out p.safetensors --kind gpp", "--kind", KINDS),
        ("fit labels.json --out p.safetensors --folds -1", "--folds", ["greater than or equal to 0"]),
        ("fit labels.json --out p.safetensors --also-judge vale", "--also-judge", SAMPLED_SPLITS),
        ("update darts-cifar labels.json --out p.safetensors", "NAME|FILE", ["did you mean darts-cifar10"]),
        ("update darts-cifar10 labels.json --out p.safetensors --folds -1", "--folds", ["greater than or equal to 0"]),
        ("retrain DARTS", "--out", []),
        ("pretrain --out p.safetensors --kind gp", "--kind", ["tart-cell", "tart-graph"]),
        ("pretrain --out p.safetensors --space nasbench", "--space", SPACES),
        ("pretrain --out p.safetensors --n 3", "--n", ["greater than or equal to 4", "3"]),
        ("score file.json --predictor nobody", "--predictor", ["nobody", "darts-cifar10"]),
        ("score --string [sep3:0][sep9:1]", "--string", ["'[sep9:1]' at place 1", "sep3", "n_cells"]),
        ("draw --out darts.png --string [ks=4]", "--string", ["'[ks=4]' at place 0"]),
        ("retrain --out net --string sep_conv_3x3", "--string", ["'sep_conv_3x3' at place 0"]),
        ("score file.json --top -1", "--top", ["greater than or equal to 0"]),
        ("measure darts --networks 0 --out labels", "--networks", ["greater than or equal to 1"]),
        ("measure darts --networks 1 --out labels --engine nni", "--engine", ["process", "ray", "nni"]),
        ("measure darts --networks 1 --out labels --cpus-per-trial 0", "--cpus-per-trial", ["0"]),
        ("measure darts --networks 1 --out labels --dataset mnist", "--dataset", IMAGE_DATASETS),
        ("retrain DARTS --out net --protocol nas", "--protocol", ["darts", "deepnets1m", "imagenet"]),
        ("retrain DARTS --out net --drop-path 2", "--drop-path", ["less than or equal to 1"]),
        ("retrain DARTS --out net --dataset mnist", "--dataset", [*IMAGE_DATASETS, "folder"]),
        ("detect DARTS --data-dir . --out net --epochs 0", "--epochs", ["greater than or equal to 1", "0"]),
        ("detect DARTS --out net", "--data-dir", []),
        ("export net --out net.h5", "--out", [".onnx", ".pt2"]),
        ("draw DARTS --out darts.gif", "--out", [".pdf", ".png", ".svg"]),
        ("draw DARTS --out darts.png --explain nobody", "--explain", ["nobody", "darts-cifar10"]),
        ("data generate vale --out data", "split", SAMPLED_SPLITS),
        ("data generate val --out data --engine nni", "--engine", ["process", "ray", "nni"]),
        ("data generate val --out data --workers 0", "--workers", ["greater than or equal to 1"]),
        ("data download train.hdf5 --out data", "files", [*RELEASED_FILE_NAMES, "penn-fudan", "darts-labels"]),
        ("data inspect . vale", "split", SPLITS),
        ("data inspect . val --plot val.gif", "--plot", [".svg"]),
        ("search --data-dir nowhere", "--data-dir", ["nowhere", "does not exist"]),
        ("search --space deepnets1m --deepnets-dir nowhere", "--deepnets-dir", ["nowhere", "does not exist"]),
        ("measure darts --networks 1 --out net --data-dir nowhere", "--data-dir", ["nowhere", "does not exist"]),
        ("retrain DARTS --out net --data-dir nowhere", "--data-dir", ["nowhere", "does not exist"]),
        ("detect --out net --data-dir nowhere", "--data-dir", ["nowhere", "does not exist"]),
        ("ghn train --out net --data-dir nowhere", "--data-dir", ["nowhere", "does not exist"]),
        ("ghn eval GHN nowhere --out accuracies.json", "data", ["nowhere", "does not exist"]),
        ("data inspect nowhere", "folder", ["nowhere", "does not exist"]),
        ("report nowhere", "runs", ["nowhere", "does not exist"]),
        ("search --epoch 3", "--epoch", ["--epochs"]),
        ("serch", "serch", []),
    ],
)
def test_one_line_names_the_option_and_what_it_takes(arguments, option, expected, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    status, out, errors, imported = run(*arguments.split())
    assert (status, out, len(errors)) == (2, "", 1)
    assert errors[0].startswith("error: ")
    assert option in errors[0]
    for part in expected:
        assert part in errors[0]
    assert imported == "[]"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_that_computes(command, run):
    options = []
    for columns in ("40", "200"):
        status, out, errors, imported = run(*command.split(), "--help", COLUMNS=columns)
        assert (status, errors, imported) == (0, [], "[]")
        options.append(re.findall(r"^  (--[a-z-]+)", out, re.MULTILINE))
    assert "--help" in options[0]
    assert options[0] == options[1]  # none is cut in a narrow terminal


def test_no_arguments_show_the_commands(run):
    status, out, errors, imported = run()
    assert (status, out, imported) == (2, "", "[]")
    assert errors[0].startswith("Usage: ")
    for command in COMMANDS:
        assert f"\n  {command.split()[0]} " in "\n".join(errors)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "--out", "run", "--top-k", "11", "--candidates", "10"], "`--top-k` and `--random` must not exceed"),
        (
            ["search", "--out", "run", "--nni-port", "80"],
            "`--nni-port`, `--nni-host` and `--nni-concurrency` are for `--engine` 'nni'",
        ),
        (["measure", "darts", "--out", "labels"], "`--networks` must say how many"),
        (["data", "generate", "val", "--out", "o", "--engine", "ray", "--workers", "2"], "`--workers` must be 1 for"),
        (["data", "generate", "val", "--out", "o", "--ray-address", "h:1"], "`--ray-address` is for `--engine` 'ray'"),
        (["score", "DARTS", "--ray-address", "h:1"], "`--ray-address` is for `--engine` 'ray'"),
        (["score", "--sample", "5", "--ray-address", "h:1"], "`--ray-address` is for `--engine` 'ray'"),
        (["score", "--sample", "5", "--cpus-per-task", "2"], "`--cpus-per-task` is for `--engine` 'ray'"),
        (["score", "--sample", "5", "--gpus-per-task", "1"], "`--gpus-per-task` is for `--engine` 'ray'"),
        (["score"], "Give what holds the network or `--string`, but got neither"),
        (["score", "--string", ""], "must have a symbol, such as [sep3:0], but it is empty"),
        (["draw", "DARTS", "--string", "[sep3:0]", "--out", "a.png"], "or `--string`, not both"),
        (["retrain", "--out", "net"], "but got neither"),
        (["data", "inspect", ".", "val"], "deepnets1m_eval_meta.json"),
    ],
)
def test_errors_of_the_library_name_options_too(arguments, said, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    status, out, errors = command(*arguments)
    assert (status, out, errors.count("\n")) == (2, "", 1)
    assert said in errors
