"""Weights of keras.applications in our builders: same outputs."""

import keras
import numpy as np
import pytest

from kerasref import models
from kerasref.models.transplant import transplant

TWINS = [name for name in models.__all__ if getattr(models, name).twin]
# The smallest of each family: depth adds layers, no rules for their names.
SMALLEST = [
    "VGG16",
    "ResNet50",
    "ResNet50V2",
    "InceptionV3",
    "InceptionResNetV2Slim",
    "DenseNet121",
    "MobileNet",
    "MobileNetV2",
    "Xception",
]

# Smallest sides at which the twins keep a map to the end; the weights do not depend on it but for
# VGG's first dense layer.
SIDE = {"Xception": 71, "VGG16": 32, "VGG19": 32, "InceptionV3": 75, "InceptionResNetV2": 75}


def twin_of(name, **arguments):
    """The twin with random weights, biases and moving statistics."""
    twin = getattr(models, name).twin
    source = getattr(keras.applications, twin.builder)(weights=None, **arguments)
    rng = np.random.default_rng(0)
    for layer in source.layers:
        for weight in layer.weights:
            kind = weight.path.rsplit("/", 1)[-1]
            if kind in ("bias", "beta", "moving_mean"):
                weight.assign(rng.normal(scale=0.1, size=weight.shape))
            elif kind in ("gamma", "moving_variance"):
                weight.assign(rng.uniform(0.5, 1.5, size=weight.shape))
    return source


def image_batch(side):
    return np.random.default_rng(1).uniform(size=(2, side, side, 3)).astype("float32")


@pytest.mark.parametrize("name", TWINS)
def test_transplanted_weights_give_the_same_outputs(name):
    builder = getattr(models, name)
    side = SIDE.get(builder.twin.builder, 64)
    common = {"input_shape": (side, side, 3), "classes": 10}
    source = twin_of(name, **common, classifier_activation=None)
    target = builder(**common, classifier_activation=None)
    transplant(source, target, builder.twin.names)
    x = image_batch(side)
    expected = np.asarray(source(x))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(target(x) / scale, expected / scale, atol=1e-5)
    assert np.ptp(expected) > 0.01 * scale


@pytest.mark.parametrize("name", SMALLEST)
def test_transplant_works_without_the_top(name):
    builder = getattr(models, name)
    side = SIDE.get(builder.twin.builder, 64)
    common = {"input_shape": (side, side, 3), "include_top": False}
    source, target = twin_of(name, **common), builder(**common)
    transplant(source, target, builder.twin.names)
    x = image_batch(side)
    expected = np.asarray(source(x))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(target(x) / scale, expected / scale, atol=1e-5)


def test_imagenet_weights_come_from_keras(monkeypatch):
    published = twin_of("VGG16", include_top=False, input_shape=(None, None, 3))
    asked = []

    def vgg16(**arguments):
        asked.append(arguments)
        return published

    monkeypatch.setattr(keras.applications, "VGG16", vgg16)
    model = models.VGG16(weights="imagenet", include_top=False, input_shape=(32, 32, 3))
    x = image_batch(32)
    assert asked == [{"include_top": False, "weights": "imagenet", "input_shape": (None, None, 3)}]
    np.testing.assert_allclose(model(x), published(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "asked_for"),
    [
        ({"alpha": 0.5}, {"alpha": 0.5, "input_shape": (None, None, 3)}),
        ({"input_shape": (128, 128, 3)}, {"alpha": 1.0, "input_shape": (128, 128, 3)}),
        ({"input_shape": (128, 160, 3)}, {"alpha": 1.0, "input_shape": (None, None, 3)}),
    ],
)
def test_imagenet_weights_are_those_of_the_width_and_the_side(monkeypatch, arguments, asked_for):
    source, asked = twin_of("MobileNet", include_top=False, **asked_for), []

    def mobilenet(**given):
        asked.append(given)
        return source

    monkeypatch.setattr(keras.applications, "MobileNet", mobilenet)
    arguments = {"input_shape": (32, 32, 3), **arguments}
    model = models.MobileNet(weights="imagenet", include_top=False, **arguments)
    assert asked == [{"include_top": False, "weights": "imagenet", **asked_for}]
    for ours, theirs in (("conv1", "conv1"), ("block13_pointwise", "conv_pw_13")):
        kernels = [m.get_layer(n).get_weights() for m, n in ((model, ours), (source, theirs))]
        np.testing.assert_array_equal(*kernels)


def test_a_dense_layer_takes_the_kernel_of_a_1x1_convolution():
    source = keras.Sequential([keras.Input((1, 1, 3)), keras.layers.Conv2D(4, 1, name="a")])
    target = chain("target", dense(4, "a"))
    transplant(source, target)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    np.testing.assert_allclose(target(x), source(x[:, None, None])[:, 0, 0], rtol=1e-5, atol=1e-6)


def test_a_failed_download_is_one_line(monkeypatch):
    def vgg16(**arguments):
        raise Exception("URL fetch failure on https://example.org/vgg16.h5: None -- refused")

    monkeypatch.setattr(keras.applications, "VGG16", vgg16)
    with pytest.raises(OSError, match="no ImageNet weights for VGG16: URL fetch failure"):
        models.VGG16(weights="imagenet", include_top=False, input_shape=(32, 32, 3))


def test_imagenet_weights_have_a_thousand_classes():
    with pytest.raises(ValueError, match=r"1000 classes.* not 10"):
        models.VGG16(weights="imagenet", input_shape=(32, 32, 3), classes=10)


def dense(units, name, **arguments):
    return keras.layers.Dense(units, name=name, **arguments)


def chain(name, *layers):
    return keras.Sequential([keras.Input((3,)), *layers], name=name)


def normalization(**arguments):
    return keras.layers.BatchNormalization(name="norm", **arguments)


def test_bias_epsilon_and_scale_are_folded_into_the_normalisation():
    source = chain("source", dense(4, "a"), normalization(epsilon=1e-3, scale=False))
    rng = np.random.default_rng(0)
    for weight in source.weights:
        weight.assign(rng.uniform(0.1, 1.0, size=weight.shape))
    target = chain("target", dense(4, "a", use_bias=False), normalization(epsilon=1e-5))
    transplant(source, target)
    x = rng.normal(size=(5, 3)).astype("float32")
    np.testing.assert_allclose(target(x), source(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ([dense(4, "a")], [dense(4, "b")], "source has no layer 'b' for 'b'"),
        ([dense(4, "a")], [dense(5, "a")], r"'a' has weights \[\(3, 5\), \(5,\)\]"),
        ([dense(4, "a"), dense(4, "b")], [dense(4, "a")], "target has no layer for 'b'"),
        ([dense(4, "a")], [dense(4, "a", use_bias=False)], "bias for 'a' has no place"),
    ],
)
def test_networks_that_differ_are_refused(source, target, message):
    with pytest.raises(ValueError, match=message):
        transplant(chain("source", *source), chain("target", *target))
