"""Maxout units."""

import keras
import numpy as np
import pytest

from kerasref.analysis import counts
from kerasref.layers import Maxout


def test_is_the_largest_of_k_affine_maps():
    rng = np.random.default_rng(0)
    layer, x = Maxout(3, 4), rng.normal(size=(5, 2)).astype("float32")
    layer.build(x.shape)
    kernel, bias = rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 4))
    layer.set_weights([kernel, bias])
    pieces = [x @ kernel[:, :, j] + bias[:, j] for j in range(4)]
    np.testing.assert_allclose(layer(x), np.max(pieces, axis=0), rtol=1e-5, atol=1e-6)


def test_weights_have_the_books_shapes():
    layer = Maxout(7, 5)
    layer.build((None, 11))
    assert [tuple(weight.shape) for weight in layer.weights] == [(11, 7, 5), (7, 5)]
    assert layer.count_params() == 5 * (11 + 1) * 7


def test_initial_weights_are_a_dense_layers_with_all_pieces():
    initializer = keras.initializers.GlorotUniform(seed=3)
    layer = Maxout(4, 3, kernel_initializer=initializer)
    layer.build((None, 6))
    np.testing.assert_array_equal(layer.kernel.numpy().reshape(6, 12), initializer((6, 12)))
    assert np.unique(layer.kernel).size == 72


def test_takes_any_leading_dimensions_and_an_unknown_batch():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    image = keras.Input((3, 4, 5))
    model = keras.Model(image, Maxout(2, 3)(image))
    assert model.output_shape == (None, 3, 4, 2)
    layer = model.layers[-1]
    np.testing.assert_allclose(model(x)[1, 2], layer(x[1, 2]), rtol=1e-5, atol=1e-6)
    assert counts.count(model).macs == 3 * 4 * (5 * 2 * 3)


def test_file_round_trip(tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    layer = Maxout(3, 2, kernel_initializer="he_normal", bias_initializer="ones")
    model = keras.Sequential([keras.Input((5,)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    assert isinstance(loaded.layers[0].kernel_initializer, keras.initializers.HeNormal)


@pytest.mark.parametrize(("units", "pieces", "name"), [(0, 2, "units"), (2, 1.5, "pieces")])
def test_wrong_sizes_are_named(units, pieces, name):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer"):
        Maxout(units, pieces)
