import json
import math
import multiprocessing
import pickle
import shutil
from collections import Counter
from dataclasses import replace

import h5py
import numpy as np
import pytest
from torch.utils.data import DataLoader

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import LABELS, DeepNets1M, split_files
from tart_nas.deepnets1m.layout import node_name, primitive_id
from tart_nas.deepnets1m.stored_graph import StoredGraph
from tart_nas.errors import DeepNetsError, DeepNetsIndexError, SettingError
from tart_nas.graphs import PRIMITIVES, ComputationalGraph
from tart_nas.networks import parameter_count

SPLITS = ["val", "test", "search", "wide", "deep", "dense", "bnfree"]


def stored(folder, split, index):
    with h5py.File(split_files(folder, split)[0]) as file:
        return file[f"{split}/{index}/adj"][()], file[f"{split}/{index}/nodes"][()]


def labels_of(graph):
    return list(zip(graph.primitives.tolist(), graph.cells.tolist(), graph.names, strict=True))


def same(first, second):
    return labels_of(first) == labels_of(second) and np.array_equal(first.distances, second.distances)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("origin", ["generator_files", "all_300"])
def test_graphs_of_the_generator(origin, split, request):
    folder = request.getfixturevalue(origin)
    dataset = DeepNets1M(folder, split, virtual_edges=250)
    meta = json.loads(split_files(folder, split)[1].read_text())[split]
    assert len(dataset) == len(meta["nets"]) > 1
    primitives, names = meta["meta"]["primitives_ext"], meta["meta"]["unique_op_names"]
    for example, net in zip(dataset, meta["nets"], strict=True):
        adj, nodes = stored(folder, split, example.index)
        graph = example.graph
        assert np.array_equal(graph.distances, adj)
        assert np.array_equal(graph.edges, np.argwhere(adj == 1))
        assert Counter(labels_of(graph)) == Counter(
            (primitive_id(primitives[str(p)]), c, node_name(names[str(name)])) for p, c, name in nodes.tolist()
        )
        # Rows of `nodes` belong to the right nodes: a bias follows its weight, a normalisation layer its convolution.
        sources = {int(v): int(u) for u, v in graph.edges}
        for node, (primitive, cell, name) in enumerate(labels_of(graph)):
            if PRIMITIVES[primitive] == "bias":
                assert labels_of(graph)[sources[node]][1:] == (cell, name.replace("bias", "weight"))
        assert example.extra == {"num_nodes": net["num_nodes"], "num_params": net["num_params"]}
        widths = 4 if split == "wide" else 1
        assert example.architecture == replace(Architecture.from_dict(net), C=32 * widths)
    assert dataset._graphs._form is StoredGraph.realigned_graph


def test_virtual_edges_are_cut(generator_files):
    full = DeepNets1M(generator_files, "val", virtual_edges=250)[0].graph
    for cut in (1, 3, 50):
        graph = DeepNets1M(generator_files, "val", virtual_edges=cut)[0].graph
        assert np.array_equal(graph.distances, np.where(full.distances > cut, 0, full.distances))
        assert np.array_equal(graph.edges, full.edges)
    assert DeepNets1M(generator_files, "val").virtual_edges == 50
    for cut in (0, 251):
        with pytest.raises(SettingError, match=f"`virtual_edges` must be a whole number in .1, 250., but got {cut}"):
            DeepNets1M(generator_files, "val", virtual_edges=cut)


@pytest.mark.parametrize("image_size", [0, "32", 32.5])
def test_a_wrong_size_of_images_is_told_at_once(generator_files, image_size):
    with pytest.raises(SettingError, match="`image_size` must be a whole number of at least 1, but got"):
        DeepNets1M(generator_files, "val", image_size=image_size)


@pytest.mark.parametrize("split", ["val", "search"])
def test_graphs_of_this_package(generated, split):
    for example in DeepNets1M(generated, split, virtual_edges=250):
        assert example.architecture
        assert same(example.graph, ComputationalGraph.from_architecture(example.architecture))


def test_without_checksums_graphs_are_compared_with_genotypes(generated, tmp_path):
    shutil.copytree(generated, tmp_path, dirs_exist_ok=True)
    with h5py.File(tmp_path / "deepnets1m_eval.hdf5", "r+") as file:
        del file["checksums"]
    dataset = DeepNets1M(tmp_path, "val", virtual_edges=250)
    assert all(same(a.graph, b.graph) for a, b in zip(dataset, DeepNets1M(generated, "val", 250), strict=True))
    assert dataset._graphs._form is StoredGraph.matching_graph


