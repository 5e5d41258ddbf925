"""LeNet-5's own arguments."""

import itertools

import keras
import numpy as np
import pytest

from kerasref.models import LeNet5, LeNet5D2L, LeNet5Keras


def test_1998_form_is_the_documented_stack():
    kinds = [type(layer).__name__ for layer in LeNet5().layers[1:6]]
    assert kinds == [
        "Conv2D",
        "TrainableSubsampling",
        "SparseConv2D",
        "TrainableSubsampling",
        "Flatten",
    ]
    shapes = {layer.name: layer.output.shape[1:] for layer in LeNet5().layers}
    assert shapes["c3"] == (10, 10, 16)
    assert shapes["s4"] == (5, 5, 16)


def test_keras_form_has_the_books_shapes():
    shapes = [tuple(layer.output.shape[1:]) for layer in LeNet5Keras().layers[1:8]]
    assert shapes[:4] == [(24, 24, 6), (12, 12, 6), (8, 8, 16), (4, 4, 16)]
    assert shapes[4:] == [(256,), (120,), (84,)]


def test_dropout_follows_both_hidden_dense_layers():
    layers = LeNet5Keras(dropout=0.2).layers
    rates = {a.name: b.rate for a, b in itertools.pairwise(layers) if hasattr(b, "rate")}
    assert rates == {"c5": 0.2, "f6": 0.2}
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in LeNet5Keras().layers)


def test_activation_reaches_every_hidden_layer():
    model = LeNet5Keras(activation="relu")
    for name in ("c1", "c3", "c5", "f6"):
        assert model.get_layer(name).activation is keras.activations.relu


@pytest.mark.parametrize(("subsampling", "params"), [("max", 0), ("average", 0), ("trainable", 12)])
def test_subsampling_kinds_give_the_same_maps(subsampling, params):
    layer = LeNet5Keras(subsampling=subsampling).get_layer("s2")
    assert layer.output.shape == (None, 12, 12, 6)
    assert layer.count_params() == params


def test_width_scales_maps_and_units():
    shapes = {layer.name: layer.output.shape[-1] for layer in LeNet5Keras(width=2).layers}
    assert [shapes[name] for name in ("c1", "c3", "c5", "f6", "output")] == [12, 32, 240, 168, 10]


def test_average_pooling_equals_fresh_trainable_subsampling():
    average, trainable = (LeNet5Keras(subsampling=s) for s in ("average", "trainable"))
    for name in ("c1", "c3", "c5", "f6", "output"):
        trainable.get_layer(name).set_weights(average.get_layer(name).get_weights())
    x = np.random.default_rng(0).normal(size=(2, 28, 28, 1))
    np.testing.assert_allclose(trainable(x), average(x), rtol=1e-5, atol=1e-6)


def test_unknown_subsampling_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'average'"):
        LeNet5Keras(subsampling="averge")


def test_smallest_image():
    assert LeNet5Keras(input_shape=(16, 16, 1)).get_layer("s4").output.shape == (None, 1, 1, 16)
    with pytest.raises(ValueError, match="at least 16x16"):
        LeNet5Keras(input_shape=(15, 16, 1))


def test_d2l_form_pads_the_first_convolution_and_averages():
    model = LeNet5D2L()
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
    assert (shapes["c1"], shapes["s4"]) == ((28, 28, 6), (5, 5, 16))
    assert isinstance(model.get_layer("s2"), keras.layers.AveragePooling2D)
    assert model.get_layer("f6").activation is keras.activations.sigmoid


def test_filters_replace_the_numbers_of_maps():
    shapes = {layer.name: layer.output.shape[-1] for layer in LeNet5Keras(filters=(8, 12)).layers}
    assert (shapes["c1"], shapes["c3"], shapes["c5"]) == (8, 12, 120)


def test_two_3x3_convolutions_in_place_of_each_5x5():
    large, small = LeNet5Keras(), LeNet5Keras(kernel=3)
    names = [layer.name for layer in small.layers[1:7]]
    assert names == ["c1_1", "c1_2", "s2", "c3_1", "c3_2", "s4"]
    for name in ("s2", "s4"):
        assert small.get_layer(name).output.shape == large.get_layer(name).output.shape
    with pytest.raises(ValueError, match="`kernel` cannot be 7"):
        LeNet5Keras(kernel=7)
