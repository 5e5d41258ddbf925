"""Loss, metric, initial weights, images and padding of D2L's experiments."""

from __future__ import annotations

import keras
import numpy as np

from kerasref import data
from kerasref.data.pipeline import ArrayPipeline
from kerasref.models import LeNet5D2L, NiND2L, blocks


def cross_entropy(examples: int = 1000, classes: int = 10) -> dict[str, float]:
    """Cross-entropy and accuracy of random logits: Keras's against the definitions.

    Ledger D2L-U2, D2L-U3.

    Returns:
        `logits_error`, the loss on logits against log-sum-exp in float64; `probabilities_error`,
        the loss on the probabilities of a softmax, as the training loop has it, likewise;
        `large_logits_error`, the first at logits around 100,000; `uniform_loss_error`, the loss
        of equal logits against the logarithm of `classes`; `accuracy_error`, the metric
        against counting.
    """
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=5.0, size=(examples, classes)).astype("float32")
    labels = rng.integers(classes, size=examples)
    on_logits, on_probabilities = (
        keras.losses.SparseCategoricalCrossentropy(from_logits=flag) for flag in (True, False)
    )
    metric = keras.metrics.SparseCategoricalAccuracy()
    metric.update_state(labels, logits)

    def by_definition(values):
        values = values.astype("float64")
        top = values.max(axis=1, keepdims=True)
        total = np.log(np.exp(values - top).sum(axis=1)) + top[:, 0]
        return np.mean(total - values[np.arange(examples), labels])

    large, expected = logits + np.float32(1e5), by_definition(logits)
    uniform = float(on_logits(labels, np.zeros_like(logits)))
    probabilities = keras.ops.softmax(logits)
    return {
        "logits_error": abs(float(on_logits(labels, logits)) - expected),
        "probabilities_error": abs(float(on_probabilities(labels, probabilities)) - expected),
        "large_logits_error": abs(float(on_logits(labels, large)) - by_definition(large)),
        "uniform_loss_error": abs(uniform - np.log(classes)),
        "accuracy_error": abs(float(metric.result()) - np.mean(logits.argmax(axis=1) == labels)),
    }


def initial_weights(seed: int) -> dict[str, float]:
    """Initial kernels of D2L's LeNet and of the first layers of its NiN. Ledger D2L-U4.

    Returns:
        `largest_over_bound`, the largest weight over Glorot's bound, the root of 6 / (fan in + fan
        out), over all kernels (just under 1 for a uniform draw up to the bound);
        `smallest_share_of_bound`, the smallest over kernels of more than 1,000 weights of their
        largest weight over the bound; `variance_over_expected`, of all weights, each divided
        by its bound, over 1/3; `largest_bias`.
    """
    keras.utils.set_random_seed(seed)
    model, deep = LeNet5D2L(), NiND2L(width=0.25, input_shape=(75, 75, 1))
    layers = [layer for m in (model, deep) for layer in m.layers if layer.weights]
    scaled, biases = [], []
    for layer in layers:
        kernel, bias = layer.get_weights()
        window = np.prod(kernel.shape[:-2])
        fans = window * (kernel.shape[-2] + kernel.shape[-1])
        scaled.append(kernel.ravel() / np.sqrt(6 / fans))
        biases.append(np.abs(bias).max())
    shares = [np.abs(kernel).max() for kernel in scaled]
    return {
        "largest_over_bound": max(shares),
        "smallest_share_of_bound": min(
            share for share, kernel in zip(shares, scaled, strict=True) if kernel.size > 1000
        ),
        "variance_over_expected": np.concatenate(scaled).var() * 3,
        "largest_bias": max(biases),
    }


def images(source: str = "fashion_mnist", size: int = 224, examples: int = 128) -> dict[str, float]:
    """Images as the loader gives them, at their own size and enlarged. Ledger D2L-U5, C5, K3.

    Args:
        source: a data source that fits in memory.
        size: side to enlarge to.
        examples: images that are loaded; one batch.

    Returns:
        `train_examples`, `test_examples`, `labels`; `height`, `width` and `batch` of a batch;
        `smallest`, `largest` pixel of it; `resize_error`, largest difference of an enlarged pixel
        from bilinear interpolation by hand, in steps of 1/255; `mean` pixel, to see
        that nothing was standardised; `mean_change` by enlarging.
    """
    whole = data.load(source)
    own, large = (
        data.load(source, train=examples, test=1, image_size=side) for side in (None, size)
    )
    batches = [
        ArrayPipeline(part.x_train, part.y_train, examples, shuffle=False).inputs(examples)
        for part in (own, large)
    ]
    expected = _bilinear(own.x_train[:8, :, :, 0].astype("float64"), size)
    batch = batches[1]
    return {
        "train_examples": len(whole.x_train),
        "test_examples": len(whole.x_test),
        "labels": len(np.unique(whole.y_train)),
        "batch": batch.shape[0],
        "height": batch.shape[1],
        "width": batch.shape[2],
        "smallest": batch.min(),
        "largest": batch.max(),
        "mean": batch.mean(),
        "mean_change": abs(batch.mean() - batches[0].mean()),
        "resize_error": np.abs(expected - large.x_train[:8, :, :, 0]).max(),
    }


def _bilinear(pictures: np.ndarray, size: int) -> np.ndarray:
    """Pictures `(n, side, side)` enlarged; centres of pixels correspond, edges are repeated."""
    side = pictures.shape[1]
    place = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    low = np.minimum(place.astype(int), side - 2)
    weight = place - low
    rows = pictures[:, low] * (1 - weight)[:, None] + pictures[:, low + 1] * weight[:, None]
    return rows[:, :, low] * (1 - weight) + rows[:, :, low + 1] * weight


def padding(kernel: int = 7, size: int = 96) -> dict[str, float]:
    """Rows of "same" padding that a window reaches at stride 2, counted on an image of ones.

    Ledger D2L-X14.

    Returns:
        `keras_before`, `keras_after`, `symmetric_before`, `symmetric_after` for Keras's padding and
        that of `models.blocks.conv`; `output_size` of both; `difference`, mean distance of their
        outputs on noise, in standard deviations of one of them.
    """
    keras.utils.set_random_seed(0)
    image = keras.Input((size, size, 1))
    arguments = {"use_bias": False, "kernel_initializer": "ones"}
    forms = {
        "keras": keras.layers.Conv2D(1, kernel, strides=2, padding="same", **arguments)(image),
        "symmetric": blocks.conv(image, 1, kernel, "conv", strides=2, **arguments),
    }
    ones = np.ones((1, size, size, 1), "float32")
    noise = np.random.default_rng(0).normal(size=ones.shape).astype("float32")
    found, outputs = {}, {}
    for name, output in forms.items():
        model = keras.Model(image, output)
        covered = np.asarray(model(ones))[0, :, :, 0]
        outputs[name] = np.asarray(model(noise))
        found[f"{name}_before"] = kernel - round(covered[0, 0] ** 0.5)
        found[f"{name}_after"] = kernel - round(covered[-1, -1] ** 0.5)
        found[f"{name}_size"] = len(covered)
    distance = np.abs(outputs["keras"] - outputs["symmetric"]).mean()
    return found | {"difference": distance / outputs["keras"].std()}