def test_files_of_an_unknown_form_are_read_as_they_are(generated, tmp_path):
    """As the released ones might be: here the sums bear the number of another cell."""
    shutil.copytree(generated, tmp_path, dirs_exist_ok=True)
    with h5py.File(tmp_path / "deepnets1m_eval.hdf5", "r+") as file:
        del file["checksums"]
        meta = json.loads((tmp_path / "deepnets1m_eval_meta.json").read_text())["val"]
        ids = {name: int(key) for key, name in meta["meta"]["primitives_ext"].items()}
        for net in file["val"].values():
            nodes = net["nodes"][()]
            nodes[np.isin(nodes[:, 0], [ids["sum"], ids["concat"], ids["glob_avg"], ids["max_pool"]]), 1] = 1
            net["nodes"][...] = nodes
    dataset = DeepNets1M(tmp_path, "val")
    assert dataset[3].graph.cells.tolist() != DeepNets1M(generated, "val")[3].graph.cells.tolist()
    assert dataset._graphs._form is StoredGraph.plausible_graph
    del dataset  # which has the file open
    with h5py.File(tmp_path / "deepnets1m_eval.hdf5", "r+") as file:
        nodes = file["val/3/nodes"][()]
        nodes[1, 1] += 1  # that of a parameter
        file["val/3/nodes"][...] = nodes
    with pytest.raises(DeepNetsError, match="val/3: the graph is not that of the genotype"):
        DeepNets1M(tmp_path, "val")[3]


def test_it_is_a_sequence(generated):
    dataset = DeepNets1M(generated, "val")
    assert len(dataset) == 30
    assert dataset[-1].index == dataset[29].index == 29
    assert dataset[np.int64(29)].index == 29  # type: ignore[call-overload]
    assert [example.index for example in dataset[3:9:2]] == [3, 5, 7]
    assert [example.index for example in reversed(dataset)][:2] == [29, 28]
    for index in (30, -31):
        with pytest.raises(DeepNetsIndexError, match=f"val has no network {index}: expected an index in \\[0, 30\\)"):
            dataset[index]
        with pytest.raises(IndexError):
            dataset.architecture(index)
    with pytest.raises(TypeError):
        dataset["3"]  # type: ignore[call-overload]
    with pytest.raises(SettingError, match="`split` must be one of train, search, val"):
        DeepNets1M(generated, "eval")


@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_read_the_same(generated, method, workers):
    dataset = DeepNets1M(generated, "val")
    dataset[0]  # opens the file in this process
    loader = DataLoader(
        dataset,
        batch_size=8,
        num_workers=workers,
        collate_fn=list,
        multiprocessing_context=multiprocessing.get_context(method),
    )
    read = [example for batch in loader for example in batch]
    assert [example.index for example in read] == list(range(30))
    assert all(same(a.graph, b.graph) for a, b in zip(read, dataset, strict=True))
    assert [example.architecture for example in read] == list(dataset.architectures())


def test_pickling_does_not_take_the_data_along(generated):
    dataset = DeepNets1M(generated, "val")
    dataset[5]
    text = pickle.dumps(dataset)
    assert len(text) < 2_000_000
    assert same(pickle.loads(text)[5].graph, dataset[5].graph)


def test_architectures_need_the_meta_file_only(generator_files, tmp_path):
    shutil.copyfile(generator_files / "deepnets1m_search_meta.json", tmp_path / "deepnets1m_search_meta.json")
    dataset = DeepNets1M(tmp_path, "search")
    nets = json.loads((generator_files / "deepnets1m_search_meta.json").read_text())["search"]["nets"]
    assert list(dataset.architectures()) == [Architecture.from_dict(net) for net in nets]
    assert dataset.architecture(-1) == Architecture.from_dict(nets[-1])
    with pytest.raises(DeepNetsError, match=r"There is no .*deepnets1m_search.hdf5: `tart-nas data download`"):
        dataset[0]


def test_networks_of_wide_are_wider_than_their_file_says(generated):
    net = json.loads((generated / "deepnets1m_eval_meta.json").read_text())["wide"]["nets"][0]
    for image_size, factor in ((32, 4), (224, 2)):
        dataset = DeepNets1M(generated, "wide", image_size=image_size)
        expected = replace(Architecture.from_dict(net), C=factor * net["C"])
        assert dataset[0].architecture == dataset.architecture(0) == next(dataset.architectures()) == expected


def released_names(meta):
    """Renames what differs in the released files."""
    for split in meta.values():
        tables = split["meta"]
        tables["primitives_ext"] = {
            key: {"bias": "fc-b", "max_pool": "max_pool_3x3", "sep_conv": "sep_conv_5x5", "conv": "conv_3x3"}.get(
                name, name
            )
            for key, name in tables["primitives_ext"].items()
        }
        tables["unique_op_names"] = {
            key: ("" if name == "input" else name.replace("to_out.0.weight", "to_out.0.").replace(".op.", "."))
            for key, name in tables["unique_op_names"].items()
        }


