"""Identities of residual networks: sums, products and paths (dlnotes 1.4)."""

from __future__ import annotations

import collections
import math

import keras
import numpy as np
from keras import ops

from kerasref.analysis.lesions import copying_kernel
from kerasref.harness.gradients import value_and_gradients
from kerasref.models.resnet_units import Style, unit

_SHAPE = (6, 6, 4)


def _unit_and_residual(number: int, style: Style, plain: Style):
    """A unit on maps of `_SHAPE`, and its residual branch alone, with the same weights."""
    models = []
    for each in (style, plain):
        x = keras.Input(_SHAPE)
        models.append(keras.Model(x, unit(x, f"unit{number}", each, filters=_SHAPE[-1])))
    whole, residual = models
    rng = np.random.default_rng(number)
    for layer in residual.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in (layer.gamma, layer.moving_variance):
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
            for weight in (layer.beta, layer.moving_mean):
                weight.assign(rng.normal(scale=0.1, size=weight.shape))
    whole.set_weights(residual.get_weights())
    return whole, residual


def _chain(units: int, scale: float, order: str = "preactivation"):
    keras.utils.set_random_seed(0)
    kind = {"shortcut": "identity"}
    if scale != 1:
        kind = {"shortcut": "scaling", "scales": (scale, 1)}
    style, plain = Style(order=order, **kind), Style(order=order, shortcut=None)
    return [_unit_and_residual(number, style, plain) for number in range(units)]


def _images(batch: int = 4):
    return np.abs(np.random.default_rng(1).normal(size=(batch, *_SHAPE))).astype("float32")


def sums(units: int = 8, order: str = "preactivation") -> dict[str, float]:
    """The last maps as the first ones plus residuals, forwards and backwards (Q1.14, Q1.15).

    Both sides are computed apart: the sum from the residual branches alone. With `order` other
    than `"preactivation"`, something follows the addition and neither identity holds. Ledger
    A1.4-5.

    Returns:
        `sum_error`: largest deviation of x_L from x_l + sum F(x_i), over the largest |x_L|;
        `gradient_error`: the same for d/dx_l of v.x_L, against v + d/dx_l of v.sum F(x_i), for a
        random v; `gradient_share`: smallest |d/dx_l of v.x_L| / |v| over the examples, which is 0
        where the derivative of the sum is -v.
    """
    chain = _chain(units, 1.0, order)
    x = keras.Variable(_images())
    v = np.random.default_rng(2).normal(size=x.shape).astype("float32")

    def through():
        y = x.value
        for whole, _ in chain:
            y = whole(y, training=False)
        return y

    def residuals():
        y, total = x.value, 0.0
        for whole, residual in chain:
            total = total + residual(y, training=False)
            y = whole(y, training=False)
        return total

    last = np.asarray(through())
    _, (whole_gradient,) = value_and_gradients(lambda: ops.sum(v * through()), [x])
    _, (residual_gradient,) = value_and_gradients(lambda: ops.sum(v * residuals()), [x])
    norms = [np.linalg.norm(g.reshape(len(g), -1), axis=1) for g in (whole_gradient, v)]
    return {
        "sum_error": np.abs(last - (np.asarray(x) + residuals())).max() / np.abs(last).max(),
        "gradient_error": np.abs(whole_gradient - (v + residual_gradient)).max()
        / np.abs(whole_gradient).max(),
        "gradient_share": (norms[0] / norms[1]).min(),
    }


