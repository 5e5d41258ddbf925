"""Models without values for their weights."""

import keras
import pytest

from kerasref import models
from kerasref.analysis import counts
from kerasref.analysis.weightless import weightless


def wide():
    """A dense layer whose kernel would take 40 terabytes."""
    image = keras.Input((10_000_000,))
    return keras.Model(image, keras.layers.Dense(1_000_000)(image))


def test_counts_are_those_of_the_same_model_with_values():
    def build():
        return models.ResNetCIFAR(depth=8, width=4, order="preactivation")

    without, with_values = weightless(build), build()
    assert counts.layer_table(without) == counts.layer_table(with_values)
    assert counts.count(without) == counts.count(with_values)
    assert counts.connections(without) == counts.connections(with_values)


def test_size_does_not_matter_then_or_later():
    assert counts.count(weightless(wide)).params == 10_000_000 * 1_000_000 + 1_000_000
    with keras.StatelessScope():
        pass  # leaving it initialises every weight that is still waiting
    assert keras.Sequential([keras.layers.Dense(2)])(keras.ops.ones((1, 3))).shape == (1, 2)


def test_the_callers_seed_and_names_stay():
    def drawn():
        keras.utils.set_random_seed(3)
        dense = keras.layers.Dense(4)
        if drawn.between:
            weightless(lambda: models.LeNet5Keras())
        dense.build((None, 3))
        following = keras.layers.Dense(1)
        return dense.kernel.numpy().tolist(), int(following.name.removeprefix("dense_") or 0)

    drawn.between = False
    kernel, number = drawn()
    drawn.between = True
    assert drawn() == (kernel, number + 2)


def test_errors_come_through():
    with pytest.raises(ValueError, match="`input_shape`"):
        weightless(lambda: models.LeNet5Keras(input_shape=(64, 64)))
