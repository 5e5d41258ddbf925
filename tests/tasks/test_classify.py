"""Task `classify` on scikit-learn's digits."""

import math

import pytest

from kerasref import data
from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.tasks import classify


def config(**changes):
    settings = {
        "model": {"builder": "LeNet5Keras", "activation": "relu"},
        "data": {"source": "digits", "train": 512, "test": 128, "image_size": 28},
        "train": {"epochs": 2, "optimizer": {"name": "SGD", "learning_rate": 0.1}},
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        settings.setdefault(section, {})
        settings[section] = {**settings[section], name: value}
    return classify.Config.model_validate(settings)


def test_reports_what_it_says():
    epochs, tags = {}, {}
    metrics = classify.run(
        config(probes__activations=True, probes__shift=["c1", "s2"], train__top_k=5),
        Context(seed=0, log_epoch=epochs.__setitem__, tag=tags.__setitem__),
    )
    assert sorted(epochs) == [1, 2]
    assert set(epochs[2]) == {
        "train_loss",
        "train_accuracy",
        "train_top_k_accuracy",
        "test_loss",
        "test_accuracy",
        "test_top_k_accuracy",
        "seconds",
    }
    for name, value in epochs[2].items():
        assert metrics[name] == value
    assert metrics["params"] == 44_426
    assert metrics["accuracy_gap"] == metrics["fit_accuracy"] - metrics["test_accuracy"]
    assert metrics["test_top_k_accuracy"] >= metrics["test_accuracy"]
    assert 0 < metrics["zero_fraction"] < 1
    assert 0 <= metrics["c1.dead"] <= metrics["c1.zeros"]
    change = metrics["s2.shift_change"] - metrics["c1.shift_change"]
    assert metrics["shift_change_last_minus_first"] == pytest.approx(change)
    loaded = data.load("digits", 512, 128, 28)
    assert tags["data_fingerprint"] == loaded.fingerprint


def test_measures_redundant_channels():
    probed = config(train__epochs=1, probes__redundancy=["c1", "s2"], probes__examples=64)
    metrics = classify.run(probed, Context(seed=0))
    for name, channels in (("c1", 6), ("s2", 6)):
        rank = metrics[f"{name}.effective_rank"]
        assert 1 < rank < channels
        assert metrics[f"{name}.redundancy"] == pytest.approx(1 - rank / channels)
        assert 0 < metrics[f"{name}.correlation"] < 1
    mean = (metrics["c1.redundancy"] + metrics["s2.redundancy"]) / 2
    assert metrics["redundancy"] == pytest.approx(mean)


def test_describes_trained_weights():
    metrics = classify.run(config(train__epochs=1, probes__weights=["c1"]), Context(seed=0))
    for name in ("c1.kernel", "c1.bias"):
        low, mean, high = (metrics[f"{name}.{part}"] for part in ("min", "mean", "max"))
        assert low < mean < high
    with pytest.raises(ConfigError, match="no layer 'C1'"):
        classify.run(config(probes__weights=["C1"]), Context(seed=0))


def test_learns_and_knows_when_it_did_not():
    learned = classify.run(
        config(train__epochs=6, data__batch_size=16, probes__gain_by=3), Context(seed=0)
    )
    assert learned["test_accuracy"] > 0.8
    assert learned["collapsed"] == 0
    assert 0 < learned["gain_share"] <= 1.1
    still = classify.run(
        config(train__optimizer={"name": "SGD", "learning_rate": 0.0}), Context(seed=3)
    )
    assert still["test_accuracy"] < 0.15
    assert still["collapsed"] == 1
    assert learned["fit_loss"] < still["fit_loss"]


def test_a_resumed_run_logs_every_epoch_and_ends_the_same(tmp_path):
    whole = classify.run(config(train__epochs=3), Context(seed=1))
    path = tmp_path / "run.ckpt"
    classify.run(config(train__epochs=2), Context(seed=1, checkpoint=path))
    epochs = {}
    resumed = classify.run(
        config(train__epochs=3), Context(seed=1, checkpoint=path, log_epoch=epochs.__setitem__)
    )
    assert sorted(epochs) == [1, 2, 3]
    for name in ("train_loss", "test_loss", "fit_loss", "test_accuracy"):
        assert resumed[name] == whole[name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__builder": "LeNet5Kers"}, "model.builder: no builder 'LeNet5Kers'; did you mean"),
        ({"model__activatio": "relu"}, "model.activatio: LeNet5Keras has no argument 'activatio'"),
        ({"train__optimizer": {"name": "SDG"}}, "train.optimizer: keras.optimizers has no 'SDG'"),
        (
            {"train__optimizer": {"name": "SGD", "momentun": 0.9}},
            "train.optimizer.momentun: SGD has no argument 'momentun'; did you mean 'momentum'?",
        ),
        (
            {"train__optimizer": {"name": "SGD", "learning_rate": {"name": "CosinDecay"}}},
            "train.optimizer.learning_rate: keras.optimizers.schedules has no 'CosinDecay'; "
            "did you mean 'CosineDecay'?",
        ),
        (
            {"train__callbacks": [{"name": "EarlyStoping"}]},
            "train.callbacks.0: keras.callbacks has no 'EarlyStoping'; "
            "did you mean 'EarlyStopping'?",
        ),
    ],
)
def test_preflight_names_key_and_nearest_spelling(changes, message):
    with pytest.raises(ConfigError) as caught:
        classify.preflight(config(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_layer_is_named_before_training():
    with pytest.raises(ConfigError, match="has no layer 'S2'; did you mean 's2'"):
        classify.run(config(probes__shift=["c1", "S2"]), Context(seed=0))


def test_fallback_gives_all_it_has():
    wanted = config(data__source="fashion_mnist", data__fallback="digits", data__train=10_000)
    first, second = classify.alternatives(wanted)
    assert (first.data.source, first.data.train) == ("fashion_mnist", 10_000)
    assert (second.data.source, second.data.train, second.data.test) == ("digits", 1437, 128)
    assert second.data.image_size == 28


def test_gain_share_without_gain_is_not_a_number():
    flat = [{"train_accuracy": 0.1}, {"train_accuracy": 0.1}]
    probes = classify.Probes(gain_by=1)
    assert math.isnan(probes.measure(None, None, flat)["gain_share"])
