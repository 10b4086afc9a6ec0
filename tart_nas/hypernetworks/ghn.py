"""A graph hypernetwork: it predicts the parameters of a network from the network's computational graph."""

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tart_nas.devices import shapes_only
from tart_nas.downloading import Progress
from tart_nas.errors import CheckpointError, DivergenceError, SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.hypernetworks.batch_norm import use_batch_statistics
from tart_nas.hypernetworks.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from tart_nas.hypernetworks.config import GHNConfig
from tart_nas.hypernetworks.graph_inputs import GraphInputs, graph_inputs, network_graph
from tart_nas.hypernetworks.layers import HypernetworkLayers
from tart_nas.hypernetworks.released import BUNDLED, RELEASED, bundled_file, released_file
from tart_nas.training.initial_weights import digest

__all__ = ["GHN", "GHNWarning"]


class GHNWarning(UserWarning):
    """A prediction that leaves some parameters as they were, or whose logits do not match the classes."""


class GHN(nn.Module):
    """A graph hypernetwork: GHN-1, GHN-2, their variant without a graph (MLP), or GHN-3.

    Example::

        ghn = GHN.load("ghn2-imagenet")
        network = ghn(torchvision.models.resnet50())

    After Knyazev et al., "Parameter Prediction for Unseen Deep Architectures" (NeurIPS 2021) and "Can We Scale
    Transformers to Predict Parameters of Diverse ImageNet Models?" (ICML 2023).

    Args:
        config: its settings. Its weights are PyTorch's initial ones.

    Attributes:
        config: its settings.
        layers: its layers, whose state dict has the names of published files.
    """

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = HypernetworkLayers(config)

    @classmethod
    def from_config(cls, config: GHNConfig | Mapping[str, Any], **changes: Any) -> "GHN":
        """A hypernetwork with initial weights.

        Args:
            config: its settings, or the ``config`` of a checkpoint.
            changes: other values for some of the settings.

        Raises:
            SettingError: if a setting is missing, unknown or out of range.
        """
        values = config.as_dict() if isinstance(config, GHNConfig) else config
        return cls(GHNConfig.from_mapping({**values, **changes}))

    @classmethod
    def load(
        cls,
        path_or_name: str | os.PathLike[str],
        *,
        folder: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> "GHN":
        """A trained hypernetwork: from a file, or by name, bundled or published; these are downloaded at first.

        Files are ours (:meth:`save`) or published ones as they are: GHN-1's and GHN-2's ``.pt``, checkpoints of GHN-3's
        training and its files on Hugging Face. Nothing in them is run.

        Args:
            path_or_name: a file, or one of :data:`tart_nas.hypernetworks.BUNDLED` or
                :data:`tart_nas.hypernetworks.RELEASED`.
            folder: where downloaded files are kept; by default PyTorch's folder of downloads.
            progress: of the download: called with the file's name, the bytes that are there and all bytes.

        Raises:
            CheckpointError: if there is no such file or name, the download fails, or the file is damaged, of another
                kind, has weights of other sizes than its settings say, or numbers that are not finite.
        """
        path = Path(path_or_name)
        if str(path_or_name) in BUNDLED and not path.exists():
            path = bundled_file(str(path_or_name))
        elif str(path_or_name) in RELEASED and not path.exists():
            path = released_file(str(path_or_name), folder, progress)
        # Without an ending it was meant as a name, so the message lists the names there are.
        elif not path.suffix and not path.exists():
            raise CheckpointError(
                f"There is no hypernetwork {str(path_or_name)!r}: expected a file, or one of "
                f"{', '.join((*BUNDLED, *RELEASED))}."
            )
        checkpoint = read_checkpoint(path)
        with shapes_only():  # so that no random weights are drawn, which are not needed
            ghn = cls(checkpoint.config)
        _check_sizes(path, ghn.layers.state_dict(), checkpoint.tensors)
        ghn.layers.load_state_dict(checkpoint.tensors, assign=True)
        return ghn

    @property
    def identity(self) -> str:
        """The kind and a digest of settings and weights: equal for hypernetworks that predict the same."""
        settings = json.dumps(self.config.as_dict(), sort_keys=True)
        found = sha256(f"{settings} {digest(self.layers.state_dict())}".encode())
        return f"{self.config.hypernet} {found.hexdigest()[:16]}"

    def save(self, path: str | os.PathLike[str], about: Mapping[str, Any] | None = None) -> None:
        """Writes the hypernetwork as one safetensors file, whole or not at all.

        Args:
            path: where to.
            about: what is to be known of it, JSON values.

        Raises:
            CheckpointError: if the file cannot be written.
        """
        write_checkpoint(path, Checkpoint(self.config, self.layers.state_dict(), about or {}))

    def prepare(
        self,
        network: nn.Module,
        *,
        graph: ComputationalGraph | None = None,
        image_size: int | Sequence[int] | None = None,
    ) -> GraphInputs:
        """What the hypernetwork is given of a network. It can be passed to the other methods as ``graph``.

        Args:
            network: the network; of its parameters only names and shapes are read.
            graph: its graph, where it is known. By default, that of a network of ours is made from its architecture,
                that of another by running it once without numbers.
            image_size: of the images on which another network runs, (channels, height, width) or a number for
                (3, number, number); by default that of the hypernetwork's training, 32 or 224.

        Raises:
            GraphError: if no graph can be made of the network, or ``graph`` is of another one.
            SettingError: if the network has no parameters, or a lazy module that has not been run.
        """
        if graph is None:
            graph = network_graph(network, image_size or self.config.image_size)
        return graph_inputs(network, graph, self.layers.shape_enc, self.config)

    def forward(
        self,
        network: nn.Module,
        *,
        graph: ComputationalGraph | GraphInputs | None = None,
        image_size: int | Sequence[int] | None = None,
        predict_class_layers: bool = True,
        batch_statistics: bool = True,
    ) -> nn.Module:
        """Predicts the parameters of a network and gives them to it; if anything fails, the network is as it was.

        All buffers keep their values, and so do parameters that published hypernetworks do not know (class tokens,
        learned scales), which a :class:`GHNWarning` names, and those that do not influence the output.

        Args:
            network: any network that takes one batch of images.
            graph: as for :meth:`prepare`, or what it returned.
            image_size: as for :meth:`prepare`.
            predict_class_layers: whether to predict the layer that gives the logits too. False to train for other
                classes.
            batch_statistics: whether batch normalisation then takes the statistics of each batch
                (:func:`tart_nas.hypernetworks.use_batch_statistics`): running ones are not predicted. False to train.

        Returns:
            The network.

        Raises:
            GraphError: if no graph can be made of the network, or ``graph`` is of another one.
            SettingError: if the network has no parameters, or a lazy module that has not been run.
            DivergenceError: if a predicted value is not finite.
        """
        inputs = self._inputs(network, graph, image_size)
        predicted = self.predict(network, graph=inputs, predict_class_layers=predict_class_layers)
        # A sum is finite only if all its numbers are, so that one look at the device tells of all tensors.
        if predicted and not torch.stack([value.sum() for value in predicted.values()]).isfinite().all():
            for name, value in predicted.items():  # of finite numbers in half precision, a sum may overflow
                if not value.isfinite().all():
                    raise DivergenceError(f"The hypernetwork predicts numbers that are not finite for {name!r}.")
        with torch.no_grad():
            for name, value in predicted.items():
                network.get_parameter(name).copy_(value)
        if batch_statistics:
            use_batch_statistics(network)
        _warn(inputs, self.config.num_classes, predict_class_layers)
        return network

    def predict(
        self,
        network: nn.Module,
        *,
        graph: ComputationalGraph | GraphInputs | None = None,
        image_size: int | Sequence[int] | None = None,
        predict_class_layers: bool = True,
        keep_grads: bool = False,
    ) -> dict[str, Tensor]:
        """The parameters of a network by full name, without touching it.

        To train the hypernetwork, keep gradients and run the network with what was predicted::

            logits = torch.func.functional_call(network, ghn.predict(network, keep_grads=True), images)

        Args:
            network: any network that takes one batch of images; it may be on PyTorch's meta device.
            graph: as for :meth:`forward`.
            image_size: as for :meth:`prepare`.
            predict_class_layers: as for :meth:`forward`.
            keep_grads: whether gradients flow from the result to the hypernetwork.

        Returns:
            Tensors on the hypernetwork's device, in the precision of the network's parameters.

        Raises:
            GraphError: as :meth:`forward`.
            SettingError: as :meth:`forward`.
        """
        inputs = self._inputs(network, graph, image_size)
        (predicted,) = self.predict_many(
            [network], graphs=[inputs], predict_class_layers=predict_class_layers, keep_grads=keep_grads
        )
        return predicted

    def predict_many(
        self,
        networks: Sequence[nn.Module],
        *,
        graphs: Sequence[ComputationalGraph | GraphInputs] | None = None,
        image_size: int | Sequence[int] | None = None,
        predict_class_layers: bool = True,
        keep_grads: bool = False,
    ) -> list[dict[str, Tensor]]:
        """As :meth:`predict` for several networks at once, with the same result.

        Raises:
            GraphError: as :meth:`forward`.
            SettingError: as :meth:`forward`, or if there is not one graph for each network.
        """
        if graphs is not None and len(graphs) != len(networks):
            raise SettingError(f"Each network needs a graph: {len(networks)} networks, but {len(graphs)} graphs.")
        inputs = [
            self._inputs(network, None if graphs is None else graphs[i], image_size)
            for i, network in enumerate(networks)
        ]
        results: list[dict[str, Tensor]] = [{} for _ in networks]
        if not inputs:
            return results
        # Targets of all networks are decoded together, which takes fewer and larger operations.
        wanted = []  # (network, target) pairs, targets by their row among the nodes of all graphs
        first = 0
        for i, graph in enumerate(inputs):
            for target in graph.targets:
                if predict_class_layers or not target.is_class_layer:
                    wanted.append((i, replace(target, node=target.node + first)))
            first += graph.num_nodes
        with torch.set_grad_enabled(keep_grads):
            vectors = self.layers.node_vectors(inputs)
            for index, value in self.layers.decoded(vectors, [target for _, target in wanted]):
                i, target = wanted[index]
                parameter = networks[i].get_parameter(target.name)
                value = value.to(parameter.dtype)
                if value.shape != parameter.shape:  # positions without a class token, which stays
                    token = parameter.detach()[0, : parameter.shape[1] - len(value)]
                    token = torch.zeros_like(token, device=value.device) if token.is_meta else token.to(value.device)
                    value = torch.cat((token, value))[None]
                results[i][target.name] = value
        return [
            {name: values[name] for name, _ in network.named_parameters() if name in values}
            for network, values in zip(networks, results, strict=True)
        ]

    def embed(
        self,
        network: nn.Module,
        *,
        graph: ComputationalGraph | GraphInputs | None = None,
        image_size: int | Sequence[int] | None = None,
        keep_grads: bool = False,
    ) -> Tensor:
        """The mean of a network's node vectors (hid,), by which properties of the network can be predicted.

        Args:
            network: as for :meth:`predict`.
            graph: as for :meth:`forward`.
            image_size: as for :meth:`prepare`.
            keep_grads: as for :meth:`predict`.

        Raises:
            GraphError: as :meth:`forward`.
            SettingError: as :meth:`forward`.
        """
        with torch.set_grad_enabled(keep_grads):
            return self.layers.node_vectors([self._inputs(network, graph, image_size)]).mean(0)

    def _inputs(
        self,
        network: nn.Module,
        graph: ComputationalGraph | GraphInputs | None,
        image_size: int | Sequence[int] | None,
    ) -> GraphInputs:
        if isinstance(graph, GraphInputs):
            return graph
        return self.prepare(network, graph=graph, image_size=image_size)


def _check_sizes(path: Path, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Makes sure that a file has the weights that its settings say."""
    if missing := sorted(own.keys() - tensors.keys()):
        raise CheckpointError(f"{path} lacks the weights {missing[0]!r}, which its settings need.")
    if unknown := sorted(tensors.keys() - own.keys()):
        raise CheckpointError(f"{path} has the weights {unknown[0]!r}, for which its settings have no layer.")
    for name, tensor in own.items():
        if tensors[name].shape != tensor.shape:
            raise CheckpointError(
                f"{path} has {name!r} of {tuple(tensors[name].shape)}, but by its settings it is {tuple(tensor.shape)}."
            )


def _warn(inputs: GraphInputs, num_classes: int, predict_class_layers: bool) -> None:
    """Says what of a network was not predicted, and that its classes are not the hypernetwork's."""
    if inputs.unpredicted:
        names, more = ", ".join(inputs.unpredicted[:3]), len(inputs.unpredicted) - 3
        ending = f" and {more} more" if more > 0 else ""
        warnings.warn(
            f"Not predicted, as published hypernetworks know no such parameters: {names}{ending}.", GHNWarning, 5
        )
    if predict_class_layers and inputs.num_classes not in (None, num_classes):
        warnings.warn(
            f"The network has {inputs.num_classes} classes, the hypernetwork {num_classes}: rows of its last layer are "
            "repeated or left out. With predict_class_layers=False that layer keeps its values.",
            GHNWarning,
            5,
        )
