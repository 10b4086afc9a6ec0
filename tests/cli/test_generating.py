import json
from typing import Any

import pytest

from tart_nas.generators import ArchitectureGenerator
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.strings import decode

SEARCH = ["--top-k", 1, "--dataset", "digits", "--epochs", 1, "--train-images", 20, "--cells", 1, "--channels", 8]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A generator of DeepNets-1M's networks, hardly fitted."""
    path = tmp_path_factory.mktemp("generator") / "val.safetensors"
    settings: dict[str, Any] = {"calls": 100, "first": 100, "rounds": 1, "strings": 256}
    ArchitectureGenerator(width=16, layers=1).fit(DeepNets1MSpace("val"), Predictor("params"), **settings).save(path)
    return path


def test_strings_are_written_and_scored(tmp_path, command):
    status, out, _ = command("generate", "--n", 5, "--seed", 3)
    assert status == 0
    assert len({decode(line) for line in out.splitlines()}) == 5
    status, told, _ = command("generate", "--n", 5, "--seed", 3, "--out", tmp_path / "strings.txt")
    assert (status, (tmp_path / "strings.txt").read_text()) == (0, out)
    assert told.startswith("5 architectures written to")
    status, ranked, _ = command("score", tmp_path / "strings.txt", "--predictor", "params")
    assert (status, len(ranked.splitlines())) == (0, 5)


def test_fewer_than_asked_for_is_told(command):
    status, out, errors = command("generate", "--n", 5, "--temperature", 1e-308)  # always the most probable symbol
    assert (status, len(out.splitlines())) == (0, 1)
    assert errors == "note: 1 of 5 architectures: the generator hardly writes others.\n"


def test_a_search_trains_the_best_of_a_generators(file, tmp_path, command, undrawn):
    options = ["--space", "deepnets1m", "--split", "val", "--predictor", "params", "--candidates", 30, *SEARCH]
    options += ["--strategy", "generate", "--out", tmp_path / "run", "--quiet"]
    status, out, errors = command("search", *options, "--generator", file)
    assert (status, errors) == (0, "")
    assert "30 candidates scored" in out
    settings = json.loads((tmp_path / "run/config.json").read_text())["settings"]
    assert settings["space"]["generator"] == ArchitectureGenerator.load(file).identity
    status, _, errors = command("search", *options)  # without one
    assert (status, errors.count("\n")) == (2, 1)
    assert "There is no bundled generator of DeepNets1MSpace('val'): `--generator` must be the file" in errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "--temperature", 0], "--temperature"),
        (["generate", "--better-than", 1], "1.0 is not in [0, 1)"),
        (["generate", "--n", 0], "--n"),
        (["generate", "--generator", "nobody"], "there is no generator 'nobody': expected darts-cifar10-generator"),
        (["generate", "--split", "wide"], "`--split` is for `--space` 'deepnets1m'"),
        (["generate", "--space", "darts", "--split", "wide"], "`--split` is for `--space` 'deepnets1m'"),
        (["generate", "--space", "deepnets1m", "--split", "val"], "generates no networks of DeepNets1MSpace('val')"),
        (["generate", "--space", "deepnets1m"], "generates no networks of DeepNets1MSpace('search')"),
        (["search", "--generator", "darts-cifar10-generator"], "`--generator` is for `--strategy` 'generate'"),
        (
            ["search", "--space", "darts", "--strategy", "generate", "--generator", "{file}"],
            "The generator was fitted to DeepNets1MSpace('val')",
        ),
        (
            ["score", "{file}"],
            "is the file of a generator, where a file of architectures is expected; `tart-nas generate",
        ),
    ],
)
def test_what_is_wrong_is_one_line(arguments, said, file, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    status, out, errors = command(*[file if argument == "{file}" else argument for argument in arguments])
    assert (status, out, errors.count("\n")) == (2, "", 1)
    assert said in errors
    assert not list(tmp_path.iterdir())
