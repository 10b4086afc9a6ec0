"""What a hypernetwork does with networks."""

import warnings
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from tart_nas import build_network
from tart_nas.errors import DivergenceError, GraphError, SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.hypernetworks import GHN, GHNConfig, GHNWarning, use_batch_statistics, use_running_statistics
from tart_nas.hypernetworks.gated_graph_network import GatedGraphNetwork
from tart_nas.published import DARTS, VIT
from tart_nas.search_spaces import TrialSpace

SETTINGS: dict[str, dict[str, Any]] = {
    "ghn1": {"ve": False, "layernorm": False, "weight_norm": False},
    "ghn2": {},
    "mlp": {"hypernet": "mlp"},
    "mlp decoder": {"decoder": "mlp"},
    "ghn3": {"hypernet": "graphormer", "layers": 2, "heads": 2},
}
CONFIG = GHNConfig(max_shape=(8, 8, 5, 5), num_classes=10, hid=8)


@pytest.fixture(params=SETTINGS)
def ghn(request):
    torch.manual_seed(0)
    return GHN.from_config(CONFIG, **SETTINGS[request.param])


@pytest.fixture
def ghn2():
    torch.manual_seed(0)
    return GHN.from_config(CONFIG)


@pytest.fixture
def network():
    return build_network(DARTS.resized(n_cells=3, C=4))


