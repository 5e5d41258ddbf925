"""Task `deep_compression` on scikit-learn's digits."""

import numpy as np
import pytest
import tensorflow as tf

from kerasref import compression, data
from kerasref.harness import plan
from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.harness.library import Library
from kerasref.harness.plan import Options
from kerasref.tasks import _objects, deep_compression

STAGES = ("trained", "pruned", "retrained", "shared", "tuned", "loaded")
# 5x5x1x6 + 5x5x6x16 kernels of convolutions, 256x120, 120x84, 84x10 of dense layers; 236 biases
PARAMS = 44_426

# In one test process, which trains the uninterrupted run once.
pytestmark = pytest.mark.xdist_group("deep_compression")


def config(**changes):
    settings = {
        "model": {"builder": "LeNet5Keras", "activation": "relu", "dropout": 0.1},
        "data": {"source": "digits", "train": 512, "test": 128, "batch_size": 32, "image_size": 28},
        "train": {
            "epochs": 3,
            "optimizer": {"name": "SGD", "learning_rate": 0.05, "momentum": 0.9},
        },
        "prune": {
            "density": [{"layers": "c[13]", "keep": 1.0}, {"layers": "*", "keep": 0.1}],
            "epochs": 2,
        },
        "share": {"bits": 3, "epochs": 2, "optimizer": {"name": "SGD", "learning_rate": 1e-3}},
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            settings[section] = {**settings[section], name: value}
        else:
            settings[section] = value
    return deep_compression.Config.model_validate(settings)


@pytest.fixture(scope="module")
def whole():
    """An uninterrupted run: its metrics, epochs and tags."""
    epochs, tags = {}, {}
    metrics = deep_compression.run(
        config(), Context(seed=1, log_epoch=epochs.__setitem__, tag=tags.__setitem__)
    )
    return metrics, epochs, tags


def test_every_stage_is_reported(whole):
    metrics, epochs, tags = whole
    assert sorted(epochs) == list(range(1, 8))
    accuracy = {stage: metrics[f"{stage}_accuracy"] for stage in STAGES}
    assert accuracy["trained"] == pytest.approx(epochs[3]["test_accuracy"])
    assert accuracy["retrained"] == pytest.approx(epochs[5]["test_accuracy"])
    assert accuracy["tuned"] == pytest.approx(epochs[7]["test_accuracy"])
    assert accuracy["trained"] > 0.7
    assert accuracy["loaded"] == accuracy["tuned"]
    assert metrics["accuracy_change"] == accuracy["loaded"] - accuracy["trained"]
    assert metrics["retraining_gain"] == accuracy["retrained"] - accuracy["pruned"]
    assert metrics["tuning_gain"] == accuracy["tuned"] - accuracy["shared"]
    assert metrics["collapsed"] == 0
    loaded = data.load("digits", 512, 128, 28)
    assert tags["data_fingerprint"] == loaded.fingerprint


def test_sizes_shrink_from_stage_to_stage(whole):
    metrics, _, _ = whole
    assert metrics["params"] == PARAMS
    dense = [256 * 120, 120 * 84, 84 * 10]
    kept = PARAMS - sum(dense) + sum(int(np.ceil(size / 10)) for size in dense)
    assert metrics["kept"] == kept
    assert metrics["kept_share"] == kept / PARAMS
    sizes = [metrics[f"{stage}_bytes"] for stage in ("dense", "pruned", "shared", "archive")]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 4 * PARAMS
    assert metrics["dense_bits"] == 32
    assert metrics["archive_bits"] == pytest.approx(8 * sizes[3] / PARAMS)
    assert metrics["ratio"] == pytest.approx(sizes[0] / sizes[3])
    assert metrics["ratio"] > 10
    assert metrics["coding_ratio"] > 1
    assert metrics["keras_bytes"] > sizes[0]


def test_the_file_gives_the_same_predictions(whole):
    metrics, _, _ = whole
    assert metrics["predictions_equal"] == 1
    assert metrics["largest_difference"] == 0


def test_a_file_with_other_weights_is_noticed(monkeypatch):
    monkeypatch.setattr(compression, "load", lambda path, model: None)
    metrics = deep_compression.run(config(prune__epochs=0, share__epochs=0), Context(seed=1))
    assert metrics["predictions_equal"] < 0.1
    assert metrics["largest_difference"] > 0.01
    assert metrics["loaded_accuracy"] < metrics["tuned_accuracy"]


class Killed(BaseException):
    """Nothing catches it, like a kill."""


@pytest.mark.parametrize("last", [4, 6])
def test_a_killed_run_resumes_with_the_same_numbers(whole, tmp_path, last):
    metrics, epochs, _ = whole
    path = tmp_path / "run.ckpt"

    def die(epoch, row):
        if epoch == last:
            raise Killed

    with pytest.raises(Killed):
        deep_compression.run(config(), Context(seed=1, checkpoint=path, log_epoch=die))
    again, trained = {}, []
    resumed = deep_compression.run(
        config(),
        Context(
            seed=1,
            checkpoint=path,
            log_epoch=again.__setitem__,
            progress=lambda done, total, unit: trained.append(done),
        ),
    )
    assert resumed == pytest.approx(metrics, rel=0, abs=0)
    for number, row in epochs.items():
        assert {k: v for k, v in again[number].items() if k != "seconds"} == {
            k: v for k, v in row.items() if k != "seconds"
        }
    assert all(done > last for done in trained)
    assert [file.name for file in tmp_path.iterdir()] == ["run.ckpt"]


def test_without_the_first_checkpoint_the_others_count_for_nothing(tmp_path):
    path = tmp_path / "run.ckpt"
    short = {"train__epochs": 1, "prune__epochs": 1, "share__epochs": 0}

    def die(epoch, row):
        if epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        deep_compression.run(config(**short), Context(seed=1, checkpoint=path, log_epoch=die))
    path.unlink()
    trained = []
    deep_compression.run(
        config(**short),
        Context(seed=1, checkpoint=path, progress=lambda done, *_: trained.append(done)),
    )
    assert trained == [1, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__builder": "LeNet5Kers"}, "model.builder: no builder 'LeNet5Kers'; did you mean"),
        (
            {"share__optimizer": {"name": "SDG"}},
            "keras.optimizers has no 'SDG'; did you mean 'SGD'",
        ),
        ({"prune__optimizer": {"name": "SGD", "rate": 1}}, "SGD has no argument 'rate'"),
    ],
)
def test_preflight_names_key_and_nearest_spelling(changes, message):
    with pytest.raises(ConfigError) as caught:
        deep_compression.preflight(config(**changes))
    assert message in str(caught.value)


def test_a_rule_that_matches_no_layer_is_named_before_training():
    rules = [{"layers": "conv*", "keep": 0.5}]
    with pytest.raises(ConfigError, match=r"prune.density: .* no kernel in a layer like 'conv\*'"):
        deep_compression.run(config(prune__density=rules), Context(seed=0))


def paper_runs():
    experiment = Library().experiment("dlnotes/2.1/deep-compression")
    return plan.alternatives(experiment, Options("paper", seeds=1))[0]


@pytest.mark.parametrize("run", paper_runs(), ids=lambda run: run.variant)
def test_paper_profile_resolves_and_builds(run):
    settings = run.settings
    deep_compression.preflight(settings)
    source = data.SOURCES[settings.data.source]
    side = settings.data.image_size
    with tf.Graph().as_default():
        model = _objects.build(settings.model, input_shape=(side, side, 3), classes=source.classes)
    shares = compression.densities(model, settings.prune.shares)
    assert len(shares) == 26
    assert model.count_params() == 1_248_424
