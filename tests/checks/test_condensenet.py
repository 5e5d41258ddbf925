"""Checks of CondenseNet: they find what arithmetic says, and would notice another layer."""

import numpy as np
import pytest

from kerasref.callbacks import Condense
from kerasref.checks import condensenet as checks
from kerasref.layers import IndexChannels, LearnedGroupConv2D


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_stages_take_equal_parts(factor):
    found = checks.pruning(features=24, groups=2, condensation=factor)
    for stage in range(1, factor):
        remaining = factor - stage + 1
        assert found[f"of_remainder_{stage}"] == pytest.approx(1 / remaining)
        assert found[f"of_original_{stage}"] == pytest.approx(1 / factor)
    assert found["kept"] == pytest.approx(1 / factor)
    assert (found["wrong_choices"], found["refused"]) == (0, 1)
    assert found["importance_error"] == pytest.approx(0, abs=1e-6)


def test_another_choice_is_noticed(monkeypatch):
    true = LearnedGroupConv2D.importance
    monkeypatch.setattr(LearnedGroupConv2D, "importance", lambda self: 1 / (1 + true(self)))
    found = checks.pruning()
    assert found["wrong_choices"] > 0
    assert found["importance_error"] > 0.1


def test_the_books_example():
    found = checks.example()
    order = [found[f"position_{place}"] for place in range(1, 13)]
    assert order == [3, 7, 9, 12, 1, 5, 10, 12, 5, 6, 8, 11]
    assert found["wrong_inputs"] == 0
    assert found["error"] < 1e-5


def test_an_index_layer_that_does_nothing_is_noticed(monkeypatch):
    monkeypatch.setattr(IndexChannels, "call", lambda self, x: x)
    assert checks.example()["error"] > 0.1


def test_forms_agree():
    found = checks.forms(seed=0, knobs={"blocks": (1, 2), "groups": 2, "condensation": 4})
    for error in ("train_to_test", "test_to_train", "layer_error"):
        assert found[error] < 1e-5
    assert found["output"] > 0.1
    assert found["unlike"] > 0.01
    assert found["weights_ratio"] == 1 / 4


def test_forms_notice_lost_indices(monkeypatch):
    true = LearnedGroupConv2D.indices
    monkeypatch.setattr(LearnedGroupConv2D, "indices", lambda self: np.flip(true(self), axis=0))
    found = checks.forms(seed=0, knobs={"blocks": (1, 1)})
    assert found["train_to_test"] > 0.01


def test_schedule_of_300_epochs():
    assert checks.schedule() == {
        "stages": 3,
        "stage_epochs": 50,
        "lengths": 1,
        "optimisation_epochs": 150,
        "condensing_share": 0.5,
    }


def test_another_schedule_is_noticed(monkeypatch):
    true = Condense.on_epoch_begin
    monkeypatch.setattr(Condense, "on_epoch_begin", lambda self, epoch: true(self, epoch * 2))
    assert checks.schedule()["stage_epochs"] == 25


def test_training_saves_nothing():
    """1x1 convolutions of channels x 4 growth rates, summed over the 42 layers."""
    weights = features = 0
    channels = 16
    for growth in (8, 16, 32):
        for _ in range(14):
            weights += channels * 4 * growth
            features += channels
            channels += growth
    found = checks.training_cost()
    assert found["product_values"] == weights == 1_241_856
    assert found["mask_values"] == 4 * features
    assert found["values"] - found["values_dense"] == 4 * features
    assert found["macs"] == found["macs_dense"] > 2 * found["macs_test"]
    assert found["change"] == 0


def test_published_sizes():
    """9/4 of the 3x3 and 1/4 of the 1x1 products; ReLUs, poolings and biases count 1."""
    side, channels, operations = 32, 16, 32 * 32 * 27 * 16
    for block, growth in enumerate((8, 16, 32)):
        for _ in range(8):
            wide = 4 * growth
            operations += side**2 * (channels * wide // 4 + wide * growth * 9 // 4)
            operations += side**2 * (channels + wide)
            channels += growth
        operations += side**2 * channels * (1 if block < 2 else 2)
        side //= 2
    operations += channels * 10 + 10
    found = checks.published("CondenseNet86CIFAR", {"blocks": (8, 8, 8)})
    assert found == {"operations": operations, "parameters": 216_506}
    assert round(operations / 1e6, 1) == 28.6


def test_connections():
    whole, blocks = checks.connectivity(), checks.connectivity(fully_dense=False, increasing=False)
    assert (whole["connections"], whole["between_blocks"]) == (45, 33)
    assert (blocks["connections"], blocks["between_blocks"]) == (18, 0)
    assert whole["pooling_error"] < 1e-5 < blocks["pooling_error"]
    assert [whole[f"growth_{n}"] for n in (1, 2, 3)] == [8, 16, 32]
    assert [blocks[f"growth_{n}"] for n in (1, 2, 3)] == [8, 8, 8]


def test_group_lasso_empties_whole_groups():
    found = checks.group_lasso()
    assert found["error"] < 1e-6
    assert found["gradient_at_zero"] == 0
    assert found["whole_groups"] == pytest.approx(0.939, abs=0.06)
    assert found["whole_groups_single"] == pytest.approx(0.564, abs=0.12)