def state(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_all_parameters_are_predicted_and_assigned(ghn, network):
    before = state(network)
    predicted = ghn.predict(network)
    assert same(state(network), before), "predict leaves the network alone"
    assert list(predicted) == [name for name, _ in network.named_parameters()]
    assert ghn(network) is network
    assert same({name: parameter.detach() for name, parameter in network.named_parameters()}, predicted)
    assert network(torch.randn(4, 3, 32, 32)).shape == (4, 10)
    assert ghn.embed(network).shape == (8,)


def test_several_networks_at_once_are_predicted_as_one_by_one(ghn, network):
    networks = [network, build_network(VIT.resized(n_cells=1, C=8)), build_network(DARTS.resized(n_cells=1, C=6))]
    together = ghn.predict_many(networks)
    for one, predicted in zip(networks, together, strict=True):
        alone = ghn.predict(one)
        assert alone.keys() == predicted.keys()
        assert all(torch.allclose(alone[name], predicted[name], rtol=1e-4, atol=1e-5) for name in alone)
    assert ghn.predict_many([]) == []
    with pytest.raises(SettingError, match="3 networks, but 1 graphs"):
        ghn.predict_many(networks, graphs=[ghn.prepare(network)])


def test_levels_give_what_one_node_after_the_other_gives(network):
    """Values and gradients of message passing, against the formula of the paper's code, node by node, in float64."""
    torch.manual_seed(0)
    ghn = GHN.from_config(CONFIG).double()
    inputs = ghn.prepare(network)
    n, gnn = inputs.num_nodes, ghn.layers.gnn
    assert isinstance(gnn, GatedGraphNetwork)
    h = list(ghn.layers.initial_vectors([inputs]))
    distances = torch.from_numpy(inputs.distances).double()
    for lengths, nodes in ((distances, range(n)), (distances.T, reversed(range(n)))):
        for node in nodes:
            message = torch.zeros(8, dtype=torch.float64)
            for source in range(n):
                if lengths[source, node]:
                    message = message + gnn.mlp_ve.fc(h[source]) / lengths[source, node]
                if lengths[source, node] == 1:
                    message = message + gnn.mlp.fc(h[source])
            h[node] = gnn.gru(message, h[node])
    expected = torch.stack(h)
    values = gnn(ghn.layers.initial_vectors([inputs]), [inputs])
    assert torch.allclose(values, expected, rtol=1e-12, atol=1e-12)
    direction = torch.randn_like(values)
    parameters = list(gnn.parameters())
    for ours, theirs in zip(
        torch.autograd.grad((values * direction).sum(), parameters),
        torch.autograd.grad((expected * direction).sum(), parameters),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_gradients_reach_every_weight(ghn, network):
    predicted = ghn.predict(network, keep_grads=True)
    logits = torch.func.functional_call(network, predicted, (torch.randn(4, 3, 32, 32),))
    logits.logsumexp(1).sum().backward()
    without = {name for name, parameter in ghn.named_parameters() if parameter.grad is None}
    assert without == set()
    assert not any(value.requires_grad for value in ghn.predict(network).values())


def test_a_network_on_the_meta_device_is_enough_to_predict(ghn2, network):
    with torch.device("meta"):
        shapes_only = build_network(DARTS.resized(n_cells=3, C=4))
    assert same(ghn2.predict(shapes_only), ghn2.predict(network))


def test_what_is_prepared_once_can_be_used_again(ghn2, network):
    inputs = ghn2.prepare(network)
    assert same(ghn2.predict(network, graph=inputs), ghn2.predict(network))
    assert torch.equal(ghn2.embed(network, graph=inputs), ghn2.embed(network))


def test_class_layers_can_keep_their_values(ghn2, network):
    before = state(network)
    ghn2(network, predict_class_layers=False)
    kept = {name for name, parameter in network.named_parameters() if torch.equal(parameter, before[name])}
    assert kept == {"classifier.0.weight", "classifier.0.bias"}


def test_other_classes_are_told(ghn2):
    network = build_network(DARTS.resized(n_cells=1, C=4), num_classes=25)
    with pytest.warns(GHNWarning, match="has 25 classes, the hypernetwork 10: rows of its last layer are repeated"):
        ghn2(network)
    weight = network.get_parameter("classifier.0.weight")
    assert torch.equal(weight[:10], weight[10:20])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ghn2(network, predict_class_layers=False)


def test_batch_statistics_and_back(ghn2, network):
    images = torch.randn(8, 3, 32, 32)
    ghn2(network)
    network.eval()
    assert not torch.allclose(network(images)[:4], network(images[:4])), "an image is judged among others"
    assert not any("running" in name for name in network.state_dict())
    use_running_statistics(network)
    assert torch.allclose(network(images)[:4], network(images[:4]), atol=1e-5)
    assert network.state_dict().keys() == build_network(DARTS.resized(n_cells=3, C=4)).state_dict().keys()
    ghn2(network, batch_statistics=False)
    assert any("running" in name for name in network.state_dict())


def test_normalisation_of_every_dimension_takes_batch_statistics():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).eval()
    use_batch_statistics(network)
    output = network(torch.randn(64, 4) * 7).detach()
    assert output.mean().abs() < 1e-5
    assert output.std() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("kind", ["ghn2", "ghn3"])
def test_networks_of_torchvision(kind):
    ghn = GHN.from_config(CONFIG, **SETTINGS[kind])
    network = torchvision.models.resnet18(num_classes=10)
    ghn(network, image_size=64)
    assert network(torch.randn(2, 3, 64, 64)).isfinite().all()
    vit = torchvision.models.VisionTransformer(32, 8, 1, 2, 16, 32, num_classes=10)
    token, position = vit.class_token.clone(), vit.encoder.pos_embedding.clone()
    with pytest.warns(GHNWarning, match=r"know no such parameters: class_token\.") as warned:
        ghn(vit, image_size=32)
    assert warned[0].filename == __file__, "the warning names the caller's line"
    assert torch.equal(vit.class_token, token)
    assert torch.equal(vit.encoder.pos_embedding[:, :1], position[:, :1]), "the class token's position stays"
    assert not torch.isclose(vit.encoder.pos_embedding[:, 1:], position[:, 1:]).any()


class Scaled(nn.Module):
    """A network with a parameter of its own, that is no layer's."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 6, 3), nn.Linear(6, 10)
        self.scale = nn.Parameter(torch.full((6, 1, 1), 3.0))
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.head((self.conv(x) * self.scale).relu().mean((2, 3)))


def test_what_cannot_be_predicted_keeps_its_values_and_is_named(ghn2):
    network = Scaled()
    before = state(network)
    with pytest.warns(GHNWarning, match=r"know no such parameters: scale\."):
        ghn2(network)
    kept = {name for name, parameter in network.named_parameters() if torch.equal(parameter, before[name])}
    assert kept == {"scale", "unused.weight", "unused.bias"}


def test_shared_parameters_are_those_of_their_first_place(ghn2):
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.Flatten(), nn.LazyLinear(10))
    network[2].weight = network[0].weight
    network(torch.zeros(1, 3, 32, 32))
    ghn2(network)
    assert network[2].weight is network[0].weight
    assert "2.weight" not in ghn2.predict(network)


def test_half_precision(ghn2):
    network = build_network(DARTS.resized(n_cells=1, C=4)).half()
    expected = ghn2.predict(build_network(DARTS.resized(n_cells=1, C=4)))
    ghn2(network)
    for name, parameter in network.named_parameters():
        assert parameter.dtype == torch.float16
        assert torch.equal(parameter, expected[name].half())


def failing(ghn, network, error, message, **settings):
    before = state(network) if not any(map(nn.parameter.is_lazy, network.parameters())) else None
    with pytest.raises(error, match=message) as caught:
        ghn(network, **settings)
    assert "\n" not in str(caught.value)
    assert before is None or same(state(network), before)


def _convolution(trial):
    return nn.Conv2d(3, trial.suggest_int("width", 4, 8), 1)


def test_wrong_networks_stay_as_they_were(ghn2, network):
    failing(ghn2, nn.ReLU(), SettingError, "The network ReLU has no parameters to predict")
    failing(ghn2, nn.Sequential(nn.LazyConv2d(4, 3)), SettingError, r"'0\.weight' has no shape yet: run the network")
    failing(ghn2, torchvision.models.resnet18(), GraphError, "cannot be run on an image of", image_size=(1, 8, 8))
    graph = ComputationalGraph.from_architecture(VIT)
    failing(ghn2, network, GraphError, r"graph is of another network: this one has no parameter", graph=graph)
    with pytest.raises(SettingError, match=r"must be a torch\.nn\.Module, but got Architecture"):
        ghn2(DARTS)
    candidate: Any = TrialSpace(_convolution, input_size=8).sample(1, seed=0)[0]
    with pytest.raises(SettingError, match=r"but got TrialArchitecture: the method `network` of its space builds it"):
        ghn2(candidate)
    with torch.no_grad():
        ghn2.layers.get_parameter("decoder_1d.fc.2.bias").fill_(float("inf"))
    failing(ghn2, network, DivergenceError, "predicts numbers that are not finite for")


def test_a_long_chain_of_nodes(ghn2):
    layers = [layer for _ in range(400) for layer in (nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))]
    network = nn.Sequential(nn.Conv2d(3, 4, 3), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    inputs = ghn2.prepare(network)
    assert inputs.num_nodes > 1200
    assert inputs.unpredicted == ()
    predicted = ghn2.predict(network, graph=inputs)
    assert all(value.isfinite().all() for value in predicted.values())


def test_larger_kernels_and_channels_repeat_what_is_decoded(ghn2):
    network = nn.Sequential(nn.Conv2d(3, 20, 7, padding=3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 10))
    weight = ghn2.predict(network, image_size=16)["0.weight"]
    assert torch.equal(weight[:8], weight[8:16])
    assert torch.equal(weight[..., :2, :], weight[..., 5:, :])


def test_a_large_convolution_may_give_the_logits(ghn):
    """The part of the decoder that makes class layers makes no kernel larger than 1x1."""
    layers = (nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(3))
    network = nn.Sequential(*layers, nn.Conv2d(16, 10, 3), nn.Flatten())
    before = state(network)
    ghn(network, predict_class_layers=False)
    kept = {name for name, parameter in network.named_parameters() if torch.equal(parameter, before[name])}
    assert kept == {"3.weight", "3.bias"}
    ghn(network)
    assert not torch.equal(network.get_parameter("3.weight"), before["3.weight"])
    assert network(torch.randn(2, 3, 32, 32)).isfinite().all()
    sequence = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(2), nn.Conv1d(8, 10, 900), nn.Flatten())
    assert ghn.predict(sequence)["2.weight"].shape == (10, 8, 900)


def test_a_normalisation_before_the_last_pooling_is_no_class_layer(ghn2):
    head = (nn.Conv2d(6, 10, 1), nn.BatchNorm2d(10), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), *head)
    inputs = ghn2.prepare(network)
    assert inputs.num_classes is None
    assert not any(target.is_class_layer for target in inputs.targets)
    with torch.no_grad():
        values = ghn2.layers.decoder_1d(ghn2.layers.node_vectors([inputs])[-2:-1])[0].repeat(1, 2)[:, :10]
    predicted = ghn2.predict(network)
    assert torch.allclose(predicted["3.weight"], 2 * torch.sigmoid(values[0] / 2), atol=1e-6)
    assert torch.allclose(predicted["3.bias"], torch.tanh(0.2 * values[1]), atol=1e-6)


def test_positions_before_the_last_node_are_no_class_layer(ghn2):
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1, 4, 12, 12))

        def forward(self, x):
            return x + self.weight

    network = nn.Sequential(nn.Conv2d(3, 4, 1), Positions())
    inputs = ghn2.prepare(network, image_size=12)
    assert inputs.targets[-1].node == inputs.num_nodes - 2
    assert inputs.num_classes is None
    assert ghn2.predict(network, graph=inputs)["1.weight"].shape == (1, 4, 12, 12)
