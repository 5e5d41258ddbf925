"""`data.augment` and dense evaluation in task `classify`, on scikit-learn's digits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref import data
from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.models import VGGSmall
from kerasref.tasks import _dense, _inputs, classify
from kerasref.tasks._config import DataConfig, ModelConfig

SIDES = {"sides": [12, 20], "test_side": 16}


def data_config(image_size=12, **augment):
    settings = {"source": "digits", "train": 256, "test": 100, "batch_size": 64}
    if image_size:
        settings["image_size"] = image_size
    return DataConfig.model_validate({**settings, "augment": augment})


def images(pipeline, epoch=0):
    once = pipeline.dataset(epoch, tf.distribute.InputContext(1, 0, 1)).take(pipeline.steps)
    return np.concatenate([x for x, _, _ in once])[: pipeline.examples]


def test_training_varies_and_tests_take_the_centre():
    inputs = _inputs.load(data_config(**SIDES, flip=True), seed=0)
    assert inputs.shape == (12, 12, 1)
    assert not np.array_equal(images(inputs.train, 1), images(inputs.train, 2))
    original = data.load("digits", 256, 100).x_test / 255
    whole = tf.image.resize(original, (16, 16)).numpy()
    np.testing.assert_allclose(images(inputs.whole), whole, atol=1e-6)
    np.testing.assert_allclose(images(inputs.test), whole[:, 2:14, 2:14], atol=1e-6)
    np.testing.assert_array_equal(images(inputs.train_in_order, 1), images(inputs.train_in_order))


def test_the_middle_of_the_sides_is_the_default_for_tests():
    whole = _inputs.load(data_config(sides=[12, 20]), seed=0).whole
    assert images(whole).shape == (100, 16, 16, 1)


def test_padding_and_mirroring_keep_size_and_test_set():
    plain = _inputs.load(data_config().model_copy(update={"augment": None}), seed=0)
    varied = _inputs.load(data_config(pad=2, flip=True), seed=0)
    assert varied.shape == plain.shape == (12, 12, 1)
    assert varied.whole is None
    np.testing.assert_array_equal(images(varied.test), images(plain.test))
    assert not np.array_equal(images(varied.train), images(plain.train))


@pytest.mark.parametrize(
    ("size", "augment", "message"),
    [
        (None, SIDES, "augment.sides needs image_size"),
        (13, SIDES, "crops of 13 are larger"),
        (12, {"sides": [20, 12]}, r"sides \[20, 12\]"),
        (12, {"sides": [12, 20], "test_side": 11}, "crops of 12 are larger"),
        (12, {"test_side": 11}, "test_side needs sides"),
    ],
)
def test_settings_that_make_no_sense_are_refused(size, augment, message):
    with pytest.raises(ValueError, match=message):
        data_config(size, **augment)


def test_imagenet_is_not_padded():
    with pytest.raises(ValueError, match=r"imagenet2012 is read without augment\.pad"):
        DataConfig.model_validate({"source": "imagenet2012", "augment": {"pad": 4}})


MODEL = {"builder": "VGGSmall", "width": 0.25, "depths": [1, 1, 1], "dropout": 0.0}


def run(head="dense", **probes):
    settings = {
        "model": {**MODEL, "head": head},
        "data": data_config(**SIDES).model_dump(),
        "train": {"epochs": 1, "optimizer": {"name": "Adam", "learning_rate": 0.01}},
        "probes": probes,
    }
    return classify.run(classify.Config.model_validate(settings), Context(seed=0))


def test_dense_evaluation_is_measured_after_training():
    metrics = run(dense=True)
    difference = metrics["dense_accuracy"] - metrics["crops_accuracy"]
    assert metrics["dense_minus_crops"] == pytest.approx(difference)
    assert 0 <= metrics["dense_accuracy"] <= 1


def test_dense_and_crop_accuracies_count_every_test_image():
    keras.utils.set_random_seed(0)
    model = VGGSmall(width=0.25, depths=(1, 1, 1), input_shape=(12, 12, 1))
    inputs = _inputs.load(data_config(**SIDES), seed=0)
    found = _dense.measure(ModelConfig.model_validate(MODEL), model, inputs, top_k=10)
    x, y = images(inputs.whole), data.load("digits", 256, 100).y_test
    corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    votes = sum(model(x[:, r : r + 12, c : c + 12]).numpy() for r, c in corners)
    assert found["crops_accuracy"] == pytest.approx(np.mean(votes.argmax(axis=1) == y))
    assert found["dense_top_k_accuracy"] == 1


def test_dense_evaluation_needs_hidden_dense_layers():
    with pytest.raises(ConfigError, match=r"probes\.dense: vggsmall is no VGG with hidden dense"):
        run(dense=True, head="gap")


def test_dense_evaluation_needs_whole_images():
    with pytest.raises(ValueError, match=r"probes\.dense needs data\.augment\.sides"):
        classify.Config.model_validate(
            {
                "model": MODEL,
                "data": {"source": "digits"},
                "train": {"epochs": 1},
                "probes": {"dense": True},
            }
        )
