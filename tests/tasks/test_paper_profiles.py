"""Full-scale settings cannot be run in a test; that they resolve, build and step can."""

import numpy as np
import pytest

from kerasref.data.pipeline import ArrayPipeline
from kerasref.harness import plan
from kerasref.harness.context import Context
from kerasref.harness.library import Library
from kerasref.harness.plan import Options
from kerasref.tasks import _inputs, classify

LIBRARY = Library()


def full_scale_runs():
    """One run per variant of every experiment whose `paper` profile wants ImageNet."""
    for id in LIBRARY.paths:
        experiment = LIBRARY.experiment(id)
        if experiment.task != "classify":
            continue
        for run in plan.alternatives(experiment, Options("paper", seeds=1))[0]:
            if run.settings.data.source == "imagenet2012":
                yield pytest.param(run, id=f"{run.experiment}-{run.variant}")


def random_inputs(config, seed):
    """Two ImageNet-shaped images of noise instead of the real thing."""
    rng = np.random.default_rng(seed)
    shape = (config.image_size, config.image_size, 3)
    x = rng.integers(0, 256, (2, *shape), "uint8")
    y = rng.integers(0, 1000, 2)
    train = ArrayPipeline(x, y, 2, seed=seed, shuffle=True, scale=config.scale)
    test = ArrayPipeline(x, y, 2, shuffle=False, scale=config.scale)
    return _inputs.Inputs(train, test, None, shape, 1000, "random")


@pytest.mark.parametrize("run", list(full_scale_runs()))
def test_paper_profile_takes_a_step(run, monkeypatch):
    monkeypatch.setattr(_inputs, "load", random_inputs)
    classify.preflight(run.settings)
    one_epoch = run.settings.train.model_copy(update={"epochs": 1})
    epochs = []
    metrics = classify.run(
        run.settings.model_copy(update={"train": one_epoch}),
        Context(seed=0, log_epoch=lambda epoch, metrics: epochs.append(metrics)),
    )
    assert len(epochs) == 1
    assert metrics["params"] > 58_000_000
    assert metrics["train_loss"] == pytest.approx(np.log(1000), rel=0.5)
