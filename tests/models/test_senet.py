"""Where squeeze-and-excitation stands in ResNet and Inception."""

import keras
import numpy as np

from kerasref.layers import SqueezeExcitation
from kerasref.models import InceptionSmall, ResNetCIFAR, SEInception, SEResNet50

RESNET = {"blocks": (1, 1, 1, 1), "width": 8, "input_shape": (32, 32, 3), "classes": 10}


def excited(model):
    return [layer.name for layer in model.layers if isinstance(layer, SqueezeExcitation)]


def outputs(model, *names):
    x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:]))
    inside = keras.Model(model.inputs[0], [model.get_layer(name).output for name in names])
    return [value.numpy() for value in inside(x)]


def test_residual_is_gated_before_the_addition():
    model = SEResNet50(**RESNET)
    residual, gated, shortcut, total = outputs(
        model, "conv2_block1_3_bn", "conv2_block1_se", "conv2_block1_0_bn", "conv2_block1_add"
    )
    gates = model.get_layer("conv2_block1_se").gates(residual).numpy()
    np.testing.assert_allclose(gated, residual * gates[:, None, None], rtol=1e-5)
    np.testing.assert_allclose(total, shortcut + gated, rtol=1e-4, atol=1e-5)


def test_stages_get_their_own_form_or_none():
    assert excited(SEResNet50(**RESNET)) == [f"conv{s}_block1_se" for s in (2, 3, 4, 5)]
    model = SEResNet50(**RESNET, se=[{"ratio": 2}, None, {"hidden": 0}, None])
    assert excited(model) == ["conv2_block1_se", "conv4_block1_se"]
    first, second = (model.get_layer(name) for name in excited(model))
    assert [tuple(weight.shape) for weight in first.weights] == [(32, 16), (16, 32)]
    assert [tuple(weight.shape) for weight in second.weights] == [(128, 128)]


def test_small_networks_take_it_too():
    assert excited(ResNetCIFAR(depth=8, se={"ratio": 4})) == [
        "conv2_block1_se",
        "conv3_block1_se",
        "conv4_block1_se",
    ]
    assert excited(ResNetCIFAR(depth=8)) == []
    modules = [name for name in excited(InceptionSmall(norm="batch", se={})) if "_se" in name]
    assert modules == ["stage1_2_se", "stage2_1_se", "stage3_1_se"]


def test_inception_is_gated_behind_each_module():
    model = SEInception(width=0.125, stages=(2, 1), input_shape=(32, 32, 3), classes=10)
    assert excited(model) == ["inception3a_se", "inception3b_se", "inception4a_se"]
    maps, gated = outputs(model, "inception3a", "inception3a_se")
    gates = model.get_layer("inception3a_se").gates(maps).numpy()
    np.testing.assert_allclose(gated, maps * gates[:, None, None], rtol=1e-5)
