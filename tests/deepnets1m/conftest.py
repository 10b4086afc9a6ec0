import json
import shutil

import pytest

from tart_nas.deepnets1m import generate


@pytest.fixture(scope="session")
def data(shared):
    """The folder with 300 networks written by the data set's own generator."""
    return shared / "deepnets1m"


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """A folder with 30 networks of val, 20 of wide and 20 of search, written by this package."""
    folder = tmp_path_factory.mktemp("generated")
    for split, n in (("val", 30), ("wide", 20), ("search", 20)):
        generate(split, n, folder, seed=1)
    return folder


@pytest.fixture
def edited(data, tmp_path):
    """Copies the evaluation files and lets a function change their meta data."""

    def edit(change):
        for name in ("deepnets1m_eval.hdf5", "deepnets1m_eval_meta.json"):
            shutil.copyfile(data / name, tmp_path / name)
        meta = json.loads((data / "deepnets1m_eval_meta.json").read_text())
        change(meta)
        (tmp_path / "deepnets1m_eval_meta.json").write_text(json.dumps(meta))
        return tmp_path

    return edit
