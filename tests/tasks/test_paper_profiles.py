"""Full-scale settings cannot be run in a test; that they resolve and build can."""

import numpy as np
import pytest

from kerasref import data
from kerasref.analysis.weightless import weightless
from kerasref.data.pipeline import ArrayPipeline
from kerasref.harness import plan
from kerasref.harness.context import Context
from kerasref.harness.library import Library
from kerasref.harness.plan import Options
from kerasref.tasks import _inputs, _objects, classify

LIBRARY = Library()


def full_scale_runs():
    """One run per variant of every experiment that trains at `paper`."""
    for id in LIBRARY.paths:
        experiment = LIBRARY.experiment(id)
        if experiment.task == "classify" and (experiment.needs or "paper" in experiment.profiles):
            for run in plan.alternatives(experiment, Options("paper", seeds=1))[0]:
                yield pytest.param(run, id=f"{run.experiment}-{run.variant}")


RUNS = list(full_scale_runs())
ALEXNETS = [
    parameter
    for parameter in RUNS
    if parameter.values[0].settings.data.source == "imagenet2012"
    and parameter.values[0].settings.model.builder == "AlexNet"
]


@pytest.mark.parametrize("run", RUNS)
def test_paper_profile_resolves_and_builds(run):
    settings = run.settings
    classify.preflight(settings)
    source = data.SOURCES[settings.data.source]
    side = settings.data.image_size or source.shape[0] or 224
    channels = settings.data.channels or source.shape[2]
    shape = {"input_shape": (side, side, channels), "classes": source.classes}
    model = weightless(lambda: _objects.build(settings.model, **shape))
    settings.probes.check(model)
    assert all(output.shape[-1] == source.classes for output in model.outputs)


def random_inputs(config, seed):
    """Two ImageNet-shaped images of noise instead of the real thing."""
    rng = np.random.default_rng(seed)
    shape = (config.image_size, config.image_size, 3)
    x = rng.integers(0, 256, (2, *shape), "uint8")
    y = rng.integers(0, 1000, 2)
    train = ArrayPipeline(x, y, 2, seed=seed, shuffle=True, scale=config.scale)
    test = ArrayPipeline(x, y, 2, shuffle=False, scale=config.scale)
    return _inputs.Inputs(train, test, None, shape, 1000, "random")


@pytest.mark.parametrize("run", ALEXNETS)
def test_paper_profile_takes_a_step(run, monkeypatch):
    monkeypatch.setattr(_inputs, "load", random_inputs)
    one_epoch = run.settings.train.model_copy(update={"epochs": 1})
    epochs = []
    metrics = classify.run(
        run.settings.model_copy(update={"train": one_epoch}),
        Context(seed=0, log_epoch=lambda epoch, metrics: epochs.append(metrics)),
    )
    assert len(epochs) == 1
    assert metrics["params"] > 58_000_000
    assert metrics["train_loss"] == pytest.approx(np.log(1000), rel=0.5)


# D2L-X11: learning rate and batch size.
EDITIONS = {
    "zh": {
        "alexnet": (0.01, 128),
        "vgg11-slim": (0.05, 128),
        "nin": (0.1, 128),
        "googlenet": (0.1, 128),
        "concise": (1.0, 256),
        "resnet18": (0.05, 256),
        "densenet": (0.1, 256),
    },
    "en": {
        "alexnet": (0.01, 128),
        "vgg11-slim": (0.01, 128),
        "nin": (0.05, 128),
        "googlenet": (0.01, 128),
        "bn-lenet-scratch": (0.1, 128),
        "resnet18": (0.01, 128),
        "densenet": (0.01, 128),
        "regnetx32": (0.05, 128),
    },
}


@pytest.mark.parametrize("edition", EDITIONS)
def test_recipes_of_d2l_keep_to_their_edition(edition):
    found = {}
    for kind in ("networks", "lenets"):
        experiment = LIBRARY.experiment(f"d2l/7.9/{kind}-{edition}")
        for run in plan.alternatives(experiment, Options("paper", seeds=1))[0]:
            train, images = run.settings.train, run.settings.data
            found[run.variant] = (train.optimizer.arguments["learning_rate"], images.batch_size)
    assert found.items() >= EDITIONS[edition].items()
