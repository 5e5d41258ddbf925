"""Measuring throughput, and the page that shows it."""

import json
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasref import bench, data
from kerasref.bench import harness, page, throughput, timing
from kerasref.harness.errors import KerasrefError

REPORTS = Path(__file__).resolve().parents[2] / "reports"

WHERE = {"commit": "abc", "machine": "2 cores", "versions": "keras 3"}
RACES = {
    "Ours": {
        "twin": "Theirs",
        "images": 8,
        "seconds": [2.0, 1.0, 4.0],
        "twin_seconds": [1.0, 2.0, 4.0],
        **WHERE,
    },
    "Slow": {"twin": "Fast", "images": 8, "seconds": [2.0], "twin_seconds": [1.88], **WHERE},
}


def network(width):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            keras.layers.Conv2D(width, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )


def test_contestants_take_turns_and_the_first_round_does_not_count():
    calls = []
    slow_at_first = iter([0.3, 0, 0, 0])
    contestants = {
        "a": lambda: calls.append("a") or time.sleep(next(slow_at_first)),
        "b": lambda: calls.append("b") or time.sleep(0.01),
    }
    times = timing.alternate(contestants, repeats=3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert [len(times[name]) for name in "ab"] == [3, 3]
    assert max(times["a"]) < 0.1
    assert min(times["b"]) >= 0.01


def test_rounds_go_on_until_the_time_is_spent():
    times = timing.alternate({"a": lambda: time.sleep(0.02)}, repeats=1, seconds=0.1)
    assert 2 <= len(times["a"]) <= 5


def test_a_step_trains_all_weights_and_moves_the_averages():
    model = network(4)
    before = model.get_weights()
    step = throughput.training_step(model, 6)
    losses = [step() for _ in range(40)]
    assert losses[-1] < losses[0]
    after = model.get_weights()
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True))


def test_race():
    result = throughput.race(network(4), network(8), batch=6, repeats=3, seconds=0)
    assert result["images"] == 6
    assert len(result["seconds"]) == len(result["twin_seconds"]) == 3
    assert min(result["seconds"] + result["twin_seconds"]) > 0


def test_a_network_with_more_work_loses():
    result = throughput.race(network(64), network(1), batch=32, repeats=9, seconds=0)
    assert np.median(result["seconds"]) > np.median(result["twin_seconds"])


def test_every_twin_exists():
    twins = throughput.twins()
    assert {"VGG16", "ResNet50", "InceptionV3", "DenseNet201"} <= set(twins.values())
    assert all(callable(getattr(keras.applications, twin)) for twin in twins.values())


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(KerasrefError, match="'Resnet50'; did you mean 'ResNet50'"):
        next(bench.measure(["Resnet50"], Path(), print))


def test_the_harness_is_measured(monkeypatch):
    monkeypatch.setattr(data, "is_available", lambda name: False)
    for size, value in {"EXAMPLES": 512, "EPOCHS": 2, "REPEATS": 1}.items():
        monkeypatch.setattr(harness, size, value)
    figures = harness.measure()
    assert figures["images"] == "random images"
    assert 0 < figures["mlflow_share_of_run"] < 1
    assert figures["overhead_over_model_fit"] > -1
    assert figures["grouped_conv_speedup"] > 1
    assert b"random images" in page.render({"harness": {**figures, **WHERE}})


def test_page_shows_medians_and_spread():
    text = page.render(RACES).decode()
    assert "| `Ours` | `Theirs` | 4.00 | 4.00 | 1.00 | 0.50 to 2.00 | 3 |" in text
    assert "| `Slow` | `Fast` | 4.00 | 4.26 | 0.94 | 0.94 to 0.94 | 1 |" in text
    assert "**1 of 2 reach 0.95.**" in text
    assert "Commit: abc. Machine: 2 cores. Versions: keras 3." in text
    assert "harness" not in text


def test_page_shows_the_harness():
    figures = {
        "images": "fashion_mnist",
        "overhead_over_hand_written": -0.18,
        "overhead_over_model_fit": 0.05,
        "mlflow_share_of_run": 0.006,
        "grouped_conv_speedup": 114.2,
        "list_seconds": 0.21,
        **WHERE,
    }
    text = page.render({"harness": figures}).decode()
    for value in ("-18%", "+5%", "0.6%", "114 times", "0.2 s", "Images: Fashion-MNIST."):
        assert value in text


def test_a_measurement_takes_the_place_of_an_earlier_one(tmp_path):
    page.update(tmp_path, "Ours", RACES["Ours"])
    page.update(tmp_path, "Slow", RACES["Slow"])
    path = page.update(tmp_path, "Ours", {**RACES["Ours"], "commit": "def"})
    record = json.loads(page.record_path(tmp_path).read_text())
    assert record == {**RACES, "Ours": {**RACES["Ours"], "commit": "def"}}
    assert path.read_bytes() == page.render(record)
    assert "Commit: abc; def." in path.read_text()


def test_committed_page_is_what_its_record_says():
    path = page.record_path(REPORTS)
    if not path.exists():
        pytest.skip("nothing has been measured")
    assert (REPORTS / "bench.md").read_bytes() == page.render(json.loads(path.read_text()))
