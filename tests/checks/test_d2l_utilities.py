"""The checks of D2L 7.0 and 7.1 hold where they should, and can tell where they do not."""

import keras
import numpy as np
import pytest

from kerasref.checks import alexnet, hardware, training_loop, utilities


def test_an_epoch_of_the_loop_is_gradient_descent():
    found = training_loop.one_epoch(examples=96)
    assert found["steps"] == 3
    assert found["weight_error"] < 1e-6
    assert found["loss_error"] < 1e-6
    assert found["accuracy_error"] < 1e-6
    assert found["loss_change_on_reevaluation"] > 0


def test_the_epoch_by_hand_notices_momentum(monkeypatch):
    plain = keras.optimizers.SGD
    monkeypatch.setattr(keras.optimizers, "SGD", lambda rate: plain(rate, momentum=0.5))
    assert training_loop.one_epoch(examples=96)["weight_error"] > 1e-3


def test_only_the_loop_trains_in_training_mode():
    found = training_loop.training_flag()
    assert found["default_is_inference"] == 1
    assert found["change_with_flag"] > 0
    assert found["statistics_moved_by_default"] == 0 < found["statistics_moved_by_loop"]


def test_batches_made_before_shuffling_never_change():
    found = training_loop.batch_composition(examples=64, batch_size=8, epochs=3)
    assert (found["batches_per_epoch"], found["batch_then_shuffle"]) == (8, 8)
    assert found["shuffle_then_batch"] == found["loop"] == 24


def test_loss_and_accuracy_are_those_of_the_definitions():
    found = utilities.cross_entropy()
    assert found["large_logits_error"] < 0.01
    assert all(value < 1e-5 for name, value in found.items() if name != "large_logits_error")


def test_initial_weights_fill_glorots_bound():
    found = utilities.initial_weights(seed=5)
    assert 0.99 < found["smallest_share_of_bound"] <= found["largest_over_bound"] <= 1
    assert found["variance_over_expected"] == pytest.approx(1, abs=0.02)
    assert found["largest_bias"] == 0


def test_images_are_enlarged_bilinearly():
    found = utilities.images("digits", size=20, examples=16)
    assert (found["batch"], found["height"], found["width"], found["labels"]) == (16, 20, 20, 10)
    assert (found["train_examples"], found["test_examples"]) == (1437, 360)
    assert (found["smallest"], found["largest"]) == (0, 1)
    assert found["resize_error"] <= 1


@pytest.mark.parametrize(("kernel", "before", "after"), [(7, 2, 3), (3, 0, 1)])
def test_keras_pads_less_before_than_after(kernel, before, after):
    found = utilities.padding(kernel, size=32)
    assert (found["keras_before"], found["keras_after"]) == (before, after)
    assert found["symmetric_before"] == (kernel - 1) // 2
    assert found["keras_size"] == found["symmetric_size"] == 16
    assert found["difference"] > 0.1


def test_alexnets_parameters_are_dense_and_its_work_convolution():
    found = alexnet.work_split()
    assert (found["conv_layers"], found["dense_layers"]) == (5, 3)
    assert found["conv_params"] + found["dense_params"] == 46_764_746
    assert found["dense_param_share"] > 0.9 < found["conv_mac_share"] < found["product_share"] < 1


def test_memory_of_the_dense_layers():
    found = alexnet.dense_memory()
    assert found["paper"] == pytest.approx(4e-6 * (9216 + 4096) * 4096)
    assert found["d2l"] == pytest.approx(4e-6 * (6400 + 4096) * 4096)


def test_ratios_of_sizes():
    assert alexnet.sizes() == {
        "side_ratio": 8,
        "first_channel_ratio": 16,
        "last_channel_ratio": 16,
    }


@pytest.mark.parametrize(("tasks", "speedup"), [(1600, 4), (16, 4), (17, 17 / 8), (1, 0.25)])
def test_slow_cores_are_fast_together(tasks, speedup):
    assert hardware.many_slow_cores(tasks=tasks)["speedup"] == pytest.approx(speedup)


def test_many_slow_cores_is_bounded_by_the_cores():
    assert np.isclose(hardware.many_slow_cores(cores=4, tasks=100)["speedup"], 1)


def test_peaks_are_those_of_the_data_sheet():
    peaks = hardware.a100_peaks()
    assert round(peaks["single"], 1) == 19.5
    assert round(peaks["half"]) == 312
    assert peaks["half_over_single"] == 16
