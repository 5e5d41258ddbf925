"""The training loop on one device, against Keras's own `fit` and `evaluate`."""

import csv
import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits

from kerasref.data.pipeline import ArrayPipeline
from kerasref.harness import loop
from kerasref.harness import strategy as strategies
from kerasref.harness.errors import KerasrefError

BATCH = 64
LOSS = keras.losses.SparseCategoricalCrossentropy()
ACCURACY = keras.metrics.SparseCategoricalAccuracy(name="accuracy")


@pytest.fixture(scope="module")
def one():
    return strategies.start("one")


@pytest.fixture(scope="module")
def digits():
    bunch = load_digits()
    return (bunch.images[..., None] / 16).astype("float32"), bunch.target.astype("int32")


def build(*body, regularizer=None):
    keras.utils.clear_session()
    keras.utils.set_random_seed(5)
    head = layers.Dense(10, activation="softmax", kernel_regularizer=regularizer)
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), *body, head])


def training(x, y):
    return ArrayPipeline(x, y, BATCH, seed=5, shuffle=True, scale="raw")


def held_out(x, y, batch_size=BATCH):
    return ArrayPipeline(x, y, batch_size, shuffle=False, scale="raw")


@pytest.fixture
def fit(one, digits):
    """`loop.fit` with defaults: 640 training examples, 197 test examples, SGD."""
    x, y = digits

    def run(model, rate=0.05, **arguments):
        defaults = {
            "optimizer": keras.optimizers.SGD(rate, momentum=0.9),
            "loss": LOSS,
            "train": training(x[:640], y[:640]),
            "validation": held_out(x[1600:], y[1600:]),
            "epochs": 3,
            "strategy": one,
            "metrics": [ACCURACY],
        }
        return loop.fit(model, **(defaults | arguments))

    return run


@pytest.mark.parametrize("body", [[], [layers.BatchNormalization]], ids=["plain", "batch_norm"])
def test_equals_keras_fit_on_the_same_batches(fit, digits, body):
    x, y = digits
    pipeline = training(x[:640], y[:640])
    ours = build(*(make() for make in body), regularizer="l2")
    (row,) = fit(ours, epochs=1, train=pipeline)

    order = pipeline.order(1)[0].ravel()
    theirs = build(*(make() for make in body), regularizer="l2")
    sgd = keras.optimizers.SGD(0.05, momentum=0.9)
    theirs.compile(sgd, LOSS, metrics=["accuracy"], jit_compile=False)
    expected = theirs.fit(
        x[order],
        y[order],
        batch_size=BATCH,
        shuffle=False,
        verbose=0,
        validation_data=(x[1600:], y[1600:]),
    ).history
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    assert row["train_loss"] == pytest.approx(expected["loss"][0], abs=1e-6)
    assert row["train_accuracy"] == pytest.approx(expected["accuracy"][0], abs=1e-6)
    assert row["test_loss"] == pytest.approx(expected["val_loss"][0], abs=1e-6)
    assert row["test_accuracy"] == pytest.approx(expected["val_accuracy"][0], abs=1e-6)


