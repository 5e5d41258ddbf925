"""Task `classical`: features made by hand and a convex classifier, or a network end to end."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import model_validator

from kerasref import data
from kerasref.harness.context import Context
from kerasref.harness.spec import Strict
from kerasref.tasks import classify
from kerasref.tasks._config import DataConfig, ModelConfig, TrainConfig
from kerasref.tasks.classify import alternatives, available, prepare

__all__ = ["Config", "alternatives", "available", "preflight", "prepare", "run"]

RESULTS_VERSION = 1


class Config(Strict):
    """Either `classifier`, on `features` of the images, or `model`, trained as `train` says.

    Attributes:
        data: as in task `classify`; grey images of a source that fits in memory.
        features: `"pixels"` in 0..1, or `"hog"` (histograms of oriented gradients).
        classifier: support vector machine of scikit-learn: `"linear_svm"` (C = 1), or
            `"kernel_svm"` (Gaussian kernel, C = 10).
        model: network that is trained as in task `classify`.
        train: how to train it; a classifier is fitted whatever it says.
    """

    data: DataConfig
    features: Literal["pixels", "hog"] = "pixels"
    classifier: Literal["linear_svm", "kernel_svm"] | None = None
    model: ModelConfig | None = None
    train: TrainConfig | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Config:
        if (self.classifier is None) == (self.model is None):
            raise ValueError("give exactly one of classifier and model")
        if self.model and not self.train:
            raise ValueError("model needs train")
        return self

    @property
    def network(self) -> classify.Config:
        """The configuration of task `classify` for `model`."""
        return classify.Config(model=self.model, data=self.data, train=self.train)


def preflight(config: Config) -> None:
    """Raises ConfigError for an unknown builder, optimizer, callback or argument of one."""
    if config.model:
        classify.preflight(config.network)


def run(config: Config, context: Context) -> dict[str, float]:
    """Train and evaluate.

    Metrics of a network are those of task `classify`. Of a classifier: `test_accuracy`,
    `fit_accuracy` (training set), `accuracy_gap`, `features` (how many), `seconds` (features and
    fit).
    """
    if config.model:
        return classify.run(config.network, context)
    from sklearn.svm import SVC, LinearSVC

    context.start()
    wanted = config.data
    images = data.load(wanted.source, wanted.train, wanted.test, wanted.image_size, wanted.channels)
    context.tag("data_fingerprint", images.fingerprint)
    began = time.perf_counter()
    train, test = (_features(x, config.features) for x in (images.x_train, images.x_test))
    machine = (
        LinearSVC(C=1.0, random_state=context.seed)
        if config.classifier == "linear_svm"
        else SVC(C=10.0, random_state=context.seed)
    )
    machine.fit(train, images.y_train)
    seconds = time.perf_counter() - began
    fit, accuracy = (
        machine.score(x, y) for x, y in ((train, images.y_train), (test, images.y_test))
    )
    return {
        "test_accuracy": accuracy,
        "fit_accuracy": fit,
        "accuracy_gap": fit - accuracy,
        "features": train.shape[1],
        "seconds": seconds,
    }


def _features(x, kind):
    if kind == "hog":
        from kerasref.analysis.hog import hog

        return hog(x[..., 0])
    return x.reshape(len(x), -1) / 255.0
