"""Lesions and gates as probes of task `classify`."""

import numpy as np
import pytest

from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.models import LeNet5Keras, ResNetCIFAR
from kerasref.tasks import classify
from kerasref.tasks._probes import Probes


def config(probes, **model):
    return classify.Config.model_validate(
        {
            "model": {"builder": "ResNetCIFAR", "depth": 8, "width": 4, **model},
            "data": {"source": "digits", "train": 256, "test": 100, "batch_size": 32},
            "train": {"epochs": 1, "optimizer": {"name": "SGD", "learning_rate": 0.05}},
            "probes": probes,
        }
    )


def test_errors_with_parts_taken_out():
    found = classify.run(config({"lesions": [1, 3], "swaps": 2}, shortcut=None), Context(seed=0))
    # two convolutions in each of three units; those that change the shape stay
    parts = [name for name in found if name.endswith(".lesion_error")]
    assert parts == [
        f"conv{unit}.lesion_error"
        for unit in ("2_block1_1", "2_block1_2", "3_block1_2", "4_block1_2")
    ]
    assert found["intact_error"] == pytest.approx(1 - found["test_accuracy"])
    errors = [found[name] for name in parts]
    assert found["lesion_1_error"] == pytest.approx(np.mean(errors))
    assert found["lesion_1_worst"] == max(errors)
    rise = found["lesion_3_error"] - found["intact_error"]
    assert found["lesion_3_rise"] == pytest.approx(rise)
    assert 0 <= found["swap_error"] <= 1


def test_gates_of_a_trained_network():
    found = classify.run(
        config({"gates": True}, shortcut="exclusive_gating", gate_bias=-6.0), Context(seed=0)
    )
    assert 0 < found["gate_mean"] < 0.5
    assert found["gate_saturated"] == found["gate_shut"] + found["gate_open"]


@pytest.mark.parametrize(
    ("probes", "message"),
    [
        ({"lesions": [4]}, "probes.lesions: resnetcifar has 3 parts to take out"),
        ({"gates": True}, "probes.gates: resnetcifar has no gates"),
    ],
)
def test_missing_parts_are_named_before_training(probes, message):
    with pytest.raises(ConfigError, match=message):
        classify.run(config(probes), Context(seed=0))


def test_other_networks_have_no_parts():
    model = LeNet5Keras()
    with pytest.raises(ConfigError, match="lenet5keras has 0 parts to take out"):
        Probes(lesions=[1]).check(model)


def test_pairs_to_exchange_are_needed():
    model = ResNetCIFAR(depth=8, width=4)
    with pytest.raises(ConfigError, match="has no two parts of equal shape"):
        Probes(swaps=1).check(model)
