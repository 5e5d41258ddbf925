"""The training loop: one for every tf.distribute strategy, bit-exact when repeated or resumed.

It takes ordinary Keras models, losses, optimizers, metrics and callbacks. It adds to `Model.fit`
what the experiments need: multi-worker training under Keras 3, a stop at the first loss that is not
finite, and resuming after a kill with the numbers of an uninterrupted run.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from kerasref.harness import checkpoint as checkpoints
from kerasref.harness.errors import KerasrefError
from kerasref.harness.strategy import is_chief, total, workers

STEPS_PER_CALL = 32
SUM = tf.distribute.ReduceOp.SUM


class TrainingDiverged(KerasrefError):
    """A loss became nan or infinite; the message names the first such step, counted from 1."""


class Pipeline(Protocol):
    """What the loop needs of data.

    Attributes:
        steps: global batches per epoch.
        batch_size: examples in a global batch, over all replicas.
    """

    steps: int
    batch_size: int

    def dataset(self, epoch: int, context: tf.distribute.InputContext) -> tf.data.Dataset:
        """At least `steps` batches `(x, y, sample_weight)` for each replica of this process.

        Consecutive elements go to consecutive replicas.
        """


def fit(
    model: keras.Model,
    *,
    optimizer: keras.optimizers.Optimizer,
    loss: keras.losses.Loss,
    train: Pipeline,
    epochs: int,
    strategy: tf.distribute.Strategy,
    validation: Pipeline | None = None,
    metrics: Sequence[keras.metrics.Metric] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    steps_per_call: int = STEPS_PER_CALL,
    auxiliary_weight: float = 0.3,
    evaluate: Evaluator | None = None,
) -> list[dict[str, float]]:
    """Train `model`; a run that was killed goes on from `checkpoint`.

    The loss is the mean over the global batch (and over positions, where an example has several),
    plus the model's own losses. Gradients are summed over replicas before the optimizer
    clips them. Afterwards `model` is compiled with the same optimizer, loss and metrics.

    Args:
        model: built model, made under `strategy.scope()`. Its output, or the first of its list of
            outputs, is the prediction; the others are auxiliary ones.
        optimizer: made under `strategy.scope()`.
        loss: its `reduction` is not used.
        train: pipeline of the training set.
        epochs: epochs in all, those before an interruption included.
        strategy: from `kerasref.harness.strategy.start`.
        validation: pipeline to evaluate after each epoch.
        metrics: metrics with scalar results; copied, their own state stays untouched.
        callbacks: see Keras's log names (`loss`, `val_loss`, ...). Batch hooks come once per
            `steps_per_call` steps, as with Keras's `steps_per_execution`.
        checkpoint: file to resume from, where it exists, and to write. One file per run.
        checkpoint_every: epochs between checkpoints; the last epoch always writes one.
        on_epoch: called with the epoch (from 1) and its row of the history.
        on_step: called with the steps done and the steps in all, after each compiled call.
        steps_per_call: training steps in one call of the compiled function.
        auxiliary_weight: of the loss of each auxiliary output, added to the prediction's. The
            training loss is the sum; evaluation looks at the prediction alone.
        evaluate: of `model`, to share what it has compiled; None for one of `loss` and `metrics`.

    Returns:
        Per epoch a dict of `train_loss`, `train_<metric>`, `test_loss`, `test_<metric>` and
        `seconds` (wall time of the training steps). A resumed run returns all its epochs.

    Raises:
        TrainingDiverged: a loss became nan or infinite.
        KerasrefError: model or optimizer made outside `strategy.scope()`; with several replicas,
            gradient accumulation or an EMA that overwrites; workers see different checkpoints.
    """
    _check_scope(strategy, model=model, optimizer=optimizer)
    _check_replicable(optimizer, strategy)
    with strategy.scope():
        train_metrics = [_copy(metric) for metric in metrics]
        model.compile(optimizer, loss, weighted_metrics=train_metrics)
        optimizer = model.optimizer  # under mixed_float16 Keras wraps it to scale the loss
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
    train_steps = _train_function(model, loss, auxiliary_weight, strategy)
    evaluate = evaluate or Evaluator(model, loss, metrics, strategy)

    callback_list = keras.callbacks.CallbackList(
        list(callbacks), model=model, epochs=epochs, steps=train.steps, verbose=0
    )
    callback_list.on_train_begin()
    history = []
    if checkpoint is not None:
        checkpoint = Path(checkpoint)
        history = checkpoints.restore(checkpoint, model, callback_list.callbacks)
        _check_same_epoch(strategy, len(history), checkpoint)

    with _gradients_summed_before(optimizer):
        for epoch in range(len(history) + 1, epochs + 1):
            if model.stop_training:
                break
            callback_list.on_epoch_begin(epoch - 1)

            # Train
            began = time.perf_counter()
            for metric in train_metrics:
                metric.reset_state()
            batches = _batches(strategy, train, epoch)
            losses = np.empty(train.steps)
            for first, count in _calls(train.steps, steps_per_call):
                callback_list.on_train_batch_begin(first)
                done = first + count
                losses[first:done] = train_steps(batches, tf.constant(count))
                _check_finite(losses[:done], epoch, train.steps)
                callback_list.on_train_batch_end(done - 1, {"loss": losses[:done].mean()})
                if on_step is not None:
                    on_step((epoch - 1) * train.steps + done, epochs * train.steps)
            row = {"train_loss": float(losses.mean())} | _results("train_", train_metrics)
            seconds = time.perf_counter() - began

            # Evaluate
            if validation is not None:
                row |= {f"test_{name}": value for name, value in evaluate(validation).items()}
                if not np.isfinite(row["test_loss"]):
                    raise TrainingDiverged(
                        f"test loss became {row['test_loss']} after epoch {epoch}"
                    )
            history.append(row | {"seconds": seconds})

            # Record
            callback_list.on_epoch_end(epoch - 1, _keras_logs(row))
            due = epoch == epochs or model.stop_training or epoch % checkpoint_every == 0
            if checkpoint is not None and due and is_chief(strategy):
                checkpoints.save(checkpoint, model, callback_list.callbacks, history)
            if on_epoch is not None:
                on_epoch(epoch, history[-1])

    optimizer.finalize_variable_values(model.trainable_variables)
    callback_list.on_train_end()
    return history


class Evaluator:
    """Loss and metrics of a model over a pipeline; traced once, called as often as wanted.

    Examples count by their weight; those of weight 0, which fill up the last batch, not at all.

    Args:
        model: built model; of several outputs the first counts.
        loss: its `reduction` is not used.
        metrics: metrics with scalar results; copied.
        strategy: from `kerasref.harness.strategy.start`.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: keras.losses.Loss,
        metrics: Sequence[keras.metrics.Metric],
        strategy: tf.distribute.Strategy,
    ):
        self._strategy = strategy
        with strategy.scope():
            self._metrics = [_copy(metric) for metric in metrics]
        self._steps = _test_function(model, loss, self._metrics, strategy)

    def __call__(self, pipeline: Pipeline) -> dict[str, float]:
        """`{"loss": ..., "<metric>": ...}` over the whole pipeline."""
        for metric in self._metrics:
            metric.reset_state()
        batches = _batches(self._strategy, pipeline, epoch=0)
        total = np.zeros(2)
        for _, count in _calls(pipeline.steps, STEPS_PER_CALL):
            sums = self._steps(batches, tf.constant(count)).numpy()
            total += sums.sum(axis=0, dtype="float64")
        return {"loss": float(total[0] / total[1])} | _results("", self._metrics)