@pytest.mark.parametrize("split", ["val", "dense"])
def test_names_of_other_versions(generator_files, edited, split):
    folder = edited(released_names)
    assert '".op.' not in (folder / "deepnets1m_eval_meta.json").read_text()
    for example, expected in zip(DeepNets1M(folder, split), DeepNets1M(generator_files, split), strict=True):
        assert same(example.graph, expected.graph)


def test_fields_from_the_future_are_kept(edited):
    def change(meta):
        meta["val"]["nets"][2]["latency"] = {"phone": [1, 2]}
        meta["val"]["meta"]["licence"] = "MIT"
        meta["future"] = {"nets": 3}

    example = DeepNets1M(edited(change), "val")[2]
    assert example.extra["latency"] == {"phone": [1, 2]}
    assert example.graph.num_nodes == example.extra["num_nodes"]


def test_predefined(tmp_path):
    released = {"0": {"params": 23520842, "test_acc": 93.5}, "1": {"params": 1012234, "test_acc": 75.7}}
    (tmp_path / "results_cifar10.json").write_text(json.dumps({"predefined": released}))
    dataset = DeepNets1M(tmp_path, "predefined")
    resnet, vit = dataset
    assert (resnet.graph.num_nodes, vit.graph.num_nodes) == (126, 129)
    assert resnet.architecture is None
    assert resnet.extra == {"name": "resnet50"}
    assert vit.architecture
    assert list(dataset.architectures()) == [vit.architecture]
    assert parameter_count(vit.architecture) == vit.labels["params"] == 1012234
    assert (resnet.labels["params"], resnet.labels["test_acc"]) == (23520842, 93.5)
    assert math.isnan(resnet.labels["val_acc"])
    large = DeepNets1M(tmp_path, "predefined", image_size=224)
    assert large[0].graph.num_nodes > 126  # the first max-pooling


def write_labels(folder, content):
    path = folder / "labels.json"
    path.write_text(json.dumps(content))
    return path


def test_labels_are_joined_by_index(generated, tmp_path):
    params = [parameter_count(architecture) for architecture in DeepNets1M(generated, "val").architectures()]
    labels = {str(i): {"params": params[i], "test_acc": 90 + i / 10, "new": 1} for i in range(0, 30, 2)}
    labels["2"] = {"val_acc": 80}
    dataset = DeepNets1M(generated, "val", labels=write_labels(tmp_path, {"val": labels}))
    assert dataset[4].labels["test_acc"] == 90.4
    assert dataset[2].labels["val_acc"] == 80
    for index, names in ((1, LABELS), (2, [name for name in LABELS if name != "val_acc"]), (4, ["val_acc", "time"])):
        assert all(math.isnan(dataset[index].labels[name]) for name in names)
    assert set(dataset[0].labels) == set(LABELS)
    assert all(math.isnan(v) for v in DeepNets1M(generated, "search")[0].labels.values())


def test_labels_of_other_networks_are_not_joined(edited):
    """The released labels lie beside these files, but are those of other networks."""
    folder = edited(lambda meta: None)
    results = folder / "results_cifar10.json"
    results.write_text(json.dumps({"val": {str(i): {"params": 2841946 + i, "test_acc": 92.36} for i in range(10)}}))
    assert all(math.isnan(value) for example in DeepNets1M(folder, "val") for value in example.labels.values())
    dataset = DeepNets1M(folder, "val", labels=results)
    with pytest.raises(DeepNetsError, match=r"val/0 is of a network of 2841946 parameters, but the network has \d+"):
        dataset[0]


@pytest.mark.parametrize(
    "content", [3, {"val": 3}, {"val": {"x": {}}}, {"val": {"0": 3}}, {"val": {"0": {"time": "1"}}}]
)
def test_files_that_hold_no_labels(generated, tmp_path, content):
    with pytest.raises(DeepNetsError, match=r"labels.json"):
        DeepNets1M(generated, "val", labels=write_labels(tmp_path, content))
    with pytest.raises(DeepNetsError, match=r"Cannot read labels from .*none.json"):
        DeepNets1M(generated, "val", labels=tmp_path / "none.json")


def test_a_search_samples_it(generated):
    dataset = DeepNets1M(generated, "search")
    sample = dataset.sample(12, seed=3)
    assert len(set(sample)) == 12
    assert set(sample) < set(dataset.architectures())
    assert dataset.sample(12, seed=3) == sample != dataset.sample(12, seed=4)
    assert dataset.sample(5, seed=3) == sample[:5]
    assert dataset.settings["networks"] == 20
    assert dataset.settings != DeepNets1M(generated, "val").settings
    assert set(dataset.sample(21, seed=0)) == set(dataset.architectures())  # all there are
