"""What `classify` measures in networks that condense or concatenate."""

import numpy as np
import pytest

from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.models import CondenseNetSmall, ResNetCIFAR
from kerasref.tasks import classify
from kerasref.tasks._probes import Probes

SMALL = {"blocks": (1, 2), "growth_rate": 4, "input_shape": (8, 8, 1)}


def test_changes_are_differences_of_epochs():
    losses, accuracies = [5.0, 4.0, 4.5, 4.0, 4.8], [0.1, 0.2, 0.4, 0.5, 0.4]
    history = [
        {"train_loss": loss, "test_accuracy": accuracy, "seconds": 1.0}
        for loss, accuracy in zip(losses, accuracies, strict=True)
    ]
    found = Probes(changes_at=[3, 4, 5]).measure(None, None, history)
    assert found == {
        "train_loss_change_1": pytest.approx(0.5),
        "train_loss_change_2": pytest.approx(-0.5),
        "train_loss_change_3": pytest.approx(0.8),
        "test_accuracy_change_1": pytest.approx(0.2),
        "test_accuracy_change_2": pytest.approx(0.1),
        "test_accuracy_change_3": pytest.approx(-0.1),
        "train_loss_change_last_minus_others": pytest.approx(0.3),
    }
    short = Probes(changes_at=[2, 9]).measure(None, None, history)
    assert short["train_loss_change_2"] == 0


def test_prunable_weights_are_those_of_the_features_that_weigh_least():
    model = CondenseNetSmall(**SMALL)
    for layer in (each for each in model.layers if hasattr(each, "condense")):
        features = layer.kernel.shape[2]
        by_feature = np.where(np.arange(features) < features // 4, 97.0, 1.0)
        layer.kernel.assign(np.ones(layer.kernel.shape) * by_feature[:, None])
    found = Probes(prunable=True).measure(model, None, [])
    assert found["prunable_importance"] == pytest.approx(3 / (97 + 3))
    assert found["group_sparsity"] == 0.75
    for layer in (each for each in model.layers if hasattr(each, "condense")):
        for _ in range(3):
            layer.condense()
    assert Probes(prunable=True).measure(model, None, [])["prunable_importance"] == 0


def test_reuse_is_reported_by_distance():
    model = CondenseNetSmall(**SMALL, pointwise="dense")
    layer = model.get_layer("conv3_block2_1_conv")  # sees stem (8), block 1 (4), block 2 (8)
    weights = np.repeat([1.0, 2.0, 3.0], [8, 4, 8])
    layer.kernel.assign(np.ones(layer.kernel.shape) * weights[:, None])
    found = Probes(reuse=True).measure(model, None, [])
    mean = 40 / 20
    uses = [found[f"conv3_block2_1_conv.use_{back}"] for back in (3, 2, 1)]
    assert uses == pytest.approx([1 / mean, 2 / mean, 3 / mean])
    other = found["conv3_block1_1_conv.use_1"] - found["conv3_block1_1_conv.use_2"]
    assert found["near_minus_far"] == pytest.approx((1 + other) / 2)
    late, early = ([found[f"fc.use_{back}"] for back in pair] for pair in ((1, 2), (3, 4)))
    assert found["late_minus_early"] == pytest.approx(np.mean(late) - np.mean(early))


@pytest.mark.parametrize(
    ("probe", "message"),
    [("prunable", "no learned group convolution"), ("reuse", "concatenates nothing")],
)
def test_networks_without_such_parts_are_named(probe, message):
    model = ResNetCIFAR(depth=8, width=8, input_shape=(8, 8, 1))
    with pytest.raises(ConfigError, match=message):
        Probes(**{probe: True}).check(model)


def test_classify_reports_them():
    settings = {
        "model": {"builder": "CondenseNetSmall", "blocks": [2], "growth_rate": 4},
        "data": {"source": "digits", "train": 64, "test": 32, "batch_size": 16},
        "train": {"epochs": 2},
        "probes": {"prunable": True, "reuse": True, "changes_at": [2]},
    }
    found = classify.run(classify.Config.model_validate(settings), Context(seed=0))
    assert 0 < found["prunable_importance"] < 0.75
    assert abs(found["near_minus_far"]) < 1
    assert "test_loss_change_1" in found