def _train_function(model, loss, auxiliary_weight, strategy):
    """Compile n training steps into one function; it returns the loss of each, `(n,)`."""
    optimizer = model.optimizer
    replicas = strategy.num_replicas_in_sync
    weighted = _weighted(loss)

    @tf.autograph.experimental.do_not_convert
    def step(batch):
        x, y, weight = batch
        with tf.GradientTape() as tape:
            prediction, *auxiliary = _outputs(model(x, training=True))
            values = weighted(y, prediction, weight)
            for output in auxiliary:
                values += auxiliary_weight * weighted(y, output, weight)
            value = tf.reduce_sum(values) / tf.cast(tf.size(values) * replicas, values.dtype)
            for extra in model.losses:
                value += tf.cast(extra, value.dtype) / replicas
            scaled = optimizer.scale_loss(value)
        gradients = tape.gradient(scaled, model.trainable_variables)
        if replicas > 1:
            gradients = _sum_over_replicas(gradients)
        optimizer.apply(gradients, model.trainable_variables)
        model.compute_metrics(x, y, prediction, sample_weight=weight)
        return tf.cast(value, tf.float32)

    @tf.function
    def steps(batches, n):
        losses = tf.TensorArray(tf.float32, size=n)
        for i in tf.range(n):
            value = strategy.run(step, args=(next(batches),))
            losses = losses.write(i, strategy.reduce(SUM, value, axis=None))
        return losses.stack()

    return steps


