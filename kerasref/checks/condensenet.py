"""Learned group convolution, its schedule, its two forms and its costs (dlnotes 2.6)."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kerasref import models
from kerasref.analysis import counts
from kerasref.callbacks import Condense
from kerasref.layers import IndexChannels, IndexedGroupConv2D, LearnedGroupConv2D
from kerasref.models.condensenet import condensed
from kerasref.regularizers import GroupLasso

# Inputs of each group in the book's example (figures 2.32 and 2.34), counted from 1.
EXAMPLE = ((3, 7, 9, 12), (1, 5, 10, 12), (5, 6, 8, 11))


def pruning(features: int = 48, groups: int = 4, condensation: int = 4) -> dict[str, float]:
    """What each condensing stage takes from a random layer. Ledger A2.6-3, A2.6-9, M2.6a.

    Returns:
        `of_remainder_<n>` and `of_original_<n>`: share of the features that remained, and of all,
        which stage n masks for each group; `kept`: share of the weights that remains in the end;
        `wrong_choices`: features masked in any stage although another one that was kept had a
        smaller sum of absolute weights (2.11); `importance_error`: of the layer's importance
        against that sum; `refused`: whether the layer refuses another stage.
    """
    layer, kernel = _random_layer(features, groups, condensation)
    sums = np.abs(kernel).reshape(features, groups, -1).sum(axis=2).T
    found: dict[str, float] = {"importance_error": np.abs(layer.importance() - sums).max()}
    before, wrong = np.ones((groups, features)), 0
    for stage in range(1, condensation):
        layer.condense()
        after = np.asarray(layer.mask)
        masked = (before - after).sum(axis=1)
        found[f"of_remainder_{stage}"] = (masked / before.sum(axis=1)).mean()
        found[f"of_original_{stage}"] = masked.mean() / features
        smallest_kept = np.where(after > 0, sums, np.inf).min(axis=1, keepdims=True)
        wrong += ((before > after) & (sums > smallest_kept)).sum()
        before = after
    effective = _response(layer, features)
    found |= {"kept": np.count_nonzero(effective) / effective.size, "wrong_choices": wrong}
    try:
        layer.condense()
        return {**found, "refused": 0}
    except ValueError:
        return {**found, "refused": 1}


def example() -> dict[str, float]:
    """The book's example: 12 inputs, G = C = 3, groups of its figures. Ledger A2.6-4, M2.6b.

    Returns:
        `wrong_inputs`: of the groups, against the figure, after C - 1 condensations; `position_1`
        to `position_12`: what an index layer with these indices makes of channels that hold their
        own numbers, counted from 1; `error`: largest deviation of the masked layer from the index
        layer and Keras's group convolution with the weights that remain.
    """
    layer, kernel = _random_layer(12, 3, 3, filters=6)
    kernel = np.sign(kernel) * (0.1 + np.abs(kernel) % 0.4)
    for group, inputs in enumerate(EXAMPLE):
        kernel[np.subtract(inputs, 1), 2 * group : 2 * group + 2] *= 10
    layer.kernel.assign(kernel[None, None])
    layer.condense()
    layer.condense()
    wrong = np.count_nonzero(layer.indices() + 1 != np.asarray(EXAMPLE))
    numbers = np.arange(1.0, 13.0)[None, None, None].astype("float32")
    order = np.asarray(IndexChannels(layer.indices().ravel())(numbers)).ravel()
    return {
        "wrong_inputs": wrong,
        **{f"position_{place}": value for place, value in enumerate(order, 1)},
        "error": _two_layers_error(layer, 12),
    }


def forms(seed: int, knobs: dict[str, Any] | None = None) -> dict[str, float]:
    """The masked training form and the test form of a network. Ledger A2.6-4, M2.6b.

    Args:
        seed: of weights, statistics and images.
        knobs: arguments of `CondenseNetSmall`.

    Returns:
        `train_to_test`: largest deviation of the outputs after `condensed`; `test_to_train`: that
        of a training form into whose masks and kernels a random test form is written back;
        `layer_error`: of one masked layer from an index layer and Keras's group convolution;
        `output`: largest output (logits), for comparison; `unlike`: deviation of the training form
        before it condenses; `weights_ratio`: weights of the learned convolutions in the test form
        over those in the training form.
    """
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    settings = {"input_shape": (16, 16, 1), "classifier_activation": None, **(knobs or {})}
    train = models.CondenseNetSmall(**settings)
    _randomise(train, rng)
    x = rng.normal(size=(8, 16, 16, 1)).astype("float32")
    whole = np.asarray(train(x))
    _condense_fully(train)
    condensed_outputs = np.asarray(train(x))
    test = condensed(train)

    other = models.CondenseNetSmall(form="test", **settings)
    _randomise(other, rng)
    back = models.CondenseNetSmall(**settings)
    for layer in back.layers:
        source = other.get_layer(layer.name)
        if isinstance(layer, LearnedGroupConv2D):
            _write_back(source, layer, rng)
        else:
            layer.set_weights(source.get_weights())
    learned = [layer for layer in train.layers if isinstance(layer, LearnedGroupConv2D)]
    small = sum(math.prod(test.get_layer(layer.name).kernel.shape) for layer in learned)
    return {
        "train_to_test": np.abs(np.asarray(test(x)) - condensed_outputs).max(),
        "test_to_train": np.abs(np.asarray(back(x)) - np.asarray(other(x))).max(),
        "layer_error": _two_layers_error(learned[-1], learned[-1].input.shape[-1]),
        "output": np.abs(condensed_outputs).max(),
        "unlike": np.abs(whole - condensed_outputs).max(),
        "weights_ratio": small / sum(math.prod(layer.kernel.shape) for layer in learned),
    }


def schedule(epochs: int = 300, condensation: int = 4) -> dict[str, float]:
    """When the callback condenses, without training anything. Ledger M2.6a, A2.6-3.

    Returns:
        `stages`: how many condensing stages there are; `stage_epochs`: their length, the same for
        all; `lengths`: how many different lengths; `optimisation_epochs`: what remains;
        `condensing_share`: of all epochs.
    """
    image = keras.Input((2, 2, 2 * condensation))
    layer = LearnedGroupConv2D(4, groups=2, condensation=condensation)
    callback = Condense()
    callback.set_model(keras.Model(image, layer(image)))
    callback.set_params({"epochs": epochs})
    callback.on_train_begin()
    ends = [0]
    for epoch in range(epochs):
        before = layer.stage
        callback.on_epoch_begin(epoch)
        ends += [epoch] * (layer.stage - before)
    lengths = np.diff(ends)
    return {
        "stages": len(lengths),
        "stage_epochs": lengths.mean(),
        "lengths": len(set(lengths)),
        "optimisation_epochs": epochs - ends[-1],
        "condensing_share": ends[-1] / epochs,
    }


def training_cost() -> dict[str, float]:
    """Counts of `CondenseNet86CIFAR` while it condenses, and before and after. Ledger A2.6-8.

    Returns:
        `macs`, of the training form; `macs_dense`, with ordinary 1x1 convolutions; `macs_test`;
        `values`: numbers kept in weights, masks and statistics by the training form, and
        `values_dense`; `mask_values`: numbers in the masks; `product_values`: weights of the
        learned convolutions, of which a step makes a masked copy; `change`: difference of
        multiply-accumulates and values of a condensed training form from one that has not yet
        begun.
    """
    with tf.Graph().as_default():
        train = models.CondenseNet86CIFAR()
        totals = [
            counts.count(network)
            for network in (
                train,
                models.CondenseNet86CIFAR(pointwise="dense"),
                models.CondenseNet86CIFAR(form="test"),
            )
        ]
        learned = [layer for layer in train.layers if isinstance(layer, LearnedGroupConv2D)]
        masks = sum(math.prod(layer.mask.shape) for layer in learned)
        weights = sum(math.prod(layer.kernel.shape) for layer in learned)
    small = models.CondenseNetSmall()
    before = counts.count(small)
    _condense_fully(small)
    after = counts.count(small)
    masked, dense, test = totals
    return {
        "macs": masked.macs,
        "macs_dense": dense.macs,
        "macs_test": test.macs,
        "values": masked.params,
        "values_dense": dense.params,
        "mask_values": masks,
        "product_values": weights,
        "change": abs(after.macs - before.macs) + abs(after.params - before.params),
    }


def published(builder: str, knobs: dict[str, Any] | None = None) -> dict[str, float]:
    """Size of a network in its test form as the authors' code counts it. Ledger M2.6e.

    Args:
        builder: of `kerasref.models`.
        knobs: arguments of it.

    Returns:
        `operations`: multiply-accumulates, one for each output of a ReLU, each input of a pooling
        and each bias of the classifier; `parameters`: trainable ones.
    """
    with tf.Graph().as_default():
        model = getattr(models, builder)(form="test", **(knobs or {}))
        total = counts.count(model)
        extra = 0
        for layer in model.layers:
            if isinstance(layer, layers.Activation) and layer.name != "predictions":
                extra += math.prod(layer.output.shape[1:])
            elif isinstance(layer, layers.AveragePooling2D | layers.GlobalAveragePooling2D):
                extra += math.prod(layer.input.shape[1:])
        extra += model.output.shape[-1]
    return {"operations": total.macs + extra, "parameters": total.trainable}


def connectivity(fully_dense: bool = True, increasing: bool = True) -> dict[str, float]:
    """What the layers of `CondenseNetSmall` see of one another. Ledger M2.6c, M2.6d.

    Returns:
        `connections`: pairs of a source (stem, layer or transition) and a layer that sees its
        output as it is or pooled; `between_blocks`: those of different blocks, the stem belonging
        to the first and a transition to the one that it opens;
        `growth_<i>`: channels that a layer of block i adds; `pooling_error`: deviation of the
        first channels that the last layer sees from the stem's output, averaged over 4x4.
    """
    keras.utils.set_random_seed(0)
    model = models.CondenseNetSmall(fully_dense=fully_dense, increasing=increasing)
    found, between = 0, 0
    growth = {}
    for layer in model.layers:
        if layer.name.endswith("_0_bn"):
            block = int(layer.name.removeprefix("conv").partition("_")[0])
            sources = _seen(layer.input)
            found += len(sources)
            between += sum(_block_of(name) != block for name in sources)
        elif layer.name.endswith("_2_conv"):
            growth[f"growth_{int(layer.name[4]) - 1}"] = layer.filters
    last = model.get_layer("conv4_block3_0_bn").input
    probe = keras.Model(model.input, [model.get_layer("conv1_conv").output, last])
    x = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype("float32")
    stem, seen = (np.asarray(y) for y in probe(x))
    pooled = stem.reshape(2, 7, 4, 7, 4, -1).mean(axis=(2, 4))
    error = np.abs(seen[..., : pooled.shape[-1]] - pooled).max()
    return {"connections": found, "between_blocks": between, "pooling_error": error, **growth}


def group_lasso(features: int = 60, groups: int = 3) -> dict[str, float]:
    """The penalty against formula (2.12), and what it does to weights. Ledger A2.6-2.

    A noisy linear map, of which each group of four outputs needs a third of the inputs, is fitted
    by proximal gradient descent, which is exact for penalties with kinks: with the group lasso,
    and with the sum of absolute weights. Each penalty holds a weight at zero against 1.5 standard
    deviations of the noise in its gradient, or a group of four against twice as much. Were the
    inputs orthogonal, a group of four weights would stay at zero with the probability that a chi
    square variable of four degrees is below 9, 0.939; four weights each on its own with 0.866 to
    the power of 4, 0.564.

    Returns:
        `error` of the penalty, relative; `gradient_at_zero`; `whole_groups` and
        `whole_groups_single`: of the pairs of a group and an input that it does not need, the
        share whose weights are all zero, with the group lasso and with the sum of absolute
        weights.
    """
    rng = np.random.default_rng(0)
    size, filters = 4, 4 * groups
    kernel = rng.normal(size=(1, 1, features, filters)).astype("float32")
    norms = np.sqrt((kernel[0, 0].reshape(features, groups, size) ** 2).sum(axis=2))
    penalty = GroupLasso(0.5, groups)
    zero = tf.Variable(tf.zeros_like(kernel))
    with tf.GradientTape() as tape:
        value = penalty(zero)
    needed = np.zeros((features, groups, 1))
    for group in range(groups):
        needed[group::groups, group] = 1
    true = needed * rng.normal(size=(features, groups, size))
    x = rng.normal(size=(2000, features))
    y = x @ true.reshape(features, -1) + 2 * rng.normal(size=(2000, filters))
    return {
        "error": abs(float(penalty(kernel)) - 0.5 * norms.sum()) / norms.sum(),
        "gradient_at_zero": np.abs(tape.gradient(value, zero)).max(),
        "whole_groups": _zero_share(_fit(x, y, groups, together=True), needed),
        "whole_groups_single": _zero_share(_fit(x, y, groups, together=False), needed),
    }


def _fit(x, y, groups, together):
    """Least squares with a penalty on each group of weights, or on each weight."""
    weights = np.zeros((x.shape[1], groups, y.shape[1] // groups))
    rate = 1 / np.linalg.norm(x, 2) ** 2
    strength = 1.5 * 2 * len(x) ** 0.5  # the noise has a standard deviation of 2
    for _ in range(200):
        residual = x @ weights.reshape(x.shape[1], -1) - y
        weights = weights - rate * (x.T @ residual).reshape(weights.shape)
        if together:
            size = np.sqrt((weights**2).sum(axis=2, keepdims=True))
            limit = rate * strength * weights.shape[2] ** 0.5
        else:
            size, limit = np.abs(weights), rate * strength
        weights = weights * np.maximum(1 - limit / np.maximum(size, 1e-12), 0)
    return weights


def _zero_share(weights, needed):
    return (weights[needed[..., 0] == 0] == 0).all(axis=-1).mean()


def _random_layer(features, groups, condensation, filters=None):
    keras.utils.set_random_seed(0)
    layer = LearnedGroupConv2D(filters or 2 * groups, groups, condensation)
    layer.build((None, None, None, features))
    return layer, np.asarray(layer.kernel)[0, 0].copy()


def _response(layer, features):
    """The matrix that a 1x1 layer without bias applies, from its answers to single inputs."""
    unit = np.eye(features, dtype="float32")[:, None, None]
    return np.asarray(layer(unit))[:, 0, 0]


def _two_layers_error(layer, features):
    """Of a condensed layer from an index layer and Keras's own group convolution."""
    indices, size = layer.indices(), layer.filters // layer.groups
    matrix = _response(layer, features)
    parts = [
        matrix[chosen, group * size : (group + 1) * size] for group, chosen in enumerate(indices)
    ]
    image = keras.Input((3, 3, features))
    convolution = layers.Conv2D(layer.filters, 1, groups=layer.groups, use_bias=False)
    model = keras.Model(image, convolution(IndexChannels(indices.ravel())(image)))
    convolution.set_weights([np.concatenate(parts, axis=-1)[None, None]])
    x = np.random.default_rng(1).normal(size=(4, 3, 3, features)).astype("float32")
    return np.abs(np.asarray(model(x)) - np.asarray(layer(x))).max()


