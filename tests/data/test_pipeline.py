"""Batches of `ArrayPipeline`: which examples, in which order, for which replica."""

import numpy as np
import pytest
import tensorflow as tf

from kerasref.data.pipeline import ArrayPipeline

X = np.arange(100, dtype="uint8").reshape(50, 2)
Y = np.arange(50, dtype="int32")


def batches(pipeline, epoch=1, replicas=1, processes=1, process=0):
    context = tf.distribute.InputContext(processes, process, replicas)
    count = pipeline.steps * replicas // processes
    return [
        tuple(part.numpy() for part in batch)
        for batch in pipeline.dataset(epoch, context).take(count)
    ]


def labels(pipeline, **context):
    return [y.tolist() for _, y, _ in batches(pipeline, **context)]


def test_training_epoch_is_a_permutation_without_the_last_partial_batch():
    pipeline = ArrayPipeline(X, Y, 8, shuffle=True, scale="raw")
    seen = np.concatenate(labels(pipeline))
    assert pipeline.steps == 6
    assert len(seen) == len(set(seen)) == 48
    assert seen.tolist() != sorted(seen)
    for x, y, weight in batches(pipeline):
        np.testing.assert_array_equal(x, X[y].astype("float32"))
        assert x.dtype == np.float32
        assert weight.tolist() == [1] * 8


def test_order_is_a_function_of_seed_and_epoch():
    first, again = (ArrayPipeline(X, Y, 8, seed=3, shuffle=True) for _ in range(2))
    other = ArrayPipeline(X, Y, 8, seed=4, shuffle=True)
    labels(first, epoch=1)  # what was read before makes no difference
    assert labels(first, epoch=2) == labels(again, epoch=2)
    assert labels(first, epoch=2) != labels(first, epoch=3)
    assert labels(first, epoch=2) != labels(other, epoch=2)


def test_evaluation_keeps_every_example_and_fills_up_with_weight_zero():
    pipeline = ArrayPipeline(X, Y, 16, shuffle=False)
    assert pipeline.steps == 4
    _, y, weight = (np.concatenate(parts) for parts in zip(*batches(pipeline), strict=True))
    assert y[weight > 0].tolist() == list(range(50))
    assert weight.tolist() == [1] * 50 + [0] * 14


def test_batch_larger_than_the_evaluation_set_holds_it_once():
    (batch,) = batches(ArrayPipeline(X, Y, 64, shuffle=False))
    assert batch[2].sum() == 50


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_replicas_together_compute_the_global_batch(processes):
    pipeline = ArrayPipeline(X, Y, 8, shuffle=True)
    local = 4 // processes
    parts = [
        labels(pipeline, replicas=4, processes=processes, process=process)
        for process in range(processes)
    ]
    for step, expected in enumerate(labels(pipeline)):
        slices = [part[step * local + replica] for part in parts for replica in range(local)]
        assert np.concatenate(slices).tolist() == expected


@pytest.mark.parametrize(
    ("scale", "expected"),
    [("raw", [0, 51, 255]), ("unit", [0, 0.2, 1]), ("signed", [-1, -0.6, 1])],
)
def test_scales(scale, expected):
    x = np.array([0, 51, 255], "uint8")
    ((values, _, _),) = batches(ArrayPipeline(x, x, 3, shuffle=False, scale=scale))
    np.testing.assert_allclose(values, expected, atol=1e-7)


def test_standard_scale_of_a_test_set_uses_the_training_sets_moments():
    train = ArrayPipeline(X[:30], Y[:30], 30, shuffle=False, scale="standard")
    test = ArrayPipeline(
        X[30:], Y[30:], 20, shuffle=False, scale="standard", mean=train.mean, std=train.std
    )
    ((values, _, _),) = batches(train)
    assert values.mean() == pytest.approx(0, abs=1e-6)
    assert values.std() == pytest.approx(1, abs=1e-6)
    ((values, _, _),) = batches(test)
    np.testing.assert_allclose(values, (X[30:] - X[:30].mean()) / X[:30].std(), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 64}, "batch_size=64: there are 50 examples"),
        ({"batch_size": 0}, "batch_size=0: expected at least 1"),
        ({"y": Y[:9]}, "x has 50 examples, y has 9"),
        ({"x": X[:0], "y": Y[:0]}, "x has 0 examples"),
        ({"scale": "units"}, "scale='units': expected one of raw, unit, signed, standard"),
        ({"x": np.ones_like(X), "scale": "standard"}, "std=0.0: expected positive"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ArrayPipeline(**{"x": X, "y": Y, "batch_size": 8, "shuffle": True} | arguments)


def test_batch_must_divide_among_replicas():
    pipeline = ArrayPipeline(X, Y, 8, shuffle=True)
    with pytest.raises(ValueError, match="batch_size=8: not divisible by 3 replicas"):
        batches(pipeline, replicas=3)
