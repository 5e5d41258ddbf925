"""Task `classical`."""

import pytest
from pydantic import ValidationError

from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.tasks import classical, classify

DIGITS = {"source": "digits", "train": 300, "test": 100, "batch_size": 50}
NETWORK = {"model": {"builder": "MaxoutMLP", "units": [16], "pieces": 2}, "train": {"epochs": 2}}


def config(**keys):
    return classical.Config.model_validate({"data": DIGITS, **keys})


@pytest.mark.parametrize("features", ["pixels", "hog"])
@pytest.mark.parametrize("classifier", ["linear_svm", "kernel_svm"])
def test_svms_learn_digits(features, classifier):
    found = classical.run(config(features=features, classifier=classifier), Context(seed=0))
    assert found["test_accuracy"] > 0.7
    assert found["accuracy_gap"] == found["fit_accuracy"] - found["test_accuracy"]
    assert found["features"] == {"pixels": 64, "hog": 36}[features]


def test_a_network_is_trained_as_by_classify():
    found = classical.run(config(**NETWORK), Context(seed=3))
    same = classify.run(
        classify.Config.model_validate({"data": DIGITS, **NETWORK}), Context(seed=3)
    )
    assert found["train_loss"] == same["train_loss"]
    assert found.keys() == same.keys()


@pytest.mark.parametrize(
    "keys", [{}, {"classifier": "linear_svm", **NETWORK}, {"model": NETWORK["model"]}]
)
def test_exactly_one_way_is_configured(keys):
    with pytest.raises(ValidationError, match=r"exactly one|needs train"):
        config(**keys)


def test_preflight_names_a_wrong_builder():
    with pytest.raises(ConfigError, match="did you mean 'MaxoutMLP'"):
        classical.preflight(config(model={"builder": "MaxoutMPL"}, train={"epochs": 1}))