def _condense_fully(model):
    for layer in model.layers:
        if isinstance(layer, LearnedGroupConv2D):
            for _ in range(layer.condensation - 1):
                layer.condense()


def _write_back(test: IndexedGroupConv2D, train: LearnedGroupConv2D, rng) -> None:
    """Puts the weights of a test layer where they belong; those that are masked are arbitrary."""
    kernel, indices = np.asarray(test.kernel)[0, 0], np.asarray(test.indices)
    full = rng.normal(size=train.kernel.shape).astype("float32")
    mask = np.zeros(train.mask.shape, "float32")
    size = train.filters // train.groups
    for group, chosen in enumerate(indices):
        mask[group, chosen] = 1
        columns = slice(group * size, (group + 1) * size)
        full[0, 0, chosen, columns] = kernel[:, columns]
    train.kernel.assign(full)
    train.mask.assign(mask)


def _randomise(model, rng):
    """Statistics, scales and indices that differ from those of a new network."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            size = layer.gamma.shape
            layer.set_weights([rng.uniform(0.5, 1.5, size) for _ in range(4)])
        elif isinstance(layer, IndexedGroupConv2D):
            features, (groups, kept) = layer.input.shape[-1], layer.indices.shape
            drawn = [np.sort(rng.choice(features, kept, replace=False)) for _ in range(groups)]
            layer.indices.assign(np.stack(drawn))


def _block_of(name: str) -> int:
    """Number in the names of a block's layers: the stem and a transition belong to the next one."""
    number = int(name[4])
    return number + 1 if number == 1 or name.startswith("pool") else number


def _seen(tensor) -> list[str]:
    """Layers whose outputs reach `tensor` through concatenations and poolings alone."""
    layer = tensor._keras_history.operation
    if isinstance(layer, layers.Concatenate):
        return [name for part in layer.input for name in _seen(part)]
    return _seen(layer.input) if isinstance(layer, layers.AveragePooling2D) else [layer.name]
