"""Task `throughput`, and the timing that it rests on."""

import time

import keras
import numpy as np
import pytest

from kerasref import models
from kerasref.analysis import counts
from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.tasks import _timing, throughput

SMALL = {"builder": "AlexNetSmall", "input_shape": [28, 28, 1], "classes": 10}


def config(**settings):
    settings = {"model": SMALL, "batch_size": 2, "repeats": 2, **settings}
    return throughput.Config.model_validate(settings)


def measured(**settings):
    return throughput.run(config(**settings), Context(seed=0))


def network(width, **arguments):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            keras.layers.Conv2D(width, 3, activation="relu", **arguments),
            keras.layers.BatchNormalization(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )


def test_contestants_take_turns():
    calls = []
    contestants = {
        "a": lambda: calls.append("a"),
        "b": lambda: calls.append("b") or time.sleep(0.01),
    }
    times = _timing.alternate(contestants, repeats=3)
    assert "".join(calls) == "ab" + "ba" + "ab"
    assert [len(times[name]) for name in "ab"] == [3, 3]
    assert min(times["b"]) >= 0.01


def test_spread_is_the_interquartile_range_over_the_median():
    assert _timing.spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((4 - 2) / 3)
    assert _timing.spread([7.0]) == 0


def test_a_training_step_trains_all_weights_and_moves_the_averages():
    model = network(4)
    before = model.get_weights()
    step = _timing.training_step(model, 6)
    losses = [step() for _ in range(40)]
    assert losses[-1] < losses[0]
    assert all(np.any(a != b) for a, b in zip(model.get_weights(), before, strict=True))


def test_an_inference_step_changes_nothing():
    model = network(4)
    before = model.get_weights()
    step = _timing.inference_step(model, 6)
    assert step() == pytest.approx(6, rel=1e-5)  # probabilities of six images
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_the_machine_is_measured():
    assert 1e8 < _timing.peak_flops(side=256) < 1e15
    assert 1e8 < _timing.memory_bandwidth(megabytes=8) < 1e14
    assert "cores" in _timing.machine()


def test_metrics_agree_with_one_another_and_with_the_counts():
    lenet, narrow = {"builder": "LeNet5Keras"}, SMALL | {"width": 0.5}
    found = measured(reference=lenet, step="training")
    images = 2 / found["seconds"]
    assert found["images_per_second"] == pytest.approx(images)
    assert found["flops_per_second"] == pytest.approx(6 * found["macs"] * images)
    assert found["share_of_peak"] * found["flop_floor"] == pytest.approx(1)
    assert found["byte_floor_seconds"] * found["byte_floor"] == pytest.approx(found["seconds"])
    assert found["flop_floor_ratio"] == found["flop_floor"] / found["reference_flop_floor"]
    assert found["peak_memory"] >= 0  # 0 where this process has needed more before
    other = measured(reference=narrow, step="training")
    for reference, run in ((lenet, found), (narrow, other)):
        arguments = {"input_shape": (28, 28, 1), "classes": 10, **reference}
        model = getattr(models, arguments.pop("builder"))(**arguments)
        least = 6 * 2 * counts.count(model).macs / run["peak_flops"]
        assert run["reference_seconds"] / run["reference_flop_floor"] == pytest.approx(least)
    inference = measured(reference=lenet, step="inference")
    assert inference["flops_per_second"] == pytest.approx(
        2 * found["macs"] * inference["images_per_second"]
    )


def test_memory_access_counts_inputs_outputs_and_weights_of_layers_with_macs():
    # 10x8 positions of 4 channels from 12x10 of 3, weights 9 * 3 * 4 + 4; then 4 to 4 units.
    access = counts.memory_access(network(4))
    assert access.activations == 12 * 10 * 3 + 10 * 8 * 4 + 4 + 4
    assert access.weights == 112 + 20


@pytest.mark.parametrize("g", [1, 4])
def test_memory_access_of_grouped_pointwise_convolutions(g):
    # Guideline 2 of ShuffleNet v2: h w (c1 + c2) + c1 c2 / g.
    model = keras.Sequential(
        [keras.Input((7, 7, 8)), keras.layers.Conv2D(12, 1, groups=g, use_bias=False)]
    )
    access = counts.memory_access(model)
    assert access.activations + access.weights == 49 * (8 + 12) + 8 * 12 // g


def test_reference_with_keras_groups_is_the_same_network():
    small = {"builder": "ResNeXt50", "blocks": [1], "width": 8, "groups": 4, "classes": 10}
    settings = config(
        model=small | {"input_shape": [24, 24, 3]},
        reference={"keras_groups": True, "input_shape": [16, 16, 3], "batch_size": 1},
    )
    throughput.preflight(settings)
    reference = throughput._reference(settings, throughput._objects.build(settings.model))
    assert "GroupedConv2D" not in {type(layer).__name__ for layer in reference.layers}
    assert reference.input_shape == (None, 16, 16, 3)
    model = throughput._objects.build(throughput._reference_model(settings))
    reference.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    assert np.allclose(model(x), reference(x), atol=1e-5)


def test_reference_without_a_layer():
    settings = config(reference={"without": "Dropout"}, model=SMALL | {"dropout": 0.5})
    model = throughput._objects.build(settings.model)
    kinds = [type(layer).__name__ for layer in throughput._reference(settings, model).layers]
    assert "Dropout" not in kinds
    assert "Identity" in kinds
    with pytest.raises(ConfigError, match="has no layer of class Softmax"):
        throughput._reference(config(reference={"without": "Softmax"}), model)


def test_reference_that_is_the_twin():
    small = {"builder": "VGG16", "input_shape": [32, 32, 3], "classes": 10}
    settings = config(model=small, reference={"twin": True})
    throughput.preflight(settings)
    model = throughput._objects.build(settings.model)
    assert throughput._reference(settings, model).count_params() == model.count_params()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reference": {"twin": True}}, "no network like AlexNetSmall"),
        ({"reference": {"builder": "ResNet5"}}, "no builder 'ResNet5'; did you mean 'ResNet50'"),
        ({"reference": SMALL | {"widht": 1}}, "no argument 'widht'; did you mean 'width'"),
    ],
)
def test_mistakes_are_found_before_anything_runs(settings, message):
    with pytest.raises(ConfigError, match=message):
        throughput.preflight(config(**settings))


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({}, "exactly one of builder, twin, keras_groups and without"),
        ({"twin": True, "without": "Dropout"}, "exactly one of"),
        ({"twin": True, "width": 2}, "width: arguments go with builder"),
    ],
)
def test_a_reference_is_of_one_kind(reference, message):
    with pytest.raises(ValueError, match=message):
        config(reference=reference)
