"""Reference values for graph hypernetworks: how their folder is read, and how far ours are from them.

The values were computed with the published code: predictions for some networks and five training steps of each of a
few hypernetworks with random weights, which lie beside them or follow from a seed.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import GraphError
from tart_nas.graphs import ComputationalGraph
from tart_nas.graphs.blocks import COLUMNS
from tart_nas.hypernetworks import GHN, GHNConfig, GraphInputs
from tart_nas.networks import build_network
from tart_nas.published import DARTS

__all__ = ["ReferenceValues", "Training", "relative_error"]

_CIFAR10_MEAN = (0.49139968, 0.48215827, 0.44653124)  # of the reference's training, not of today's images
_CIFAR10_STD = (0.24703233, 0.24348505, 0.26158768)
_TOP_LEVEL = ("centrality_embed_in", "centrality_embed_out", "input_dist_embed")


class Training(NamedTuple):
    """What a training of five steps gave.

    Args:
        losses: of each step.
        gradients: of the first step, by the hypernetwork's parameter.
        weights: after five steps, likewise.
    """

    losses: list[float]
    gradients: dict[str, Tensor]
    weights: dict[str, Tensor]


class ReferenceValues:
    """A folder of reference values.

    Args:
        folder: with ``architectures.json``, ``graphs/``, ``predictions/`` and the others.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.architectures: dict[str, Any] = json.loads((folder / "architectures.json").read_text())

    def checkpoints(self) -> list[str]:
        """The hypernetworks for which there are predictions, those with files first."""
        folders = [*sorted(self.folder.glob("predictions/*/")), *sorted(self.folder.glob("real/*/"))]
        return [folder.name for folder in folders]

    def networks(self, checkpoint: str) -> list[str]:
        """The networks for which a hypernetwork's predictions are known."""
        return sorted(path.stem for path in self._predictions(checkpoint).glob("*.npz"))

    def trained(self) -> list[str]:
        """The hypernetworks of which five training steps are known."""
        return list(json.loads((self.folder / "training/steps.json").read_text()))

    def ghn(self, checkpoint: str) -> GHN:
        """A hypernetwork: from its file, or from the seed of its weights."""
        path = self.folder / f"checkpoints/{checkpoint}.pt"
        if path.exists():
            return GHN.load(path)
        if path.with_suffix(".json").exists():
            config = json.loads(path.with_suffix(".json").read_text())["config"]
            tensors = load_file(path.with_suffix(".safetensors"))
        else:
            made = json.loads((self.folder / "real/manifest.json").read_text())[checkpoint]
            config, tensors = made["config"], _drawn(made)
        ghn = GHN(GHNConfig.from_mapping(config))
        own = ghn.layers.state_dict()
        names = {(f"gnn.0.{key}" if key.startswith(_TOP_LEVEL) else key): tensor for key, tensor in tensors.items()}
        ghn.layers.load_state_dict({key: tensor.reshape(own[key].shape) for key, tensor in names.items()})
        return ghn

    def key(self, checkpoint: str, network: str) -> str:
        """The place of a network in ``architectures.json``."""
        kind = "ghn3" if checkpoint.startswith("ghn3") else "ppuda"
        name = network.partition("_100classes")[0]
        on_imagenet = checkpoint.endswith("_imagenet") or checkpoint == "ghn3tm8"
        return f"imagenet/{kind}_{name}" if on_imagenet else f"{kind}/{name}"

    def skeleton(self, checkpoint: str, network: str) -> nn.Module:
        """A module with the names and shapes of a network's parameters, which computes nothing."""
        classes = 100 if "_100classes" in network else None
        root = nn.Module()
        for name, shape in self.architectures[self.key(checkpoint, network)]["params"]:
            *path, last = name.split(".")
            module = root
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            if classes and path[0] == "fc":
                shape = [classes, *shape[1:]]
            module.register_parameter(last, nn.Parameter(torch.zeros(shape)))
        return root

    def graph(self, checkpoint: str, network: str) -> ComputationalGraph:
        """The graph that the reference gave its hypernetwork."""
        key = self.key(checkpoint, network)
        with np.load(self.folder / f"graphs/{key.replace('/', '_')}.npz") as arrays:
            primitives, distances = arrays["primitives"], arrays["distances"].astype(np.uint16)
        nodes = np.zeros((len(primitives), COLUMNS), dtype=np.int32)
        nodes[:, 0] = primitives
        names = [""] * len(nodes)
        shapes = {name: tuple(tensor.shape) for name, tensor in self.skeleton(checkpoint, network).named_parameters()}
        parameters: list[tuple[tuple[str, tuple[int, ...]], ...]] = [()] * len(nodes)
        for _, node, name, operation, shape, *_ in self.architectures[key]["node_info"]:
            names[node] = name
            if operation.endswith("pool"):
                nodes[node, 1:3] = shape[2:]
                continue
            bias = f"{name.removesuffix('.weight')}.bias"
            stands_for = (name, bias) if operation in ("bn", "ln") and bias in shapes else (name,)
            parameters[node] = tuple((part, shapes[part]) for part in stands_for)
        edges, cells = np.argwhere(distances == 1).astype(np.int32), np.zeros(len(nodes), dtype=np.int32)
        return ComputationalGraph(nodes, cells, names, edges, distances, parameters)

    def network(self, checkpoint: str, network: str) -> nn.Module | None:
        """The network itself, None where only its graph is known."""
        key = self.key(checkpoint, network)
        about = self.architectures[key]["about"]
        classes, size = (1000, 224) if key.startswith("imagenet") else (10, 32)
        name = network.removeprefix("predefined_")
        if "shared_index" in about:
            example = DeepNets1M(self.folder / "nets", about["split"])[about["index"]]
            assert example.architecture is not None
            architecture = replace(example.architecture, C=about["C"], fc_dim=about["fc_dim"])
            return build_network(architecture, classes, size)
        if network == "darts":
            return build_network(replace(DARTS, **about["settings"]), classes, size)
        if name not in torchvision.models.list_models() or "_100classes" in network:
            return None
        model: nn.Module = torchvision.models.get_model(name, num_classes=classes)
        if about["adjusted"] and name.startswith("resnet"):  # as for small images
            model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
        return model

    def errors(self, ghn: GHN, checkpoint: str, network: str) -> dict[str, float]:
        """How far node features, node vectors, the embedding and all parameters are from the reference's."""
        skeleton = self.skeleton(checkpoint, network)
        inputs = ghn.prepare(skeleton, graph=self.graph(checkpoint, network))
        with np.load(self._predictions(checkpoint) / f"{network}.npz") as arrays:
            expected = dict(arrays)
        result = {"rows of the shape tables": float((inputs.shape_index.numpy() != expected["shape_index"]).sum())}
        with torch.no_grad():
            initial = ghn.layers.initial_vectors([inputs])
            vectors = ghn.layers.gnn(initial, [inputs])
        for name, value in (("x_shape", initial), ("x_gnn", vectors)):
            if name in expected:
                result[name] = relative_error(value, expected[name])
        result["embedding"] = relative_error(ghn.embed(skeleton, graph=inputs), expected["embedding"])
        predicted = ghn.predict(skeleton, graph=inputs, predict_class_layers=not network.endswith("_no_class_layers"))
        result["parameters"] = self._parameter_error(predicted, expected, self.key(checkpoint, network))
        return result

    def own_graph_error(self, ghn: GHN, checkpoint: str, network: str) -> float | None:
        """The same of the parameters by our own graph of the network; None where there is no such graph."""
        with torch.device("meta"):  # only names and shapes count
            module = self.network(checkpoint, network)
        if module is None:
            return None
        key = self.key(checkpoint, network)
        size = self.architectures[key]["about"].get("input", 32)
        with np.load(self._predictions(checkpoint) / f"{network}.npz") as arrays:
            expected = dict(arrays)
        try:
            predicted = ghn.predict(module, image_size=size)
        except GraphError:  # MobileNet V3 for small images: gates of features of 1x1 look like any other product
            return None
        if checkpoint.startswith("ghn3"):  # where attention's layers have other names
            predicted |= {name.replace(".to_", ".attn.to_"): value for name, value in predicted.items()}
        return self._parameter_error(predicted, expected, key)

    def training(self, ghn: GHN, checkpoint: str, steps: int) -> Training:
        """Trains a hypernetwork for some steps as the reference did."""
        about = json.loads((self.folder / "training/steps.json").read_text())[checkpoint]
        networks = [self.network(checkpoint, name) for name in about["nets"]]
        modules = [module for module in networks if module is not None]
        with np.load(self.folder / "training/batch.npz") as arrays:
            pixels, labels = torch.from_numpy(arrays["images"]) / 255, torch.from_numpy(arrays["labels"])
        images = ((pixels - torch.tensor(_CIFAR10_MEAN)) / torch.tensor(_CIFAR10_STD)).permute(0, 3, 1, 2)
        parameters = list(ghn.parameters())
        optimizer: torch.optim.Optimizer = torch.optim.Adam(parameters, 1e-3, weight_decay=1e-5)
        if "regularisers" in about:
            optimizer = torch.optim.AdamW(parameters, 4e-4, weight_decay=1e-2)
        graphs = [ghn.prepare(module) for module in modules]
        losses, gradients = [], {}
        for step in range(steps):
            loss = _loss(ghn, modules, graphs, images, labels, 3e-5 if "regularisers" in about else 0.0)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.item())
            if step == 0:
                gradients = {
                    name: tensor.grad.clone()
                    for name, tensor in ghn.layers.named_parameters()
                    if tensor.grad is not None
                }
            nn.utils.clip_grad_norm_(parameters, 5)
            optimizer.step()
        return Training(losses, gradients, {name: tensor.detach() for name, tensor in ghn.layers.state_dict().items()})

    def training_errors(self, ghn: GHN, checkpoint: str, steps: int = 5) -> dict[str, float]:
        """How far training steps are from the reference's: losses, gradients of the first, weights after five."""
        about = json.loads((self.folder / "training/steps.json").read_text())[checkpoint]
        done = self.training(ghn, checkpoint, steps)
        # One gradient is 0 but for rounding, that of what a softmax does not depend on, and Adam makes steps of it.
        largest = max(about["grad_norms"].values())
        norms = {name: norm for name, norm in about["grad_norms"].items() if norm > 1e-6 * largest}
        result = {
            "losses": relative_error(done.losses, about["losses"][:steps]),
            "gradients": max(abs(float(done.gradients[name].norm()) - norm) / norm for name, norm in norms.items()),
        }
        if steps == len(about["losses"]):
            result["weights"] = max(
                relative_error(done.weights[name].norm(), kept["norm"])
                for name, kept in about["weights_after_5_steps"].items()
                if name in norms
            )
        return result

    def _predictions(self, checkpoint: str) -> Path:
        folder = self.folder / "predictions" / checkpoint
        return folder if folder.exists() else self.folder / "real" / checkpoint

    def _parameter_error(self, predicted: dict[str, Tensor], expected: dict[str, Any], key: str) -> float:
        """The largest error of a parameter's first values, last value, mean, deviation and norm, or of all values."""
        worst = 0.0
        not_predicted = set(self.architectures[key]["not_predicted"])
        for i, (name, _) in enumerate(self.architectures[key]["params"]):
            if name in not_predicted or np.isnan(expected["mean"][i]):
                worst = np.inf if name in predicted else worst
                continue
            value = predicted[name].numpy()
            if name.endswith("pos_embedding"):
                continue  # the reference draws the first row at random, and what is stored includes it
            largest, first = np.abs(value).max(), expected["first"][i]
            first = first[~np.isnan(first)]
            differences = [
                np.abs(value.ravel()[: len(first)] - first).max(),
                abs(value.ravel()[-1] - expected["last"][i]),
                abs(value.mean(dtype=np.float64) - expected["mean"][i]),
                abs(value.std(dtype=np.float64) - expected["std"][i]),
                abs(np.sqrt(np.square(value).sum(dtype=np.float64)) - expected["norm"][i]) / np.sqrt(value.size),
            ]
            if f"p/{name}" in expected:
                differences.append(np.abs(value - expected[f"p/{name}"]).max())
            worst = max(worst, float(max(differences) / largest))
        return worst


