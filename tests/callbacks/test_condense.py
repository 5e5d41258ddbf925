"""The schedule of condensing, under the training loop and after a kill."""

import keras
import numpy as np
import pytest

from kerasref.callbacks import Condense
from kerasref.harness.context import Context
from kerasref.layers import LearnedGroupConv2D
from kerasref.tasks import _config, _objects, classify


def model(*condensations):
    x = image = keras.Input((4, 4, 24))
    for factor in condensations:
        x = LearnedGroupConv2D(24, 2, factor)(x)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


class Stages(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        layers = [y for y in self.model.layers if isinstance(y, LearnedGroupConv2D)]
        self.seen.append(tuple(layer.stage for layer in layers))


@pytest.mark.parametrize(
    ("epochs", "stages"),
    [
        (12, [0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3]),
        (6, [0, 1, 2, 3, 3, 3]),
        (7, [0, 0, 1, 2, 3, 3, 3]),  # stages of 7/6 epochs: after 1.17, 2.33 and 3.5
    ],
)
def test_condenses_after_equal_stages_of_the_first_half(epochs, stages):
    network, seen = model(4), Stages()
    network.compile("sgd", "mse")
    x, y = np.ones((2, 4, 4, 24)), np.ones((2, 24))
    network.fit(x, y, epochs=epochs, verbose=0, callbacks=[Condense(), seen])
    assert seen.seen == [(stage,) for stage in stages]


def test_each_layer_goes_by_its_own_factor():
    network, seen = model(4, 2, 1), Stages()
    network.compile("sgd", "mse")
    x, y = np.ones((2, 4, 4, 24)), np.ones((2, 24))
    network.fit(x, y, epochs=6, verbose=0, callbacks=[Condense(), seen])
    assert seen.seen == [(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 1, 0), (3, 1, 0), (3, 1, 0)]


def test_finds_layers_of_nested_models():
    inner = model(2)
    image = keras.Input((4, 4, 24))
    network = keras.Model(image, inner(image))
    network.compile("sgd", "mse")
    network.fit(np.ones((2, 4, 4, 24)), np.ones((2, 24)), epochs=2, verbose=0, callbacks=Condense())
    assert inner.layers[1].stage == 1


@pytest.mark.parametrize(
    ("condensations", "epochs", "message"),
    [((), 9, "has no LearnedGroupConv2D"), ((2, 4), 5, "at least 6 epochs, not 5")],
)
def test_what_cannot_condense_is_refused(condensations, epochs, message):
    network = model(*condensations)
    network.compile("sgd", "mse")
    with pytest.raises(ValueError, match=message):
        network.fit(np.ones((2, 4, 4, 24)), np.ones((2, 24)), epochs=epochs, callbacks=Condense())


def test_experiments_find_it_by_name():
    made, other = _objects.callbacks(
        [_config.Named(name="Condense"), _config.Named(name="TerminateOnNaN")]
    )
    assert type(made) is Condense
    assert type(other) is keras.callbacks.TerminateOnNaN


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [3, 4, 5])
def test_interrupted_training_resumes_to_the_same_bits(after, tmp_path):
    """Before, at and after the second condensation; the optimizer has momentum."""
    settings = {
        "model": {
            "builder": "CondenseNetSmall",
            "blocks": [1, 1],
            "growth_rate": 4,
            "group_lasso": 1e-3,
        },
        "data": {"source": "digits", "train": 256, "test": 64, "batch_size": 32},
        "train": {
            "epochs": 7,
            "optimizer": {"name": "SGD", "learning_rate": 0.05, "momentum": 0.9},
            "callbacks": [{"name": "Condense"}],
        },
        "probes": {"prunable": True},
    }
    config = classify.Config.model_validate(settings)
    path = tmp_path / "run.checkpoint"

    def stop(epoch, metrics):
        if epoch == after:
            raise Killed

    whole = classify.run(config, Context(seed=3))
    with pytest.raises(Killed):
        classify.run(config, Context(seed=3, checkpoint=path, log_epoch=stop))
    resumed = classify.run(config, Context(seed=3, checkpoint=path))
    for name, value in whole.items():
        if "seconds" not in name:
            assert resumed[name] == value, name
    assert resumed["prunable_importance"] == 0
