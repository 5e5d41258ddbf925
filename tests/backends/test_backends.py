"""Builders and layers give on JAX and PyTorch what they give on TensorFlow, from the same weights.

TensorFlow runs in this process and writes the reference. Each other backend is a process of
.venv-backends, where there is no TensorFlow: whatever calls it fails.
"""

import dataclasses
import json
import math
import os
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from cases import TOLERANCE, Case, draws_at_random, outputs, train
from layer_forms import LAYERS
from small_forms import RUNNABLE

from kerasref import layers, models

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BACKENDS = ["jax", "torch"]
# On GPUs both backends would round the factors of float32 products to TF32's ten bits.
FULL_PRECISION = {"NVIDIA_TF32_OVERRIDE": "0", "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
QUICK = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # compiles three times as fast
PYTHON = ROOT / ".venv-backends" / "bin" / "python"

BUILDERS = [
    Case(name, name, {**RUNNABLE.get(name, {}), "classifier_activation": None})
    for name in models.__all__
]
FORMS = [
    Case(f"{name}-{number}", name, arguments, shape)
    for name, forms in LAYERS.items()
    for number, (shape, arguments) in enumerate(forms)
]


def test_every_layer_has_a_form():
    is_layer = {
        name
        for name in layers.__all__
        if isinstance(found := getattr(layers, name), type) and issubclass(found, keras.Layer)
    }
    assert set(LAYERS) == is_layer


@pytest.mark.parametrize("case", FORMS, ids=lambda case: case.id)
def test_a_layer_is_saved_and_loaded(case, tmp_path):
    model = case.build()
    x = np.random.default_rng(0).normal(size=(2, *case.shape)).astype("float32")
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras")
    assert loaded.get_layer("layer").get_config() == model.get_layer("layer").get_config()
    for ours, theirs in zip(
        keras.tree.flatten(model(x)), keras.tree.flatten(loaded(x)), strict=True
    ):
        np.testing.assert_array_equal(theirs, ours)


@pytest.fixture(scope="module")
def compared(request, tmp_path_factory):
    """(backend, case's id) -> what is wrong, of the tests that were selected."""
    if not PYTHON.exists():
        pytest.skip("`make test-backends` makes .venv-backends")
    selected = [
        item.callspec.params
        for item in request.session.items
        if item.get_closest_marker("backends")
    ]
    directory = tmp_path_factory.mktemp("reference")
    wrong, written = {}, []
    for case in {chosen["case"].id: chosen["case"] for chosen in selected}.values():
        try:
            write(case, directory)
            written.append(repr(dataclasses.astuple(case)))
        except Exception as error:
            wrong |= {(backend, case.id): f"no reference: {error}" for backend in BACKENDS}
        keras.backend.clear_session()
    (directory / "cases.txt").write_text("\n".join(written))
    for backend in {chosen["backend"] for chosen in selected}:
        wrong |= run(backend, directory)
    return wrong


def write(case, directory):
    """Weights, input and outputs of a case on TensorFlow."""
    keras.utils.set_random_seed(0)
    model = case.build()
    rng = np.random.default_rng(0)
    model.set_weights([lively(weight, rng) for weight in model.get_weights()])
    x = rng.normal(size=(2, *model.input_shape[1:])).astype("float32")
    model.save(directory / f"{case.id}.keras")
    expected = outputs(model, x)
    for y in expected:
        if np.ptp(y[0] - y[1]) < 20 * TOLERANCE * np.abs(y).max():
            raise ValueError("two images give nearly the same, which would hide a difference")
    arrays = {"x": x, **{f"output_{n:03}": y for n, y in enumerate(expected)}}
    if case in FORMS and model.trainable_weights and not draws_at_random(model):
        arrays["target"] = rng.normal(size=expected[0].shape).astype("float32")
        trained = train(model, x, arrays["target"])
        arrays |= {f"trained_{n:03}": weight for n, weight in enumerate(trained)}
    np.savez(directory / f"{case.id}.npz", **arrays)


def lively(weight, rng):
    """Away from zeros, ones and vanishing signals, which would hide a difference."""
    if not weight.any():
        return rng.normal(scale=0.1, size=weight.shape)
    weight = weight * rng.uniform(0.5, 1.5, size=weight.shape)
    if weight.ndim < 2:
        return weight
    return weight * max(1, math.sqrt(2 / math.prod(weight.shape[:-1])) / weight.std())


def run(backend, directory):
    own = {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), **FULL_PRECISION, **QUICK}
    process = subprocess.run(
        [PYTHON, HERE / "compare.py", directory],
        env=os.environ | own,
        capture_output=True,
        text=True,
    )
    lines = map(json.loads, process.stdout.splitlines())
    wrong = {(backend, line["case"]): line["error"] for line in lines}
    wrong[backend, "stderr"] = process.stderr[-2000:]
    return wrong


@pytest.mark.backends
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", [*BUILDERS, *FORMS], ids=lambda case: case.id)
def test_same_as_on_tensorflow(case, backend, compared):
    crash = compared.get((backend, "stderr"))
    wrong = compared.get((backend, case.id), f"not reached: {crash}")
    if wrong:
        pytest.fail(wrong, pytrace=False)
