"""What other commands wrote is taken, or named together with the command that takes it."""

import json
import os
import shutil
from dataclasses import dataclass

import h5py
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tart_nas.deepnets1m import generate
from tart_nas.experiments.measure_labels import LABELS
from tart_nas.predictors import Predictor
from tart_nas.published import DARTS, PDARTS
from tart_nas.search_spaces import DartsSpace
from tests.undrawn import undrawn_figures

LABELLED = [{**a.to_dict(), "val_accuracy": float(i)} for i, a in enumerate(DartsSpace().sample(12, seed=0))]

TRAIN = ["--dataset", "digits", "--top-k", "1", "--epochs", "1", "--train-images", "40", "--cells", "2"]
SEARCH = ["--space", "darts", "--candidates", "12", *TRAIN]
RETRAIN = ["--dataset", "digits", "--cells", "2", "--channels", "4", "--epochs", "1", "--train-images", "40"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with files of all kinds; what takes seconds is written by the commands themselves, once."""
    folder = tmp_path_factory.mktemp("written")
    patch = pytest.MonkeyPatch()
    patch.setenv("OMP_NUM_THREADS", "1")
    with undrawn_figures():
        run_main(patch, "search", *SEARCH, "--channels", "4", "--out", folder / "run", "--quiet")
    run_main(patch, "retrain", "DARTS", *RETRAIN, "--auxiliary", "0", "--out", folder / "network", "--quiet")
    patch.undo()
    shutil.copytree(folder / "run", folder / "unfinished")
    for name in ("report.json", "report.html", "report.png"):
        (folder / "unfinished" / name).unlink()
    generate("val", 3, folder / "deepnets", 0, 1)
    (folder / "measured").mkdir()
    shutil.copy(LABELS / "deepnets1m-val/labels.json", folder / "measured/labels.json")
    Predictor("ridge").fit(DartsSpace().sample(12, seed=0), range(12)).save(folder / "predictor.safetensors")
    contents: dict[str, str | bytes] = {
        "list.json": json.dumps([entry["genotype"] for entry in LABELLED]),
        "lines.jsonl": "\n".join(json.dumps(entry["genotype"]) for entry in LABELLED),
        "one.json": json.dumps(DARTS.to_dict()),
        "genotype.txt": f"DARTS = {DARTS.genotype}\n",
        "strings.txt": f"{DARTS}\n\n{PDARTS}\n",
        "strings.json": json.dumps([str(DARTS), str(PDARTS)]),
        "labelled.json": json.dumps(LABELLED),
        "other.json": '{"a": 1}',
        "cut.json": json.dumps(LABELLED)[:-20],
        "text.txt": "Dear reader,\n",
        "latin1.json": '["é"]'.encode("latin-1"),
        "garbage": bytes(range(256)) * 40,
        "empty.json": "",
        "model.pkl": b"\x80\x04\x95 garbage",
        "released.json": json.dumps({"val": {"0": {"test_acc": 90.0}}}),
        "wrong_entry.json": json.dumps([LABELLED[0]["genotype"], {"normal": 3, "reduce": []}]),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "nothing").mkdir()
    pq.write_table(pa.table({"label": [1]}), folder / "images.parquet")
    with h5py.File(folder / "graphs.hdf5", "w"):
        pass
    Image.new("RGB", (4, 4)).save(folder / "picture.png")
    (folder / "secret.json").write_text("[]")
    (folder / "secret.json").chmod(0)
    return folder


def run_main(patch, *arguments):
    from tart_nas.cli import main

    patch.setattr("sys.argv", ["tart-nas", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


@dataclass(frozen=True)
class Case:
    file: str
    noun: str
    hint: str = ""


ARCHITECTURES = {
    "list.json": 12,
    "lines.jsonl": 12,
    "one.json": 1,
    "genotype.txt": 1,
    "strings.txt": 2,
    "strings.json": 2,
    "labelled.json": 12,
    "run": 12,
    "unfinished": 12,
    "run/candidates.parquet": 12,
    "run/report.json": 1,
    "measured": 300,
    "measured/labels.json": 300,
    "network": 1,
    "network/network.json": 1,
    "deepnets/deepnets1m_eval_meta.json": 3,
}
OTHERS = [
    Case("other.json", "a JSON file of something else"),
    Case("cut.json", "broken JSON (line 1, column "),
    Case("text.txt", "a text"),
    Case("latin1.json", "a text that is not UTF-8"),
    Case("garbage", "a binary file"),
    Case("empty.json", "an empty file"),
    Case("nothing", "an empty folder"),
    Case("model.pkl", "a pickle, which is never opened"),
    Case("released.json", "the released labels of DeepNets-1M"),
    Case("images.parquet", "a parquet table of something else"),
    Case("graphs.hdf5", "an HDF5 file", "with --split"),
    Case("picture.png", "a picture"),
    Case("predictor.safetensors", "the file of a predictor", "`tart-nas score --predictor` and `search --predictor`"),
    Case("run/study.sqlite3", "an SQLite file", "`tart-nas report`"),
    Case("run/config.json", "the settings of a search", "`tart-nas report`"),
    Case("run/report.html", "a web page"),
    Case("network/weights.safetensors", "a safetensors file of weights", "`tart-nas export`"),
    Case("network/training.safetensors", "the checkpoint of a training", "`tart-nas retrain`"),
    Case("network/result.json", "the settings or the result of a training", "`tart-nas export`"),
]
LABELS_ONLY = ["labelled.json", "measured", "measured/labels.json"]
COMMANDS = {
    "score": ["score", "{}"],
    "draw": ["draw", "{}", "--out", "{out}.svg"],
    "retrain": ["retrain", "{}", "--out", "{out}", "--dataset", "digits"],
    "measure": ["measure", "{}", "--out", "{out}", "--dataset", "digits"],
    "search": ["search", "--candidates-file", "{}", "--out", "{out}", "--dataset", "digits"],
    "fit": ["fit", "{}", "--out", "{out}.safetensors"],
    "export": ["export", "{}", "--out", "{out}.onnx"],
    "predictor": ["score", "{folder}/list.json", "--predictor", "{}"],
    "init": ["fit", "{folder}/labelled.json", "--kind", "tart-cell", "--init", "{}", "--out", "{out}.safetensors"],
}


def refused(command, name, written, file, tmp_path):
    """The one line with which a command refuses a file; it writes nothing."""
    names = {"out": tmp_path / "out", "folder": written}
    arguments = [str(written / file) if part == "{}" else part.format(**names) for part in COMMANDS[name]]
    status, out, errors = command(*arguments)
    assert (status, out, errors.count("\n")) == (2, "", 1), errors
    assert errors.startswith("error: ")
    assert str(written / file) in errors
    assert not list(tmp_path.iterdir())
    return errors


@pytest.mark.parametrize("file", ARCHITECTURES)
def test_score_takes_architectures_in_all_forms(file, written, command):
    # With the bundled predictor once: what is tested is how files are read.
    predictor = [] if file == "list.json" else ["--predictor", "params"]
    status, out, errors = command("score", written / file, "--top", 300, *predictor)
    assert status == 0, errors
    assert len(out.splitlines()) == ARCHITECTURES[file]


@pytest.mark.parametrize("file", ARCHITECTURES)
def test_draw_takes_architectures_in_all_forms(file, written, tmp_path, command):
    status, out, errors = command("draw", written / file, "--cells", "--out", tmp_path / "cells.svg")
    assert (status, errors) == (0, "")
    assert out.startswith("the cells of ")


def test_a_search_takes_the_candidates_of_another(written, tmp_path, command):
    arguments = ["--candidates-file", written / "run/candidates.parquet", "--channels", 4, "--out", tmp_path / "run"]
    status, out, errors = command("search", *TRAIN, *arguments, "--quiet")
    assert (status, errors) == (0, "")
    assert "12 candidates scored" in out


def test_a_trained_network_is_trained_again(written, tmp_path, command):
    status, _, errors = command("retrain", written / "network", *RETRAIN, "--out", tmp_path, "--quiet")
    assert (status, errors) == (0, "")
    assert json.loads((tmp_path / "network.json").read_text())["about"]["name"] == "DARTS"


@pytest.mark.parametrize("file", LABELS_ONLY)
def test_fit_takes_labels(file, written, tmp_path, command):
    out = tmp_path / "p.safetensors"
    status, said, errors = command("fit", written / file, "--kind", "ridge", "--folds", 0, "--out", out, "--quiet")
    assert (status, errors) == (0, "")
    assert said.startswith("ridge ")


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.file)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_something_else_is_named(name, case, written, tmp_path, command):
    if name in ("predictor", "init") and case.file == "predictor.safetensors":
        return
    line = refused(command, name, written, case.file, tmp_path)
    assert f" is {case.noun}" in line
    assert case.hint in line


@pytest.mark.parametrize("file", [file for file in ARCHITECTURES if file not in LABELS_ONLY])
def test_what_has_no_labels_is_not_fitted_to(file, written, tmp_path, command):
    assert "where a file of labelled architectures is expected" in refused(command, "fit", written, file, tmp_path)


@pytest.mark.parametrize("file", [file for file in ARCHITECTURES if file not in ("run", "unfinished", "network")])
def test_what_is_no_trained_network_is_not_exported(file, written, tmp_path, command):
    assert "of a trained network is expected" in refused(command, "export", written, file, tmp_path)


@pytest.mark.parametrize("name", ["score", "search", "measure"])
def test_a_wrong_entry_is_named(name, written, tmp_path, command):
    assert "Entry 1 of " in refused(command, name, written, "wrong_entry.json", tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_is_not_there_or_must_not_be_read(name, written, tmp_path, command):
    if name not in ("draw", "retrain", "measure", "predictor"):  # which take names too
        assert "No such file or directory" in refused(command, name, written, "nowhere.json", tmp_path)
    if os.access(written / "secret.json", os.R_OK):
        pytest.skip("this user may read everything")
    assert "Permission denied" in refused(command, name, written, "secret.json", tmp_path)


def test_a_folder_of_deepnets_asks_for_its_split(written, tmp_path, command):
    for name in ("score", "draw", "measure", "search"):
        line = refused(command, name, written, "deepnets", tmp_path)
        assert "`--split` must say which networks of" in line
    assert command("score", written / "deepnets", "--split", "val")[0] == 0