def products(scale: float, units: int = 20) -> dict[str, float]:
    """The gradient through shortcuts that are all multiplied by `scale` (Q1.16 to Q1.18).

    Ledger A1.4-4.

    Returns:
        `gradient`: of v.x_L by x_l over v, with all residuals silenced, so that what comes through
        the shortcuts is left; `gradient_error`: its relative deviation from scale ** units;
        `sum_error`: largest deviation of x_L from Q1.17, with the residuals as they are, over the
        largest |x_L|.
    """
    chain = _chain(units, scale)
    x = _images()
    y, expected = x, scale**units * x
    for number, (whole, residual) in enumerate(chain, 1):
        expected = expected + scale ** (units - number) * np.asarray(residual(y, training=False))
        y = np.asarray(whole(y, training=False))
    sum_error = np.abs(y - expected).max() / np.abs(y).max()

    start = keras.Variable(x)
    for number, (whole, _) in enumerate(chain):
        kernel = whole.get_layer(f"unit{number}_2_conv").kernel
        kernel.assign(np.zeros(kernel.shape))

    def shortcuts():
        z = start.value
        for whole, _ in chain:
            z = whole(z, training=False)
        return ops.sum(z)

    _, (gradient,) = value_and_gradients(shortcuts, [start])
    product = math.prod([scale] * units)
    return {
        "gradient": gradient.mean(),
        "gradient_error": np.abs(gradient / product - 1).max(),
        "sum_error": sum_error,
    }


def paths(blocks: int = 3, size: int = 5) -> dict[str, float]:
    """Linear residual blocks as the sum over all their 2**blocks paths. Ledger A1.4-10, F1.41.

    The network is unrolled into a binary tree as in figure 1.41, each leaf the sequence of blocks
    on its way; the leaves' outputs, products of matrices, are added up. Float64.

    Returns:
        `paths`: distinct leaves; `sum_error`: largest deviation of their sum from the network's
        output, over the largest output; `length_<k>`: paths through k blocks; `binomial_error`:
        largest deviation of those from the binomial coefficients.
    """
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(blocks, size, size)) / math.sqrt(size)
    x = rng.normal(size=size)
    y = x
    for weight in weights:
        y = y + weight @ y

    def leaves(depth):
        """Paths of the first `depth` blocks: around the last of them, or through it."""
        if depth == 0:
            return [()]
        before = leaves(depth - 1)
        return [*before, *((*path, depth - 1) for path in before)]

    found = leaves(blocks)
    total = np.zeros(size)
    for path in found:
        value = x
        for block in path:
            value = weights[block] @ value
        total = total + value
    lengths = collections.Counter(map(len, found))
    return {
        "paths": len(set(found)),
        "sum_error": np.abs(total - y).max() / np.abs(y).max(),
        **{f"length_{k}": lengths[k] for k in range(blocks + 1)},
        "binomial_error": max(abs(lengths[k] - math.comb(blocks, k)) for k in range(blocks + 1)),
    }


def dropped_shortcuts(
    rate: float = 0.5, units: int = 6, samples: int = 200_000
) -> dict[str, float]:
    """What Dropout on the shortcuts leaves of a signal, on average. Ledger A1.4-9.

    `keras.layers.Dropout` divides what it keeps by 1 - rate; Dropout as first published does not.

    Returns:
        `kept`: mean factor of one shortcut without that division; `rescaled`: with it;
        `kept_through`: mean factor over `units` shortcuts without it; `surviving`: fraction of the
        values that come through all of them.
    """
    keras.utils.set_random_seed(0)
    signal = ones = np.ones((samples, 1), "float32")
    layers = [keras.layers.Dropout(rate) for _ in range(units)]
    first = np.asarray(layers[0](ones, training=True))
    for layer in layers:
        signal = np.asarray(layer(signal, training=True))
    return {
        "kept": (first * (1 - rate)).mean(dtype="float64"),
        "rescaled": first.mean(dtype="float64"),
        "kept_through": (signal * (1 - rate) ** units).mean(dtype="float64"),
        "surviving": np.mean(signal > 0),
    }


