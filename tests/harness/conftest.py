"""A small shelf of one book, and finished runs made by hand."""

import textwrap

import pytest

from kerasref.harness.library import Library
from kerasref.harness.records import Record

LEDGER = """\
id,chapter,section,kind,class,title,gold
A1-1,1,1.1,claim,trend,ReLU converges faster than tanh | 2*2,
A1-2,1,1.1,claim,trend,Dropout raises accuracy,
M1-1,1,1.1,model,exact,LeNet-5 has 60850 parameters,60850
M1-2,1,1.1,model,exact,AlexNet has 58322314 parameters,58322314
A2-1,1,1.2,claim,full,VGG on ImageNet,
F1.9,1,,figure,trend,tanh vs ReLU,
"""

BOOK = """\
title: {zh: 高手笔记, en: Deep notes}
author: Liu Yan, 2022
sections:
  "1.1": {zh: 起源, en: Origins}
"""

ACTIVATIONS = """\
id: notes/1.1/activations
title: tanh or ReLU
title_zh: 激活函数
source: {book: notes, section: 1.1.1, ledger: [A1-1, F1.9], data: mnist}
question: Does ReLU converge faster?
why: Same net, same data.
task: classify
base: {seeds: 5}
profiles: {smoke: {seeds: 1}, paper: {train.epochs: 90}}
variants: {tanh: {}, relu: {}}
claims:
  - {id: A1-1, metric: train_loss, lower: relu, than: tanh, epochs: every}
  - {id: A1-2, metric: test_accuracy, higher: relu, than: tanh}
  - {id: A1-1, metric: test_accuracy, higher: relu, than: tanh, profile: paper}
  - {id: M1-1, metric: params, of: tanh, equals: 60850}
  - {id: M1-2, metric: params, of: relu, equals: 60965224, book: 58322314, note: BN is left out}
table:
  caption: LeNet-5 by activation
  columns: [params, test_accuracy, seconds_per_epoch]
  book: {tanh: {test_accuracy: 0.9826}, relu: {test_accuracy: 0.9841}}
figures:
  - {kind: learning_curve, metric: train_loss}
  - {kind: bars, metric: test_accuracy}
"""


@pytest.fixture
def make_library(tmp_path):
    """Writes experiment files (name -> YAML) beside the book and opens the shelf."""

    def make(**experiments):
        book = tmp_path / "experiments" / "notes"
        (book / "1.1").mkdir(parents=True, exist_ok=True)
        (book / "ledger.csv").write_text(LEDGER, encoding="utf-8")
        (book / "book.yaml").write_text(BOOK, encoding="utf-8")
        for name, text in (experiments or {"activations": ACTIVATIONS}).items():
            path = book / "1.1" / f"{name}.yaml"
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return Library(tmp_path)

    return make


@pytest.fixture
def make_experiment(make_library):
    """An experiment with variants a, b, c and the given claims (YAML, one per line)."""

    def make(*claims, **keys):
        source = "{book: notes, section: '1.1', ledger: [A1-1]}"
        lines = [
            "id: notes/1.1/trial",
            "title: Trial",
            f"source: {keys.pop('source', source)}",
            "question: Which?",
            "task: classify",
            f"variants: {keys.pop('variants', '{a: {}, b: {}, c: {}}')}",
            *(f"{key}: {value}" for key, value in keys.items()),
            "claims:",
            *(f"  - {claim}" for claim in claims),
        ]
        return make_library(trial="\n".join(lines)).experiment("notes/1.1/trial")

    return make


@pytest.fixture
def make_runs():
    """Runs of one variant, seeds 0, 1, ...: each metric has a value (or a curve) per seed."""

    def make(variant, experiment="notes/1.1/trial", profile="laptop", history=None, **values):
        tags = values.pop("tags", {})
        history = history or {}
        n = max(len(column) for column in [*values.values(), *history.values()])
        return [
            Record(
                experiment,
                variant,
                seed,
                profile,
                f"{profile}-{variant}-{seed}",
                {name: column[seed] for name, column in values.items()},
                {name: tuple(curves[seed]) for name, curves in history.items()},
                tags,
            )
            for seed in range(n)
        ]

    return make


@pytest.fixture
def activation_runs(make_runs):
    """Five seeds of both variants of `notes/1.1/activations`, on surrogate data."""
    tags = {
        "commit": "0123456789ab-dirty",
        "data": "fashion_mnist",
        "data_fingerprint": "f00d",
        "surrogate": "mnist",
        "device": "CPU",
        "strategy": "one",
        "versions": "python 3.12.1, tensorflow 2.21.0",
        "finished": "2026-01-02T03:04:05Z",
        "wall_seconds": "61.5",
    }
    common = {"experiment": "notes/1.1/activations", "tags": tags}
    jitter = [0.0, 0.001, -0.001, 0.002, -0.002]
    return [
        *make_runs(
            "tanh",
            test_accuracy=[0.900 + j for j in jitter],
            params=[60850.0] * 5,
            seconds_per_epoch=[3.25] * 5,
            history={"train_loss": [(0.9 + j, 0.5 + j, 0.3 + j) for j in jitter]},
            **common,
        ),
        *make_runs(
            "relu",
            test_accuracy=[0.910 + 2 * j for j in jitter],
            params=[60965224.0] * 5,
            seconds_per_epoch=[3.0] * 5,
            collapsed=[0.0, 0.0, 0.0, 0.0, 1.0],
            history={"train_loss": [(0.6 + 2 * j, 0.3 + j, 0.2 + j) for j in jitter]},
            **common,
        ),
    ]
