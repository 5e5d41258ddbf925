"""One suite for every builder in `kerasref.models.__all__`.

A new family costs a file in counts/, and an entry in small_forms.py for each builder whose default
form is too big to run in a test.
"""

import csv
import functools
import inspect
import json
import math
import pathlib
import pickle
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_forms import RUNNABLE

from kerasref import models
from kerasref.analysis import counts
from kerasref.analysis.weightless import weightless

OVERFITS_BELOW = 1_000_000  # parameters

PUBLISHED = [
    row
    for path in sorted(pathlib.Path(__file__).with_name("counts").glob("*.csv"))
    for row in csv.DictReader(path.read_text().splitlines())
]

# One builder's tests stay in one process, which builds what they share once.
every_builder = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in models.__all__]
)


def runnable(name, /, **arguments):
    return getattr(models, name)(**{**RUNNABLE.get(name, {}), **arguments})


@functools.cache
def built(name):
    """A shared instance for tests that leave its weights alone."""
    keras.utils.set_random_seed(0)
    return runnable(name)


@functools.cache
def body(name):
    """Likewise without the top, for images of any size."""
    keras.utils.set_random_seed(0)
    channels = built(name).input_shape[-1]
    return runnable(name, include_top=False, input_shape=(None, None, channels))


def images(model, batch=2, seed=0):
    shape = (batch, *model.input_shape[1:])
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@functools.cache
def measured(name, kwargs):
    model = weightless(lambda: getattr(models, name)(**json.loads(kwargs)))
    table, total = counts.layer_table(model), counts.count(model)
    connections = counts.connections(model)
    values = {
        "params": total.params,
        "trainable": total.trainable,
        "non_trainable": total.non_trainable,
        "macs": total.macs,
        "activations": total.activations,
        "connections": sum(connections.values()),
    }
    values |= {f"params.{row.name}": row.params for row in table}
    values |= {f"outputs.{row.name}": math.prod(row.output_shape[1:]) for row in table}
    return values | {f"connections.{layer}": number for layer, number in connections.items()}


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=pytest.mark.xdist_group(row["builder"])) for row in PUBLISHED],
    ids=lambda row: f"{row['builder']}-{row['metric']}-{row['value']}",
)
def test_counts_equal_the_published(row):
    assert measured(row["builder"], row["kwargs"])[row["metric"]] == int(row["value"]), row[
        "source"
    ]


@every_builder
def test_counts_of_the_default_form_are_published(name):
    published = {r["metric"] for r in PUBLISHED if r["builder"] == name and r["kwargs"] == "{}"}
    assert {"params", "macs"} <= published


@every_builder
def test_top_gives_class_probabilities(name):
    model = built(name)
    probabilities = model(images(model)).numpy()
    assert probabilities.shape == (2, model.output_shape[-1])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@every_builder
def test_without_activation_the_top_gives_logits(name):
    model = built(name)
    logits = runnable(name, classifier_activation=None)
    logits.set_weights(model.get_weights())
    x = images(model)
    np.testing.assert_allclose(keras.ops.softmax(logits(x)), model(x), rtol=1e-5, atol=1e-7)


@every_builder
def test_without_top_and_pooling(name):
    x = images(built(name))
    maps = body(name)(x).numpy()
    assert maps.ndim == 4
    for pooling, reduce in (("avg", np.mean), ("max", np.max)):
        pooled = runnable(name, include_top=False, pooling=pooling)
        pooled.set_weights(body(name).get_weights())
        np.testing.assert_allclose(pooled(x), reduce(maps, axis=(1, 2)), rtol=1e-5, atol=1e-6)


@every_builder
def test_without_top_takes_any_size_and_keeps_height_and_width_apart(name):
    height, width, channels = built(name).input_shape[1:]
    free = body(name)
    for shape in ((height, width + 16, channels), (height + 16, width, channels)):
        fixed = runnable(name, include_top=False, input_shape=shape)
        fixed.set_weights(free.get_weights())
        x = images(fixed)
        assert free(x).shape[1:] == fixed.output_shape[1:]
        np.testing.assert_allclose(free(x), fixed(x), rtol=1e-5, atol=1e-6)


@every_builder
def test_top_takes_non_square_images(name):
    height, width, channels = built(name).input_shape[1:]
    model = runnable(name, input_shape=(height, width + 16, channels))
    assert np.isfinite(model(images(model)).numpy()).all()


