"""LearnedGroupConv2D against formulas (2.11) and (2.12) written out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.analysis import counts
from kerasref.layers import LearnedGroupConv2D
from kerasref.regularizers import GroupLasso


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def built(features=12, **arguments):
    keras.utils.set_random_seed(0)
    layer = LearnedGroupConv2D(**{"filters": 6, "groups": 3, "condensation": 3, **arguments})
    layer.build((None, None, None, features))
    return layer


def test_starts_as_an_ordinary_convolution():
    layer, x = built(use_bias=True), random(2, 4, 5, 12)
    layer.bias.assign(random(6))
    plain = keras.layers.Conv2D(6, 1)
    plain.build(x.shape)
    plain.set_weights([layer.kernel, layer.bias])
    np.testing.assert_array_equal(layer(x), plain(x))


def test_condensing_gives_up_what_weighs_least():
    layer = built(filters=4, groups=2, condensation=3, features=6)
    kernel = np.ones((1, 1, 6, 4), "float32")
    kernel[0, 0, :, :2] = np.array([[6, 5, -4, 3, 2, 1], [0, 0, 0, 0, 0, 0.5]]).T
    kernel[0, 0, :, 2:] = np.array([[1, 1, 1, 9, 9, 9], [1, -3, 2, 0, 0, 0]]).T
    layer.kernel.assign(kernel)
    np.testing.assert_allclose(layer.importance(), [[6, 5, 4, 3, 2, 1.5], [2, 4, 3, 9, 9, 9]])
    layer.condense()
    np.testing.assert_array_equal(layer.mask, [[1, 1, 1, 1, 0, 0], [0, 1, 0, 1, 1, 1]])
    assert layer.stage == 1
    layer.condense()
    np.testing.assert_array_equal(layer.indices()[0], [0, 1])
    assert set(layer.indices()[1]) <= {3, 4, 5}
    assert layer.stage == 2


def test_a_stage_looks_at_the_weights_of_its_time_and_never_brings_any_back():
    layer = built()
    layer.condense()
    first = np.asarray(layer.mask)
    layer.kernel.assign(np.where(np.repeat(first.T, 2, axis=1) > 0, random(12, 6), 100)[None, None])
    layer.condense()
    assert np.all(np.asarray(layer.mask) <= first)
    assert np.asarray(layer.mask).sum(axis=1).tolist() == [4, 4, 4]


def test_masked_weights_have_neither_output_nor_gradient_nor_penalty():
    layer = built(kernel_regularizer=GroupLasso(0.1, groups=3))
    layer.condense()
    gone = np.repeat(np.asarray(layer.mask).T == 0, 2, axis=1)
    x = random(2, 3, 3, 12)
    before, (penalty,) = np.asarray(layer(x)), layer.losses
    kernel = np.asarray(layer.kernel).copy()
    kernel[0, 0][gone] = 1e3
    layer.kernel.assign(kernel)
    np.testing.assert_array_equal(layer(x), before)
    assert float(layer.losses[0]) == float(penalty)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(x) ** 2) + layer.losses[0]
    gradient = np.asarray(tape.gradient(value, layer.kernel.value))[0, 0]
    assert np.all(gradient[gone] == 0)
    assert np.all(gradient[~gone] != 0)


def test_one_group_without_condensation_keeps_everything():
    layer = built(groups=1, condensation=1)
    assert layer.indices().tolist() == [list(range(12))]


def test_state_survives_files(tmp_path):
    image = keras.Input((3, 3, 12))
    layer = LearnedGroupConv2D(6, 3, 3, use_bias=True, kernel_regularizer=GroupLasso(0.1, 3))
    model = keras.Model(image, layer(image))
    layer.condense()
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = random(2, 3, 3, 12)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert float(loaded.losses[0]) == float(model.losses[0]) > 0
    copy = loaded.layers[1]
    copy.condense()
    layer.condense()
    np.testing.assert_array_equal(copy.indices(), layer.indices())
    other = keras.models.clone_model(model)
    other.load_weights(tmp_path / "model.weights.h5")
    assert other.layers[1].stage == 1


def test_counts_what_training_multiplies():
    image = keras.Input((5, 4, 12))
    model = keras.Model(image, LearnedGroupConv2D(6, 3, 3)(image))
    assert model.output_shape == (None, 5, 4, 6)
    total = counts.count(model)
    assert (total.macs, total.trainable, total.non_trainable) == (20 * 72, 72, 36)


def test_half_precision_keeps_its_type():
    layer = built(dtype="mixed_float16")
    layer.condense()
    assert layer(random(2, 3, 3, 12)).dtype == "float16"
    assert {weight.dtype for weight in layer.weights} == {"float32"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, "`filters` must be a positive integer"),
        ({"filters": 7}, "`filters` must be a multiple of `groups`, not 7 for 3"),
        ({"groups": 1.5}, "`groups` must be a positive integer"),
        ({"condensation": 0}, "`condensation` must be a positive integer"),
        ({"condensation": 5}, "5 does not divide 12"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        built(**arguments)


def test_too_much_and_too_little_condensing_is_refused():
    layer = built(name="conv")
    layer.condense()
    with pytest.raises(ValueError, match="conv must condense 1 more times"):
        layer.indices()
    layer.condense()
    with pytest.raises(ValueError, match="conv has condensed 2 times"):
        layer.condense()