@pytest.mark.parametrize("batch_size", [64, 100, 1000])
def test_evaluation_gives_padding_no_weight(fit, one, digits, batch_size):
    x, y = digits[0][1000:], digits[1][1000:]  # 797 examples: no batch size divides them
    model = build(regularizer="l2")
    fit(model, epochs=1)
    found = loop.Evaluator(model, LOSS, [ACCURACY], one)(held_out(x, y, batch_size))
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert found["loss"] == pytest.approx(loss, abs=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_evaluation_is_compiled_once_and_shared(fit, one, digits):
    x, y = digits
    calls = []
    model = build(layers.Lambda(lambda x: calls.append(x) or x))
    evaluate = loop.Evaluator(model, LOSS, [ACCURACY], one)
    calls.clear()
    history = fit(model, evaluate=evaluate)
    assert len(calls) == 2  # in training and in evaluation
    found = evaluate(held_out(x[1600:], y[1600:]))
    assert len(calls) == 2
    assert history[-1]["test_loss"] == found["loss"]
    assert history[-1]["test_accuracy"] == found["accuracy"]


def test_no_graph_outlives_its_training(fit):
    def graphs():
        keras.utils.clear_session()  # collects garbage
        return sum(isinstance(thing, tf.Graph) for thing in gc.get_objects())

    before = graphs()
    fit(build(), epochs=1)
    assert graphs() == before


@pytest.mark.parametrize("steps_per_call", [1, 7, 1000])
def test_steps_per_call_changes_nothing_but_speed(fit, steps_per_call):
    reference, model = build(layers.Dropout(0.3)), None
    expected = fit(reference, epochs=2)
    model = build(layers.Dropout(0.3))
    history = fit(model, epochs=2, steps_per_call=steps_per_call)
    for row, other in zip(history, expected, strict=True):
        assert row | {"seconds": 0} == other | {"seconds": 0}
    for mine, other in zip(model.variables, reference.variables, strict=True):
        np.testing.assert_array_equal(mine, other)


def auxiliary_network(outputs):
    """Logits by a dense layer, and the same again from layers of their own."""
    x = keras.Input((4,))
    heads = [
        keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(n), name=f"d{n}")
        for n in range(outputs)
    ]
    made = [head(x) for head in heads]
    return keras.Model(x, made if outputs > 1 else made[0])


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_auxiliary_losses_are_added_by_weight(one, weight):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 4)).astype("float32"), rng.integers(0, 3, 8)
    train = ArrayPipeline(x, y, 8, shuffle=True, scale="raw")
    test = ArrayPipeline(x, y, 8, shuffle=False, scale="raw")
    model = auxiliary_network(3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    before = model.get_weights()
    outputs = model(x)
    parts = [float(loss(y, output)) for output in outputs]
    history = loop.fit(
        model,
        optimizer=keras.optimizers.SGD(0.1),
        loss=loss,
        train=train,
        validation=test,
        epochs=1,
        strategy=one,
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        auxiliary_weight=weight,
    )
    assert history[0]["train_loss"] == pytest.approx(parts[0] + weight * sum(parts[1:]), rel=1e-5)
    prediction = model(x)[0]
    assert history[0]["test_loss"] == pytest.approx(float(loss(y, prediction)), rel=1e-5)
    hits = np.mean(np.argmax(outputs[0], axis=1) == y)
    assert history[0]["train_accuracy"] == pytest.approx(hits)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert moved[:2] == [True, True]
    assert moved[2:] == [weight > 0] * 4


def test_positions_are_averaged_like_keras_does(one):
    """A sequence model: the loss is the mean over examples and positions."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, (128, 5)), rng.integers(0, 9, (128, 5))

    def build():
        keras.utils.clear_session()
        keras.utils.set_random_seed(5)
        embedding = layers.Embedding(9, 4)
        return keras.Sequential([keras.Input((5,)), embedding, layers.Dense(9, "softmax")])

    class Tokens(ArrayPipeline):
        def _batch(self, indices, weights):
            return tf.gather(self._x, indices), tf.gather(self._y, indices), weights

    ours, theirs = build(), build()
    pipeline = Tokens(x, y, 32, shuffle=True)
    history = loop.fit(
        ours,
        optimizer=keras.optimizers.SGD(0.5),
        loss=LOSS,
        metrics=[ACCURACY],
        train=pipeline,
        validation=Tokens(x[:50], y[:50], 32, shuffle=False),
        epochs=1,
        strategy=one,
    )
    order = pipeline.order(1)[0].ravel()
    theirs.compile(keras.optimizers.SGD(0.5), LOSS, metrics=[ACCURACY], jit_compile=False)
    theirs.fit(x[order], y[order], batch_size=32, shuffle=False, verbose=0)
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    loss, accuracy = theirs.evaluate(x[:50], y[:50], verbose=0)
    assert history[0]["test_loss"] == pytest.approx(loss, abs=1e-6)
    assert history[0]["test_accuracy"] == pytest.approx(accuracy, abs=1e-6)


@pytest.mark.parametrize("epoch", [1, 2])
def test_nan_stops_and_names_the_step(fit, digits, tmp_path, epoch):
    x, y = digits[0][:680].copy(), digits[1][:680]
    pipeline = training(x, y)  # 10 steps; 40 examples are left out of each epoch
    first, second = pipeline.order(1)[0], pipeline.order(2)[0]
    if epoch == 1:
        bad, step = first[6, 0], 7
    else:
        bad = np.setdiff1d(second, first)[0]
        step = int(np.argwhere(second == bad)[0, 0]) + 1
    x[bad] = np.nan
    message = f"epoch {epoch}, step {(epoch - 1) * 10 + step} \\(step {step} of the epoch\\)"
    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(loop.TrainingDiverged, match=f"loss became nan at {message}"):
        fit(build(), train=training(x, y), checkpoint=checkpoint, steps_per_call=4)
    assert checkpoint.exists() == (epoch == 2)


def test_nan_in_the_test_loss_stops(fit, digits):
    x, y = digits[0][:100].copy(), digits[1][:100]
    x[3] = np.nan
    with pytest.raises(loop.TrainingDiverged, match="test loss became nan after epoch 1"):
        fit(build(), validation=held_out(x, y))


def test_callbacks_stop_schedule_and_log(fit, tmp_path):
    class Calls(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen, self.rates = [], []

        def on_epoch_begin(self, epoch, logs=None):
            self.seen.append(("epoch", epoch))

        def on_train_batch_end(self, batch, logs=None):
            assert logs["loss"] > 0
            self.seen.append(batch)

        def on_epoch_end(self, epoch, logs=None):
            self.rates.append(float(self.model.optimizer.learning_rate))

        def on_train_end(self, logs=None):
            self.seen.append("end")

    calls = Calls()
    stop = keras.callbacks.EarlyStopping(monitor="val_accuracy", min_delta=1.0, patience=2)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = fit(build(), epochs=9, callbacks=[calls, schedule, stop, log], steps_per_call=4)

    assert len(history) == 3
    epochs = [[("epoch", epoch), 3, 7, 9] for epoch in range(3)]
    assert calls.seen == [*epochs[0], *epochs[1], *epochs[2], "end"]
    np.testing.assert_allclose(calls.rates, [0.1, 0.05, 0.1 / 3], rtol=1e-6)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == [row["test_loss"] for row in history]
    assert [float(row["accuracy"]) for row in rows] == [row["train_accuracy"] for row in history]


def test_hooks(fit):
    steps, epochs = [], []
    history = fit(
        build(),
        epochs=2,
        on_step=lambda *args: steps.append(args),
        on_epoch=lambda *args: epochs.append(args),
        steps_per_call=6,
    )
    assert steps == [(6, 20), (10, 20), (16, 20), (20, 20)]
    assert epochs == [(1, history[0]), (2, history[1])]
    assert list(history[0]) == [
        "train_loss",
        "train_accuracy",
        "test_loss",
        "test_accuracy",
        "seconds",
    ]


@pytest.mark.parametrize("optimizer", ["Adam", "LossScaleOptimizer"])
def test_mixed_precision(fit, optimizer):
    """Keras wraps the optimizer where the policy is mixed_float16."""
    keras.utils.clear_session()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        keras.utils.set_random_seed(5)
        head = layers.Dense(10, activation="softmax", dtype="float32")
        model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), head])
        inner = keras.optimizers.Adam(0.01)
        wrapped = inner if optimizer == "Adam" else keras.optimizers.LossScaleOptimizer(inner)
        history = fit(model, optimizer=wrapped)
    finally:
        keras.config.set_dtype_policy("float32")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert int(inner.iterations) == 30
    assert history[-1]["test_accuracy"] > 0.7


def interrupted(fit, path, epochs=2):
    """Train some epochs and leave a checkpoint."""
    fit(build(), epochs=epochs, checkpoint=path)


def test_checkpoints_come_every_so_many_epochs(fit, tmp_path):
    path, found = tmp_path / "new" / "checkpoint", []
    fit(
        build(),
        epochs=5,
        checkpoint=path,
        checkpoint_every=2,
        on_epoch=lambda epoch, _: found.append(path.exists() and path.stat().st_mtime_ns),
    )
    assert found[0] is False
    assert found[1] == found[2] < found[3] < found[4]
    assert list(path.parent.iterdir()) == [path]


def test_a_finished_run_is_not_trained_again(fit, tmp_path):
    path = tmp_path / "checkpoint"
    first, second = build(), build()
    history = fit(first, checkpoint=path)
    assert fit(second, checkpoint=path, on_step=lambda *_: pytest.fail("trained")) == history
    for mine, other in zip(second.variables, first.variables, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_run_stopped_early_stays_stopped(fit, tmp_path):
    def stop():
        return [keras.callbacks.EarlyStopping(min_delta=100.0, patience=1)]

    path = tmp_path / "checkpoint"
    history = fit(build(), epochs=9, checkpoint=path, callbacks=stop())
    assert len(history) == 2
    assert fit(build(), epochs=9, checkpoint=path, callbacks=stop()) == history


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-9], lambda content: b"", flip],
    ids=["truncated", "empty", "flipped"],
)
def test_a_damaged_checkpoint_is_named_and_not_used(fit, tmp_path, caplog, damage):
    path = tmp_path / "checkpoint"
    interrupted(fit, path)
    path.write_bytes(damage(path.read_bytes()))
    history = fit(build(), checkpoint=path)
    assert f"{path}: checkpoint is damaged" in caplog.text
    assert [row["test_loss"] for row in history] == [row["test_loss"] for row in fit(build())]


def test_a_checkpoint_of_another_model_is_named_and_not_used(fit, tmp_path, caplog):
    path = tmp_path / "checkpoint"
    interrupted(fit, path)
    history = fit(build(layers.Dense(3)), checkpoint=path)
    assert f"{path}: checkpoint of another model" in caplog.text
    assert len(history) == 3


def test_model_outside_the_scope():
    """The scope of another strategy; in this process there is but one."""
    model, other = build(), tf.distribute.OneDeviceStrategy("/cpu:0")
    with pytest.raises(KerasrefError, match=r"the model was made outside strategy.scope\(\)"):
        loop.fit(
            model,
            optimizer=keras.optimizers.SGD(),
            loss=LOSS,
            train=None,
            epochs=1,
            strategy=other,
        )
