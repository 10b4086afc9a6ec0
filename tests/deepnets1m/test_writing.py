"""What is written into a pair of files that hold something already."""

import shutil

import h5py
import pytest

from tart_nas.deepnets1m import generate
from tart_nas.errors import DeepNetsError

GRAPHS, META = "deepnets1m_eval.hdf5", "deepnets1m_eval_meta.json"


class Interrupt(Exception):
    pass


@pytest.mark.parametrize("is_released", [True, False])
def test_graphs_that_came_between_two_runs_stay(tmp_path, is_released):
    def interrupt(what, done, n):
        if what == "generating" and done:
            raise Interrupt

    with pytest.raises(Interrupt):
        generate("val", 120, tmp_path, seed=8, progress=interrupt)
    other = generate("val", 3, tmp_path / "other", seed=7)
    shutil.copy(other, tmp_path)  # without its meta file, and of another seed
    if is_released:
        with h5py.File(tmp_path / GRAPHS, "r+") as file:
            del file["checksums"]
    before = (tmp_path / GRAPHS).read_bytes()
    with pytest.raises(DeepNetsError, match=r"eval\.hdf5 holds the split 'val' already: delete it, or take another"):
        generate("val", 120, tmp_path, seed=8)
    assert (tmp_path / GRAPHS).read_bytes() == before
    assert not (tmp_path / META).exists()
    (tmp_path / GRAPHS).unlink()
    generate("val", 120, tmp_path, seed=8)
