"""What a damaged, foreign or missing file leads to: one line with file, split, network and what was expected."""

import json
import shutil
import traceback

import h5py
import numpy as np
import pytest

from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import DeepNetsError


@pytest.fixture
def folder(generated, tmp_path):
    """A copy of the generated files, without checksums, so that other checks are reached."""
    shutil.copytree(generated, tmp_path, dirs_exist_ok=True)
    with h5py.File(tmp_path / "deepnets1m_eval.hdf5", "r+") as file:
        del file["checksums"]
    return tmp_path


def change_array(folder, name, change):
    with h5py.File(folder / "deepnets1m_eval.hdf5", "r+") as file:
        array = file[f"val/4/{name}"][()]
        change(array)
        file[f"val/4/{name}"][...] = array


def error(folder, index=4, **arguments):
    with pytest.raises(DeepNetsError) as caught:
        DeepNets1M(folder, "val", **arguments)[index]
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    raised: BaseException | None = caught.value
    while raised is not None:
        traceback.clear_frames(raised.__traceback__)  # closes the file, which the frames have kept open
        raised = raised.__context__
    return message


def put(array, place, value):
    array[place] = value


@pytest.mark.parametrize("verify", [True, False])
def test_paths_that_cannot_be(folder, verify):
    def loop(adj):
        adj[3, 3] = 1

    def cycle(adj):
        adj[5, 2] = 1

    def dead_end(adj):
        adj[6, adj[6] > 0] = 0

    def unreached(adj):
        leaving = (adj == 1).sum(axis=1)
        node = next(v for v in range(1, len(adj)) if (leaving[adj[:, v] == 1] > 1).all())  # no dead end is left behind
        adj[:, node] = 0

    def wrong_length(adj):
        adj[0, -1] += 1

    def hidden_edge(adj):
        adj[0, 9] = 1

    for change, message in (
        (loop, "val/4: adj[3, 3] = 1 is a loop."),
        (cycle, "val/4: adj[5, 2] = 1 is a way back, or nodes that are not in topological order."),
        (dead_end, "val/4: node 6 does not reach the output."),
        (unreached, "val/4: more nodes than the positional encoding have no way from the input."),
        (wrong_length, "val/4: adj[0, "),
        (hidden_edge, "val/4: adj["),
    ):
        with h5py.File(folder / "deepnets1m_eval.hdf5") as file:
            before = file["val/4/adj"][()]
        change_array(folder, "adj", change)
        assert message in error(folder, verify=verify)
        change_array(folder, "adj", lambda adj, before=before: np.copyto(adj, before))
        assert DeepNets1M(folder, "val", verify=verify)[4].graph


def test_nodes_that_cannot_be(folder):
    meta = json.loads((folder / "deepnets1m_eval_meta.json").read_text())["val"]
    for column, value, message in (
        (0, 99, "val/4: node 3 has the unknown primitive 99: expected one of max_pool, avg_pool"),
        (1, 200, "val/4: a node is in cell 200, but there are"),
        (2, 60000, "val/4: a node has the op name 60000, which is not in 'unique_op_names'"),
        (0, 9, "val/4: node 0, and no other, must be the input"),
    ):
        with h5py.File(folder / "deepnets1m_eval.hdf5") as file:
            before = file["val/4/nodes"][()]
        change_array(folder, "nodes", lambda nodes, c=column, v=value: put(nodes, (3, c), v))
        assert message in error(folder)
        change_array(folder, "nodes", lambda nodes, before=before: np.copyto(nodes, before))
    meta["meta"]["primitives_ext"]["4"] = "conv_3x3_fused"
    (folder / "deepnets1m_eval_meta.json").write_text(json.dumps({"val": meta}))
    assert "has the unknown primitive 'conv_3x3_fused': expected one of" in error(folder)


