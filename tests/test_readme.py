"""What the README shows works."""

import re
from pathlib import Path

from kerasref.harness import plan
from kerasref.harness.library import Library
from kerasref.harness.plan import Options

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python_example_runs():
    (example,) = blocks("python")
    names = {}
    exec(example, names)
    assert names["model"].output_shape == (None, 10)


def test_yaml_example_is_a_valid_experiment(tmp_path):
    (example,) = blocks("yaml")
    section = tmp_path / "experiments/dlnotes/1.6"
    section.mkdir(parents=True)
    (section / "my-growth-rate.yaml").write_text(example, encoding="utf-8")
    ledger = ROOT / "experiments/dlnotes/ledger.csv"
    (tmp_path / "experiments/dlnotes/ledger.csv").write_bytes(ledger.read_bytes())
    experiment = Library(tmp_path).experiment("dlnotes/1.6/my-growth-rate")
    real, fallback = plan.alternatives(experiment, Options())
    assert [run.variant for run in real] == ["k12"] * 5 + ["k24"] * 5
    assert fallback[0].fallback_for == "fashion_mnist"


def test_make_targets_it_names_exist():
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in re.findall(r"`make ([a-z]+)", README):
        assert re.search(rf"^{name}(-%)?:", targets, re.MULTILINE), name
