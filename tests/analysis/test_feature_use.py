"""Use of sources by the size of weights, on networks whose weights are set by hand."""

import keras
import numpy as np
import pytest

from kerasref import models
from kerasref.analysis.feature_use import Use, feature_use, near_minus_far
from kerasref.layers import LearnedGroupConv2D


def network():
    """Image of 1 channel, `a` of 2, `b` of 3 that sees both, a classifier that sees all three."""
    image = keras.Input((4, 4, 1), name="image")
    a = keras.layers.Conv2D(2, 3, padding="same", name="a")(image)
    x = keras.layers.Concatenate()([image, a])
    y = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    b = keras.layers.Conv2D(3, 1, name="b")(y)
    x = keras.layers.AveragePooling2D(2)(keras.layers.Concatenate()([x, b]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(2, name="out")(x))


def test_weights_are_averaged_over_each_source():
    model = network()
    model.get_layer("b").kernel.assign(np.array([1, -2, 6])[None, None, :, None] * np.ones(3))
    out = np.array([1, 2, 2, -4, -4, 4])[:, None] * np.ones(2)
    model.get_layer("out").kernel.assign(out)
    table = feature_use(model)
    assert list(table) == ["b", "out"]
    assert table["b"] == [Use("image", pytest.approx(1 / 3)), Use("a", pytest.approx(4 / 3))]
    mean = 17 / 6
    assert table["out"] == [
        Use("image", pytest.approx(1 / mean)),
        Use("a", pytest.approx(2 / mean)),
        Use("b", pytest.approx(4 / mean)),
    ]
    assert near_minus_far(table["out"]) == pytest.approx(3 / mean)


def test_masked_weights_count_nothing():
    x = image = keras.Input((4, 4, 4), name="image")
    a = keras.layers.Conv2D(4, 1, name="a")(x)
    y = LearnedGroupConv2D(2, 1, 2, name="c")(keras.layers.Concatenate()([x, a]))
    model = keras.Model(image, y)
    layer = model.get_layer("c")
    layer.kernel.assign(np.repeat([3.0, 1.0], 4)[None, None, :, None] * np.ones(2))
    assert [use.weight for use in feature_use(model)["c"]] == [1.5, 0.5]
    layer.condense()
    assert [use.weight for use in feature_use(model)["c"]] == [2, 0]


def test_sees_through_blocks_and_poolings():
    model = models.CondenseNetSmall(blocks=(1, 2), growth_rate=4, input_shape=(8, 8, 1))
    table = feature_use(model)
    sources = [use.source for use in table["conv3_block2_1_conv"]]
    assert sources == ["conv1_conv", "conv2_block1_2_conv", "conv3_block1_2_conv"]
    assert [use.source for use in table["fc"]] == [*sources, "conv3_block2_2_conv"]
    assert "conv3_block2_2_conv" not in table
