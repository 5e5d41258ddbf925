"""SqueezeExcitation against the paper's formulas written out."""

import keras
import numpy as np
import pytest
from scipy.special import expit

from kerasref.analysis import counts
from kerasref.layers import SqueezeExcitation


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def relu(x):
    return np.maximum(x, 0)


def built(shape, **arguments):
    layer = SqueezeExcitation(name="se", **arguments)
    layer.build(shape)
    return layer


def weights(layer):
    return {weight.path: weight.numpy() for weight in layer.weights}


def test_equals_the_papers_formulas():
    u = random(2, 5, 4, 8)
    layer = built(u.shape, ratio=2)
    w1, w2 = (weights(layer)[f"se/{name}/kernel"] for name in ("hidden_1", "gate"))
    z = u.sum(axis=(1, 2)) / (5 * 4)
    s = expit(relu(z @ w1) @ w2)
    np.testing.assert_allclose(layer.gates(u), s, rtol=1e-5)
    np.testing.assert_allclose(layer(u), u * s[:, None, None], rtol=1e-5)


def test_biases_are_used():
    u = random(2, 3, 3, 4)
    layer = built(u.shape, ratio=2, use_bias=True)
    layer.set_weights([random(*weight.shape) for weight in layer.weights])
    w1, b1, w2, b2 = layer.get_weights()
    s = expit(relu(u.mean(axis=(1, 2)) @ w1 + b1) @ w2 + b2)
    np.testing.assert_allclose(layer.gates(u), s, rtol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(6, 9), (7, 5), (2, 3), (1, 1)])
def test_regions_are_the_cells_of_roi_pooling(height, width):
    u = random(2, height, width, 4)
    layer = built((None, None, None, 4), squeeze="regions", hidden=0)
    cells = []
    for i in range(3):
        for j in range(3):
            rows = slice(i * height // 3, -(-(i + 1) * height // 3))
            columns = slice(j * width // 3, -(-(j + 1) * width // 3))
            cells.append(u[:, rows, columns].mean(axis=(1, 2)))
    s = expit(np.concatenate(cells, axis=1) @ weights(layer)["se/gate/kernel"])
    np.testing.assert_allclose(layer.gates(u), s, rtol=1e-5)


def test_flattened_gate_is_one_dense_layer_over_the_whole_map():
    u = random(2, 3, 5, 4)
    layer = built(u.shape, squeeze="flatten", hidden=0)
    (kernel,) = layer.get_weights()
    assert kernel.shape == (3 * 5 * 4, 4)
    np.testing.assert_allclose(layer.gates(u), expit(u.reshape(2, -1) @ kernel), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "shapes"),
    [
        ({}, [(64, 4), (4, 64)]),
        ({"ratio": 8, "hidden": 2}, [(64, 8), (8, 8), (8, 64)]),
        ({"hidden": 0}, [(64, 64)]),
        ({"ratio": 100}, [(64, 1), (1, 64)]),
        ({"squeeze": "regions"}, [(576, 4), (4, 64)]),
        ({"squeeze": "flatten"}, [(64 * 30, 4), (4, 64)]),
    ],
)
def test_weights_and_macs(arguments, shapes):
    image = keras.Input((5, 6, 64))
    layer = SqueezeExcitation(**arguments)
    model = keras.Model(image, layer(image))
    assert [tuple(weight.shape) for weight in layer.weights] == shapes
    assert counts.count(model).macs == sum(a * b for a, b in shapes)


@pytest.mark.parametrize("squeeze", ["average", "regions", "flatten"])
def test_keeps_shapes_and_survives_a_file(squeeze, tmp_path):
    size = (6, 5) if squeeze == "flatten" else (None, None)
    image = keras.Input((*size, 8))
    layer = SqueezeExcitation(ratio=4, squeeze=squeeze, hidden=2, use_bias=True)
    model = keras.Model(image, layer(image))
    assert model.output_shape == (None, *size, 8)
    model.save(tmp_path / "model.keras")
    x = random(3, 6, 5, 8)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded(x).shape == x.shape
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize("squeeze", ["average", "regions", "flatten"])
def test_half_precision_keeps_its_type(squeeze):
    layer = SqueezeExcitation(squeeze=squeeze, dtype="mixed_float16")
    y = layer(random(2, 6, 6, 16))
    assert y.dtype == "float16"
    assert {weight.dtype for weight in layer.weights} == {"float32"}


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("ratio", 0, "positive integer"),
        ("squeeze", "averge", "did you mean 'average'"),
        ("hidden", -1, "at least 0"),
        ("hidden", 1.5, "at least 0"),
    ],
)
def test_wrong_arguments_are_named(argument, value, message):
    with pytest.raises(ValueError, match=message) as error:
        SqueezeExcitation(**{argument: value})
    assert f"`{argument}`" in str(error.value)


def test_flatten_needs_a_size():
    with pytest.raises(ValueError, match="needs height and width"):
        SqueezeExcitation(squeeze="flatten")(keras.Input((None, 5, 8)))