def _test_function(model, loss, metrics, strategy):
    """Compile n evaluation steps into one function; it returns (loss, weight) sums, `(n, 2)`."""
    weighted = _weighted(loss)

    @tf.autograph.experimental.do_not_convert
    def step(batch):
        x, y, weight = batch
        prediction = _outputs(model(x, training=False))[0]
        for metric in metrics:
            metric.update_state(y, prediction, sample_weight=weight)
        value = tf.reduce_sum(weighted(y, prediction, weight))
        weight = tf.reduce_sum(tf.cast(weight, value.dtype))
        for extra in model.losses:
            value += tf.cast(extra, value.dtype) * weight
        return tf.cast(tf.stack([value, weight]), tf.float32)

    @tf.function
    def steps(batches, n):
        sums = tf.TensorArray(tf.float32, size=n, element_shape=(2,))
        for i in tf.range(n):
            value = strategy.run(step, args=(next(batches),))
            sums = sums.write(i, strategy.reduce(SUM, value, axis=None))
        return sums.stack()

    return steps


def _outputs(outputs):
    """The prediction, then the auxiliary outputs."""
    return outputs if isinstance(outputs, list) else [outputs]


def _weighted(loss):
    """`loss` as weighted values in the shape of the weights; axes beyond those are averaged."""
    unreduced = copy.copy(loss)
    unreduced.reduction = "none"

    def values(y, prediction, weight):
        losses = unreduced(y, prediction)
        positions = list(range(len(weight.shape), len(losses.shape)))
        return tf.reduce_mean(losses, positions) * tf.cast(weight, losses.dtype)

    return values


def _sum_over_replicas(gradients):
    context = tf.distribute.get_replica_context()
    present = [gradient for gradient in gradients if gradient is not None]
    summed = iter(context.all_reduce(SUM, present))
    return [None if gradient is None else next(summed) for gradient in gradients]


@contextlib.contextmanager
def _gradients_summed_before(optimizer) -> Iterator[None]:
    """Let the optimizer take gradients that the loop has summed over the replicas.

    Keras clips, tests for overflow and accumulates each replica's own gradient and sums last, so
    that clipping would depend on the number of replicas. Even of one replica it takes the sum, by a
    custom gradient, for which TensorFlow keeps the graph of each training function for good.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner._all_reduce_sum_gradients = lambda grads_and_vars: list(grads_and_vars)
    try:
        yield
    finally:
        del inner._all_reduce_sum_gradients


def _batches(strategy, pipeline, epoch):
    return iter(
        strategy.distribute_datasets_from_function(lambda context: pipeline.dataset(epoch, context))
    )


def _calls(steps, steps_per_call):
    """(first step, number of steps) of each call."""
    for first in range(0, steps, steps_per_call):
        yield first, min(steps_per_call, steps - first)


def _copy(metric):
    return type(metric).from_config(metric.get_config())


def _results(prefix, metrics):
    return {prefix + metric.name: float(metric.result()) for metric in metrics}


def _keras_logs(row):
    """Keras's callbacks know `train_loss` as `loss` and `test_loss` as `val_loss`."""
    logs = {}
    for name, value in row.items():
        part, _, quantity = name.partition("_")
        logs[f"val_{quantity}" if part == "test" else quantity] = value
    return logs


def _check_finite(losses, epoch, steps):
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        step = int(bad[0]) + 1
        raise TrainingDiverged(
            f"loss became {losses[bad[0]]} at epoch {epoch}, step {(epoch - 1) * steps + step} "
            f"(step {step} of the epoch)"
        )


def _check_scope(strategy, **objects):
    for name, made in objects.items():
        for variable in made.variables[:1]:
            if not strategy.extended.variable_created_in_scope(variable.value):
                raise KerasrefError(f"the {name} was made outside strategy.scope(); make it inside")


def _check_replicable(optimizer, strategy):
    """What Keras decides within a step (`ops.cond`) cannot update variables of several replicas."""
    for name in ("gradient_accumulation_steps", "ema_overwrite_frequency"):
        if strategy.num_replicas_in_sync > 1 and getattr(optimizer, name, None):
            raise KerasrefError(f"{name} works with one replica only; use strategy 'one'")


def _check_same_epoch(strategy, epoch, checkpoint):
    """Workers that read different checkpoints would train different epochs together."""
    if workers(strategy) == 1:
        return

    if total(strategy, epoch) != epoch * strategy.num_replicas_in_sync:
        raise KerasrefError(f"{checkpoint}: workers see different files; use a shared disk")