def test_checksums_notice_any_change(generated, tmp_path):
    for name, place in (("adj", (0, 1)), ("nodes", (1, 2))):
        shutil.copytree(generated, tmp_path, dirs_exist_ok=True)
        change_array(tmp_path, name, lambda array, place=place: put(array, place, array[place] ^ 1))
        assert "val/4: the settings in the meta file or the graph are not what was written" in error(tmp_path)
        DeepNets1M(tmp_path, "val")[3]
    shutil.copytree(generated, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "deepnets1m_eval_meta.json"
    meta = json.loads(path.read_text())
    meta["val"]["nets"][4]["C"] += 1
    path.write_text(json.dumps(meta))
    assert "not what was written" in error(tmp_path)


@pytest.mark.parametrize("checksums", [True, False])
def test_a_genotype_of_another_network(generated, folder, checksums):
    if checksums:
        shutil.copytree(generated, folder, dirs_exist_ok=True)
    path = folder / "deepnets1m_eval_meta.json"
    meta = json.loads(path.read_text())
    nets = meta["val"]["nets"]
    same_size = {**nets[5], "num_nodes": nets[4]["num_nodes"]}
    nets[4] = same_size
    path.write_text(json.dumps(meta))
    expected = "not what was written" if checksums else "is not that of the genotype"
    assert expected in error(folder) or "is in cell" in error(folder)


def test_a_generators_file_with_one_wrong_edge(generator_files, edited):
    folder = edited(lambda meta: None)
    with h5py.File(folder / "deepnets1m_eval.hdf5", "r+") as file:
        nodes = file["val/4/nodes"][()]
        nodes[[20, 21]] = nodes[[21, 20]]
        file["val/4/nodes"][...] = nodes
    assert "val/4: the graph is not that of the genotype in the meta file" in error(folder)
    assert DeepNets1M(folder, "val")[5].graph.num_nodes == DeepNets1M(generator_files, "val")[5].graph.num_nodes


def test_settings_that_are_no_architecture(edited):
    def change(meta):
        nets = meta["val"]["nets"]
        nets[4]["genotype"]["normal"][0][0] = "conv_9x9"
        nets[5]["num_nodes"] = -1
        del nets[6]["num_nodes"]
        nets[7]["num_nodes"] += 1
        nets[8]["n_cells"] = "9"

    folder = edited(change)
    for index, message in (
        (4, "val/4: Unknown operation 'conv_9x9' in pair 0 of 'normal'"),
        (5, "val/5: 'num_nodes' of the meta file must be in [2, 32768), but is -1"),
        (6, "val/6: 'num_nodes' of the meta file must be in [2, 32768), but is None"),
        (7, "val/7/adj must be uint8 of shape ("),
        (8, "val/8: `n_cells` must be a whole number"),
    ):
        assert message in error(folder, index)


def test_files_of_other_splits(generator_files, edited):
    folder = edited(lambda meta: meta["val"]["nets"].pop())
    assert "val must have the 9 networks of its meta file, but has 10" in error(folder)
    shutil.copyfile(generator_files / "deepnets1m_search.hdf5", folder / "deepnets1m_eval.hdf5")
    assert "deepnets1m_eval.hdf5 has no split 'val': it holds search" in error(folder)
    shutil.copyfile(generator_files / "deepnets1m_search_meta.json", folder / "deepnets1m_eval_meta.json")
    with pytest.raises(DeepNetsError, match=r"eval_meta.json has no split 'val': it holds 'search'"):
        DeepNets1M(folder, "val")


def test_a_meta_file_beside_the_graphs_of_another_generation(generator_files, generated, tmp_path):
    """10 networks on both sides, but not the same."""
    meta = json.loads((generator_files / "deepnets1m_eval_meta.json").read_text())
    (tmp_path / "deepnets1m_eval_meta.json").write_text(json.dumps(meta))
    shutil.copyfile(generated / "deepnets1m_eval.hdf5", tmp_path / "deepnets1m_eval.hdf5")
    with h5py.File(tmp_path / "deepnets1m_eval.hdf5", "r+") as file:
        del file["checksums"]
        for index in range(len(meta["val"]["nets"]), 30):
            del file[f"val/{index}"]
    assert "val/4/adj must be uint8 of shape" in error(tmp_path)


@pytest.mark.parametrize("keep", [0, 7, 5000, 0.5, 0.99])
def test_truncated_graphs(generator_files, tmp_path, keep):
    content = (generator_files / "deepnets1m_eval.hdf5").read_bytes()
    size = keep if isinstance(keep, int) else int(keep * len(content))
    (tmp_path / "deepnets1m_eval.hdf5").write_bytes(content[:size])
    shutil.copyfile(generator_files / "deepnets1m_eval_meta.json", tmp_path / "deepnets1m_eval_meta.json")
    assert "deepnets1m_eval.hdf5 is no complete HDF5 file: " in error(tmp_path)


def test_missing_files(tmp_path):
    with pytest.raises(
        DeepNetsError, match=r"There is no .*deepnets1m_eval_meta.json: `tart-nas data download` fetches"
    ):
        DeepNets1M(tmp_path, "val")
    with pytest.raises(DeepNetsError, match="There is no"):
        DeepNets1M(tmp_path / "none", "train")