@every_builder
def test_examples_of_a_batch_do_not_touch(name):
    model = built(name)
    x = images(model, batch=3)
    one_by_one = np.concatenate([model(x[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(model(x), one_by_one, rtol=1e-4, atol=1e-6)


@every_builder
def test_keras_file_keeps_outputs(name, tmp_path):
    model = built(name)
    model.save(tmp_path / "model.keras")
    x = images(model)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


@every_builder
def test_weights_are_read_from_a_file(name, tmp_path):
    model = built(name)
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    x = images(model)
    np.testing.assert_array_equal(runnable(name, weights=path)(x), model(x))


@every_builder
def test_missing_weights_are_named(name):
    with pytest.raises(ValueError, match=r"`weights`.*absent\.weights\.h5"):
        runnable(name, weights="absent.weights.h5")


@every_builder
def test_every_weight_has_a_finite_gradient_that_is_not_zero(name):
    keras.utils.set_random_seed(1)
    model = runnable(name, classifier_activation=None)
    labels = np.arange(4) % model.output_shape[-1]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        value = loss(labels, model(images(model, batch=4), training=True))
    gradients = tape.gradient(value, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.any(gradient != 0), weight.path


@every_builder
def test_mixed_precision_keeps_weights_and_output_in_float32(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = runnable(name)
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights(built(name).get_weights())
    x = images(model)
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert any(layer.compute_dtype == "bfloat16" for layer in model.layers)
    assert model.output.dtype == "float32"
    probabilities = model(x).numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(probabilities, built(name)(x), atol=0.05)


@every_builder
def test_layer_names_are_unique_stable_and_readable(name):
    names = [layer.name for layer in built(name).layers]
    assert names == [layer.name for layer in weightless(lambda: runnable(name)).layers]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", layer) for layer in names)
    paths = [weight.path for weight in built(name).weights]
    assert len(set(paths)) == len(paths)


@every_builder
def test_the_seed_decides_the_weights(name):
    def kernels(model):
        return [weight.numpy() for weight in model.weights if "kernel" in weight.path]

    def seeded(seed):
        keras.utils.set_random_seed(seed)
        return kernels(runnable(name))

    for one, two, three in zip(kernels(built(name)), seeded(0), seeded(4), strict=True):
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, three)


@every_builder
def test_builds_on_a_tensor(name):
    model = built(name)
    image = keras.Input(model.input_shape[1:])
    on_tensor = runnable(name, input_tensor=image * 2, input_shape=None)
    on_tensor.set_weights(model.get_weights())
    x = images(model)
    np.testing.assert_allclose(on_tensor(x), model(x * 2), rtol=1e-4, atol=1e-6)


@every_builder
@pytest.mark.parametrize("shape", [(0, 64, 1), (64, 64), (None, 64, 3)])
def test_impossible_input_shapes_are_refused(name, shape):
    with pytest.raises(ValueError, match="`input_shape`"):
        runnable(name, input_shape=shape)


@every_builder
def test_is_an_ordinary_documented_function(name):
    builder = getattr(models, name)
    assert pickle.loads(pickle.dumps(builder)) is builder
    assert builder.__name__ == builder.__qualname__ == name
    doc = inspect.getdoc(builder)
    for parameter in inspect.signature(builder).parameters:
        assert re.search(rf"^ +{parameter}: ", doc, re.MULTILINE), parameter
    for section in ("Reference:", "Args:", "Returns:", "Raises:"):
        assert section in doc
    provenance = builder.provenance
    assert provenance.reference
    assert provenance.counts
    ledger_id = r"[A-Z]+\d+(\.\d+)?-\d+|[A-Z]\d+\.\d+[a-z]?|D2L-[A-Z]+\d+[a-z]?"
    assert all(re.fullmatch(ledger_id, row) for row in provenance.ledger)
    default = inspect.signature(builder).parameters["name"].default
    assert built(name).name == default
    assert weightless(lambda: runnable(name, name="other")).name == "other"
    with pytest.raises(TypeError, match=name):
        builder(no_such_argument=1)


@every_builder
def test_fits_one_small_batch(name):
    if measured(name, "{}")["params"] >= OVERFITS_BELOW:
        pytest.skip(f"{name} has {OVERFITS_BELOW:,} parameters or more")
    keras.utils.set_random_seed(0)
    regularised = "dropout" in inspect.signature(getattr(models, name)).parameters
    model = runnable(name, **({"dropout": 0} if regularised else {}))
    x, labels = images(model, batch=10), np.arange(10)
    for layer in model.layers:
        if hasattr(layer, "momentum"):  # averages that follow in some 20 steps, not 400
            layer.momentum = 0.8
    optimizer = keras.optimizers.Adam(3e-3)
    optimizer.build(model.trainable_variables)  # else the training step is traced twice
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(60):
        for _ in range(10):
            model.train_on_batch(x, labels)
        model.reset_metrics()
        accuracy = model.test_on_batch(x, labels, return_dict=True)["accuracy"]
        if accuracy == 1:
            break
    assert accuracy == 1
