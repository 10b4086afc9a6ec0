"""Feature maps against what the networks themselves pool and classify."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from tart_nas import build_network
from tart_nas.detection import ImageScaling, as_backbone, build_detector
from tart_nas.errors import SettingError
from tart_nas.published import DARTS, VIT

SMALL = DARTS.resized(n_cells=3, C=4)


def slow(*names):
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


def seen_by(module, network, images):
    """What a module of a network is given, in evaluation mode."""
    seen = []
    handle = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        network.eval()(images)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize(
    "name",
    [
        "shufflenet_v2_x0_5",
        *slow("resnet18", "densenet121", "googlenet", "inception_v3", "mnasnet0_5", "mobilenet_v2", "regnet_y_400mf"),
        *slow("swin_t", "efficientnet_b0"),
    ],
)
def test_the_mean_of_the_map_is_what_the_class_layer_is_given(name):
    torch.manual_seed(0)
    network = models.get_model(name, weights=None)
    images = torch.randn(2, 3, 96, 128)
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    pooled = seen_by(last, network, images)
    backbone = as_backbone(network).eval()
    with torch.inference_mode():
        features = backbone(images)
    assert features.shape[:2] == (2, backbone.out_channels) == (2, last.in_features)
    torch.testing.assert_close(features.mean((2, 3)), pooled)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", *slow("alexnet", "convnext_tiny", "vgg11")])
def test_the_map_is_what_is_pooled(name):
    network = models.get_model(name, weights=None)
    images = torch.randn(1, 3, 96, 128)
    expected = seen_by(network.avgpool, network, images)
    backbone = as_backbone(network).eval()
    with torch.inference_mode():
        assert torch.equal(backbone(images), expected)
    assert backbone.out_channels == expected.shape[1]


def test_a_classifier_of_convolutions():
    network = models.squeezenet1_1(weights=None)
    images = torch.randn(1, 3, 64, 96)
    expected = seen_by(network.classifier, network, images)
    backbone = as_backbone(network).eval()
    with torch.inference_mode():
        assert torch.equal(backbone(images), expected)
    assert backbone.out_channels == 512


@pytest.mark.parametrize(
    ("changes", "image_size", "stride"),
    [({}, 32, 4), ({"stem_type": 1}, 32, 8), ({}, 224, 16), ({"stem_type": 1}, 224, 32), ({"C_mult": 1}, 224, 16)],
)
def test_cells_give_a_map_of_any_size(changes, image_size, stride):
    architecture = replace(SMALL, **changes)
    network = build_network(architecture, 5, image_size)
    images = torch.randn(1, 3, image_size, image_size)
    with torch.inference_mode():
        logits = network.eval()(images)
        pooled = network.feature_map(images).mean((2, 3))
        torch.testing.assert_close(network.classifier(pooled), logits)
    backbone = as_backbone(network).eval()
    assert backbone.out_channels == 4 * len(DARTS.genotype.normal_concat) * architecture.C_mult**2
    with torch.inference_mode():
        features = backbone(torch.randn(1, 3, 96, 160))
    assert features.shape == (1, backbone.out_channels, 96 // stride, 160 // stride)


def test_a_network_that_does_not_pool_has_the_size_of_its_class_layer():
    network = build_network(replace(SMALL, glob_avg=False), 5, 32)
    inputs = network.classifier[0].in_features
    assert as_backbone(network)(torch.randn(1, 3, 32, 32)).numel() == inputs


def test_vision_transformers_interpolate_their_positions():
    architecture = VIT.resized(n_cells=2, C=16)
    network = build_network(architecture, 5, 32).eval()
    images = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        expected = network.feature_map(images)
    backbone = as_backbone(network).eval()
    with torch.inference_mode():
        assert torch.equal(backbone(images), expected)
        assert backbone(torch.randn(1, 3, 60, 90)).shape == (1, 16, 20, 30)
    theirs = models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=16, num_classes=3
    )
    tokens = []
    theirs.encoder.register_forward_hook(lambda _, inputs, output: tokens.append(output))
    with torch.inference_mode():
        theirs.eval()(images)
        backbone = as_backbone(theirs).eval()
        torch.testing.assert_close(backbone(images).flatten(2).transpose(1, 2), tokens[0][:, 1:])
        assert backbone(torch.randn(1, 3, 64, 96)).shape == (1, 16, 8, 12)


def test_a_network_without_a_map():
    with pytest.raises(SettingError, match=r"Sequential gives no feature map of shape \(B, C, h, w\), but one of"):
        as_backbone(nn.Sequential(nn.Flatten()))
    with pytest.raises(SettingError, match="Sequential gives no feature map of images of 160x128 pixels: "):
        as_backbone(nn.Sequential(nn.Conv2d(4, 4, 1)))


@pytest.mark.slow
def test_a_model_for_one_size_of_images():
    with pytest.raises(SettingError, match="MaxVit gives no feature map of images of 160x128 pixels"):
        as_backbone(models.maxvit_t(weights=None))


def test_the_detector_is_that_of_the_protocol():
    backbone = as_backbone(build_network(SMALL, 5, 32))
    before = torch.random.get_rng_state()
    detector: Any = build_detector(backbone, ImageScaling.default(False), seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (detector.transform.min_size, detector.transform.max_size) == ((800,), 1333)
    anchors = detector.rpn.anchor_generator
    assert anchors.sizes == ((32, 64, 128, 256, 512),)
    assert anchors.aspect_ratios == ((0.5, 1.0, 2.0),)
    pooling = detector.roi_heads.box_roi_pool
    assert (pooling.output_size, pooling.sampling_ratio) == ((7, 7), 2)
    scaling = ImageScaling.default(True)
    assert (scaling.min_size, scaling.max_size) == (320, 533)
    for values, said in (({"min_size": 31}, "min_size"), ({"max_size": 700}, "max_size"), ({"std": (1, 0, 1)}, "std")):
        with pytest.raises(SettingError, match=f"`{said}` must be"):
            ImageScaling(**values)