def copied_layers(depth: int = 100, features: int = 14, width: int = 8) -> dict[str, float]:
    """A network of 16 layers against one of `depth` whose added layers copy. Ledger A1.4-13.

    `features` convolutions of 3x3 with ReLU and two dense layers; the deep network puts
    convolutions that copy between them, so that layer `depth - 2` gives what layer 14 gave.

    Returns:
        `shallow_layers` and `deep_layers`; `output_change`, the largest difference between the two
        networks' outputs; `random_change`, the same with random kernels in the added layers.
    """
    keras.utils.set_random_seed(0)

    def conv():
        return keras.layers.Conv2D(
            width, 3, padding="same", activation="relu", kernel_initializer="he_normal"
        )

    body = [conv() for _ in range(features)]
    top = [keras.layers.Dense(16, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    added = [conv() for _ in range(depth - features - len(top))]
    flatten = keras.layers.Flatten()
    shallow, deep = (
        keras.Sequential([keras.Input((8, 8, 3)), *body, *middle, flatten, *top])
        for middle in ([], added)
    )
    x = np.random.default_rng(0).uniform(size=(4, 8, 8, 3)).astype("float32")
    expected, changed = np.asarray(shallow(x)), np.asarray(deep(x))
    for layer in added:
        layer.kernel.assign(copying_kernel(3, width))
    return {
        "shallow_layers": sum(1 for layer in shallow.layers if layer.weights),
        "deep_layers": sum(1 for layer in deep.layers if layer.weights),
        "output_change": np.abs(np.asarray(deep(x)) - expected).max(),
        "random_change": np.abs(changed - expected).max(),
    }


def information(values: int = 64, levels: int = 4, trials: int = 200) -> dict[str, float]:
    """How much a layer knows of its input, with and without an identity shortcut.

    A layer is a random function F from `values` equally likely inputs to `levels` outputs, and the
    unit gives x + F(x). All is discrete, so that mutual information is counted, not estimated.
    Ledger A1.4-12.

    Returns:
        `before`: bits in the input; `plain`: mean bits of it that F(x) gives; `residual`: mean bits
        that x + F(x) gives; `gains`: trials in which x + F(x) tells more than x itself;
        `residual_minus_plain`: smallest difference between the two.
    """
    rng = np.random.default_rng(0)
    x = np.arange(values)

    def bits(output):  # of a function of x: the entropy of its output
        _, counts = np.unique(output, return_counts=True)
        shares = counts / values
        return float(-(shares * np.log2(shares)).sum())

    before = bits(x)
    outputs = [rng.integers(levels, size=values) for _ in range(trials)]
    plain = np.array([bits(output) for output in outputs])
    residual = np.array([bits(x + output) for output in outputs])
    return {
        "before": before,
        "plain": plain.mean(),
        "residual": residual.mean(),
        "gains": np.sum(residual > before + 1e-9),
        "residual_minus_plain": (residual - plain).min(),
    }


def orders() -> dict[str, float]:
    """Rows and columns of the book's two tables of variants, counted on what the builders offer.

    Every configuration is built as a unit on random maps; two that compute the same would count
    once. Ledger M1.4-8, M1.4-9, F1.38.

    Returns:
        `shortcuts`: different configurations of table 1.1 (the plain one included); `kinds`: kinds
        of shortcut; `orders`: different activation positions of table 1.2.
    """
    rows = [
        {},
        {"shortcut": None},
        {"shortcut": "scaling", "scales": (0.5, 1)},
        {"shortcut": "scaling", "scales": (0.5, 0.5)},
        *({"shortcut": "exclusive_gating", "gate_bias": bias} for bias in (0.0, -6.0, -7.0)),
        {"shortcut": "shortcut_gating", "gate_bias": 0.0},
        {"shortcut": "shortcut_gating", "gate_bias": -6.0},
        {"shortcut": "conv"},
        {"shortcut": "dropout"},
    ]
    positions = [
        "original",
        "bn_after_addition",
        "relu_before_addition",
        "relu_only_preactivation",
        "preactivation",
    ]
    return {
        "shortcuts": _different(rows),
        "kinds": len({row.get("shortcut", "identity") for row in rows} - {None}),
        "orders": _different([{"order": order} for order in positions]),
    }


def _different(styles):
    x = np.random.default_rng(0).normal(size=(8, *_SHAPE)).astype("float32")
    outputs = set()
    for style in styles:
        keras.utils.set_random_seed(0)
        image = keras.Input(_SHAPE)
        model = keras.Model(image, unit(image, "unit", Style(**style), filters=_SHAPE[-1]))
        rng = np.random.default_rng(0)
        for weight in model.trainable_weights:
            if weight.path.endswith("kernel"):
                weight.assign(rng.normal(size=weight.shape))
        outputs.add(np.round(np.asarray(model(x, training=True)), 4).tobytes())
    return len(outputs)
