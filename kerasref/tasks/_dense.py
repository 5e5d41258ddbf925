"""Dense evaluation: a network slid over whole test images, against voting over crops of them."""

from __future__ import annotations

import collections
from typing import Any

from kerasref.tasks import _objects
from kerasref.tasks._config import ModelConfig
from kerasref.tasks._inputs import Inputs, one_pass


def measure(
    config: ModelConfig, model: Any, inputs: Inputs, top_k: int | None = None
) -> dict[str, float]:
    """Accuracies of a trained VGG on whole test images.

    Metrics: `dense_accuracy`, of the scores averaged over all positions of the fully convolutional
    form; `crops_accuracy`, of the probabilities averaged over five crops of the training size (the
    corners and the centre); `dense_minus_crops`; with `top_k`, `dense_top_k_accuracy`.

    Args:
        config: of `model`.
        model: trained, with hidden dense layers.
        inputs: its data, with whole test images.
        top_k: how many classes may be named.

    Ledger A1.2-10, A1.2-11 (Simonyan & Zisserman 2015, section 3.2).
    """
    import tensorflow as tf

    from kerasref.models.vgg import copy_weights

    size, _, channels = inputs.shape
    window = model.get_layer("flatten").input.shape[1]
    form = {**config.model_dump(), "head": "convolutional", "window": window}
    sliding = _objects.build(
        ModelConfig.model_validate(form),
        input_shape=(None, None, channels),
        classes=inputs.classes,
    )
    copy_weights(model, sliding)
    on_crops = tf.function(lambda x: model(x, training=False))
    on_whole = tf.function(lambda x: sliding(x, training=False))
    right: dict[str, float] = collections.defaultdict(float)
    total = 0.0
    for x, y, weight in one_pass(inputs.whole):
        last = x.shape[1] - size
        corners = [(0, 0), (0, last), (last, 0), (last, last), (last // 2, last // 2)]
        crops = [x[:, row : row + size, column : column + size] for row, column in corners]
        votes, dense = tf.add_n([on_crops(crop) for crop in crops]), on_whole(x)
        named = [("dense_accuracy", dense, 1), ("crops_accuracy", votes, 1)]
        if top_k:
            named.append(("dense_top_k_accuracy", dense, top_k))
        for name, scores, k in named:
            hits = tf.cast(tf.math.in_top_k(y, scores, k), "float32")
            right[name] += float(tf.reduce_sum(hits * weight))
        total += float(tf.reduce_sum(weight))
    found = {name: hits / total for name, hits in right.items()}
    return {**found, "dense_minus_crops": found["dense_accuracy"] - found["crops_accuracy"]}