def relative_error(value: npt.ArrayLike | Tensor, expected: npt.ArrayLike) -> float:
    """The largest difference, divided by the largest value expected."""
    difference = np.abs(np.asarray(value, dtype=np.float64) - np.asarray(expected, dtype=np.float64)).max()
    return float(difference / np.abs(np.asarray(expected)).max())


def _drawn(made: dict[str, Any]) -> dict[str, Tensor]:
    """The weights that follow from a seed."""
    tensors, digest = {}, hashlib.sha256()
    for i, (name, shape, mean, scale) in enumerate(made["tensors"]):
        drawn = np.random.RandomState(made["seed"] + i).standard_normal(shape)
        values = (mean + scale * drawn).astype("<f4")
        digest.update(values.tobytes())
        tensors[name] = torch.from_numpy(values)
    if digest.hexdigest() != made["sha256"]:
        raise ValueError("NumPy draws other random numbers than it did when the reference values were computed.")
    return tensors


def _loss(
    ghn: GHN, networks: list[nn.Module], graphs: list[GraphInputs], images: Tensor, labels: Tensor, regulariser: float
) -> Tensor:
    """The mean loss of the networks with predicted parameters, which are regularised by the sum of their norms."""
    predicted = ghn.predict_many(networks, graphs=graphs, keep_grads=True)
    total = images.new_zeros(())
    for network, parameters in zip(networks, predicted, strict=True):
        logits = torch.func.functional_call(network, parameters, (images,))
        total = total + F.cross_entropy(logits, labels)
        if regulariser:
            total = total + regulariser * torch.stack([value.norm() for value in parameters.values()]).sum()
    return total / len(networks)
