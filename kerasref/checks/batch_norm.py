"""What batch normalisation computes, in training and in prediction (D2L 7.5)."""

from __future__ import annotations

import keras
import numpy as np

from kerasref.harness.gradients import value_and_gradients
from kerasref.layers import BatchNormFromScratch
from kerasref.models import BNLeNet

EPSILON = 1e-5


def standardises(examples: int = 64, side: int = 5, features: int = 7) -> dict[str, float]:
    """Each batch comes out with mean 0 and variance 1 before scale and shift.

    Against the formula in float64, for a dense layer's output `(examples, features)` and a
    convolution's `(examples, side, side, features)`, whose features have means up to 10 and
    standard deviations up to 5. Ledger D2L-A23, D2L-C9, D2L-E1, D2L-E2.

    Returns:
        For `fc` and `conv`: `<kind>_mean` and `<kind>_variance_error` (largest distance from 0 and
        from variance / (variance + epsilon)), `<kind>_formula_error` (largest deviation from the
        formula with a random scale and shift).
    """
    found = {}
    for kind, shape in (
        ("fc", (examples, features)),
        ("conv", (examples, side, side, features)),
    ):
        x, axes = _features(shape), tuple(range(len(shape) - 1))
        layer = BatchNormFromScratch(epsilon=EPSILON)
        y = np.asarray(layer(x, training=True), "float64")
        wide = x.astype("float64")
        mean, variance = wide.mean(axes), wide.var(axes)
        gamma, beta = np.random.default_rng(1).normal(size=(2, features)).astype("float32")
        layer.gamma.assign(gamma)
        layer.beta.assign(beta)
        expected = gamma * (wide - mean) / np.sqrt(variance + EPSILON) + beta
        shrunk = variance / (variance + EPSILON)
        found |= {
            f"{kind}_mean": np.abs(y.mean(axes)).max(),
            f"{kind}_variance_error": np.abs(y.var(axes) - shrunk).max(),
            f"{kind}_formula_error": np.abs(np.asarray(layer(x, training=True)) - expected).max(),
        }
    return found


def values_averaged(examples: int = 8, height: int = 5, width: int = 6) -> dict[str, float]:
    """How many inputs a normalised output depends on, found by its gradient.

    Ledger D2L-C10, D2L-C11, D2L-A37.

    Returns:
        `fc_same_feature` and `conv_same_channel` (inputs of the output's own feature that it
        depends on: a batch's, and a batch's times the positions); `fc_other_features`,
        `conv_other_channels` (inputs of others).
    """
    found = {}
    for kind, other, shape in (
        ("fc_same_feature", "fc_other_features", (examples, 3)),
        ("conv_same_channel", "conv_other_channels", (examples, height, width, 3)),
    ):
        x = keras.Variable(_features(shape))
        layer = keras.layers.BatchNormalization(epsilon=EPSILON)
        first = (0,) * len(shape)
        _, (gradient,) = value_and_gradients(lambda: layer(x, training=True)[first], [x])  # noqa: B023
        depends = np.count_nonzero(gradient, axis=tuple(range(len(shape) - 1)))
        found |= {kind: depends[0], other: depends[1:].sum()}
    return found


def batch_of_one() -> dict[str, float]:
    """A batch of one example: a dense layer cannot learn, a convolution can.

    Ledger D2L-A24, D2L-X4.

    Returns:
        For `fc` and `conv`: `<kind>_all_zero` (1 if every normalised output is 0) and
        `<kind>_gradient` (norm of a random loss's gradient for the kernel before).
    """
    found = {}
    for kind, layer, shape in (
        ("fc", keras.layers.Dense(6, kernel_initializer=_glorot()), (1, 20)),
        ("conv", keras.layers.Conv2D(6, 3, kernel_initializer=_glorot()), (1, 8, 8, 2)),
    ):
        x, norm = _features(shape), keras.layers.BatchNormalization(epsilon=EPSILON)
        y = np.asarray(norm(layer(x), training=True))
        weights = np.random.default_rng(1).normal(size=y.shape).astype("float32")
        _, (gradient,) = value_and_gradients(
            lambda: keras.ops.sum(weights * norm(layer(x), training=True)),  # noqa: B023
            [layer.kernel],
        )
        found |= {f"{kind}_all_zero": float(not y.any()), f"{kind}_gradient": _norm(gradient)}
    return found


def modes(updates: int = 5, momentum: float = 0.9) -> dict[str, float]:
    """Training normalises by the batch, prediction by moving averages.

    Ledger D2L-A29, D2L-C12.

    Args:
        updates: training calls on the same batch.
        momentum: weight of the old average.

    Returns:
        `mode_change` (largest difference of the output between the modes);
        `training_companion_change` and `prediction_companion_change` (of one example's output when
        the others of its batch are replaced); `prediction_repeat_change`; `average_error` (largest
        relative deviation of the moving averages from their closed form after `updates`).
    """
    x = _features((32, 4))
    others = np.concatenate([x[:1], _features((31, 4), seed=1)])
    layer = keras.layers.BatchNormalization(momentum=momentum, epsilon=EPSILON)
    for _ in range(updates):
        trained = np.asarray(layer(x, training=True))
    kept = momentum**updates
    averages = (
        (layer.moving_mean, (1 - kept) * x.mean(0)),
        (layer.moving_variance, kept + (1 - kept) * x.var(0)),
    )
    predicted = np.asarray(layer(x, training=False))
    found = {
        "mode_change": np.abs(trained - predicted).max(),
        "prediction_companion_change": np.abs(
            layer(others, training=False)[0] - predicted[0]
        ).max(),
        "prediction_repeat_change": np.abs(layer(x, training=False) - predicted).max(),
        "average_error": max(np.abs(np.asarray(a) / b - 1).max() for a, b in averages),
    }
    change = np.abs(layer(others, training=True)[0] - trained[0]).max()
    return found | {"training_companion_change": change}


def linearity() -> dict[str, float]:
    """Given the statistics, the map is affine and can be folded into the layer before.

    Ledger D2L-A30.

    Returns:
        `given_error` (largest deviation from f(ax + (1 - a)z) = a f(x) + (1 - a) f(z) in
        prediction); `batch_error` (the same where the statistics are the batch's); `fold_error`
        (of one dense layer with folded weights from dense layer and normalisation).
    """
    x, z, share = _features((16, 4)), _features((16, 4), seed=1), 0.3
    layer = keras.layers.BatchNormalization(epsilon=EPSILON)
    dense = keras.layers.Dense(4, kernel_initializer=_glorot())
    for _ in range(20):
        layer(dense(x), training=True)
    layer.gamma.assign([0.5, 1.0, 2.0, -1.0])
    layer.beta.assign([1.0, 0.0, -2.0, 3.0])

    def error(training):
        mixed = layer(share * x + (1 - share) * z, training=training)
        parts = share * layer(x, training=training) + (1 - share) * layer(z, training=training)
        return np.abs(mixed - parts).max()

    found = {"given_error": error(False)}
    scale = np.asarray(layer.gamma) / np.sqrt(np.asarray(layer.moving_variance) + EPSILON)
    kernel = np.asarray(dense.kernel) * scale
    bias = (np.asarray(dense.bias) - layer.moving_mean) * scale + layer.beta
    folded = np.abs(layer(dense(x), training=False) - (x @ kernel + bias)).max()
    return found | {"fold_error": folded, "batch_error": error(True)}


def scratch_equals_keras(steps: int = 5, learning_rate: float = 0.1) -> dict[str, float]:
    """BN-LeNet with the layer from scratch and with Keras's, trained side by side.

    Ledger D2L-A35, D2L-C13, D2L-K22, D2L-K23.

    Args:
        steps: of SGD on one batch of 32 random images, from the same weights.
        learning_rate: of SGD.

    Returns:
        Largest deviations: `loss_error` over all steps, `gradient_error` at the first (relative to
        the gradient's norm), `statistics_error` and `prediction_error` after the last.
    """
    keras.utils.set_random_seed(0)
    networks = [BNLeNet(norm="batch"), BNLeNet(norm="scratch")]
    networks[1].set_weights(networks[0].get_weights())
    x, labels = _images(32), np.arange(32) % 10
    losses, gradients = zip(
        *(_train(network, x, labels, steps, learning_rate) for network in networks), strict=True
    )
    own, other = (
        np.concatenate([np.ravel(w) for w in network.non_trainable_weights]) for network in networks
    )
    return {
        "loss_error": np.abs(np.subtract(*losses)).max(),
        "gradient_error": max(_norm(a - b) for a, b in zip(*gradients, strict=True))
        / _norm(np.concatenate([np.ravel(g) for g in gradients[0]])),
        "statistics_error": np.abs(own - other).max(),
        "prediction_error": np.abs(networks[0](x) - networks[1](x)).max(),
    }


def before_activation() -> dict[str, float]:
    """A hidden layer of BN-LeNet is sigmoid(BN(Wx + b)), computed step by step in float64.

    Ledger D2L-E3, D2L-A37.

    Returns:
        `formula_error`: largest deviation of layer C5 in training.
    """
    keras.utils.set_random_seed(0)
    network = BNLeNet()
    c5, bn = network.get_layer("c5"), network.get_layer("c5_bn")
    c5.bias.assign(np.linspace(-1, 1, 120))
    bn.beta.assign(np.linspace(1, -1, 120))
    outputs = [network.get_layer(name).output for name in ("flatten", "c5_act")]
    flat, h = keras.Model(network.input, outputs)(_images(32), training=True)
    affine = np.asarray(flat, "float64") @ np.asarray(c5.kernel) + np.asarray(c5.bias)
    normal = (affine - affine.mean(0)) / np.sqrt(affine.var(0) + bn.epsilon)
    expected = 1 / (1 + np.exp(-(np.asarray(bn.gamma) * normal + np.asarray(bn.beta))))
    return {"formula_error": np.abs(np.asarray(h) - expected).max()}


def bias_is_redundant(steps: int = 10, learning_rate: float = 0.1) -> dict[str, float]:
    """A bias before normalisation changes nothing in training and is not trained.

    Ledger D2L-B6a.

    Args:
        steps: of SGD, from the same kernel, with a bias of 3 and without.
        learning_rate: of SGD.

    Returns:
        `output_change` (largest, by the bias); `bias_gradient` (its norm, relative to the
        kernel's); `kernel_change` (largest, by the bias, after training); the same without
        normalisation: `plain_output_change`, `plain_bias_gradient`, `plain_kernel_change`.
    """
    x, labels = _features((32, 8)), np.arange(32) % 4
    found = {}
    for prefix, norm in (("", True), ("plain_", False)):
        networks = [_classifier(8, norm, bias) for bias in (0.0, 3.0)]
        before = [np.asarray(network(x, training=True)) for network in networks]
        (_, gradients), _ = (_train(n, x, labels, steps, learning_rate) for n in networks)
        kernels = [np.asarray(network.layers[0].kernel) for network in networks]
        found |= {
            f"{prefix}output_change": np.abs(np.subtract(*before)).max(),
            f"{prefix}bias_gradient": _norm(gradients[1]) / _norm(gradients[0]),
            f"{prefix}kernel_change": np.abs(np.subtract(*kernels)).max(),
        }
    return found


def rescaled_layer(factor: float = 100.0) -> dict[str, float]:
    """A layer's weights times `factor`: normalisation removes it, and divides the gradient by it.

    Ledger D2L-A33.

    Returns:
        `output_change` (largest) and `gradient_ratio` (norm of the kernel's gradient after over
        before); the same without normalisation: `plain_output_change`, `plain_gradient_ratio`.
    """
    x, labels = _features((32, 8)), np.arange(32) % 4
    found = {}
    for prefix, norm in (("", True), ("plain_", False)):
        network = _classifier(8, norm, 0.0, epsilon=1e-12)
        kernel, norms, outputs = network.layers[0].kernel, [], []
        for _ in range(2):
            outputs.append(np.asarray(network(x, training=True)))
            norms.append(_norm(_loss_gradients(network, x, labels)[1][0]))
            kernel.assign(kernel * factor)
        found |= {
            f"{prefix}output_change": np.abs(np.subtract(*outputs)).max(),
            f"{prefix}gradient_ratio": norms[1] / norms[0],
        }
    return found


def learned_parameters() -> dict[str, float]:
    """What the layers of BN-LeNet learn: scale and shift, one each per feature or channel.

    Ledger D2L-X2, D2L-X6, D2L-K26.

    Returns:
        Of the first normalisation (`conv`) and the third (`fc`): sizes `<kind>_gamma`,
        `<kind>_beta`; of the first also `conv_input` (numbers in an example that it normalises);
        `learned_scales` and `learned_shifts` (of the two layers, those that have a gradient).
    """
    keras.utils.set_random_seed(0)
    network = BNLeNet()
    layers = {"conv": network.get_layer("c1_bn"), "fc": network.get_layer("c5_bn")}
    _, gradients = _loss_gradients(network, _images(32), np.arange(32) % 10)
    moved = {
        id(weight)
        for weight, gradient in zip(network.trainable_weights, gradients, strict=True)
        if gradient.any()
    }
    sizes = {
        f"{kind}_{name}": getattr(layer, name).shape[0]
        for kind, layer in layers.items()
        for name in ("gamma", "beta")
    }
    return sizes | {
        "conv_input": np.prod(layers["conv"].output.shape[1:]),
        "learned_scales": sum(id(layer.gamma) in moved for layer in layers.values()),
        "learned_shifts": sum(id(layer.beta) in moved for layer in layers.values()),
    }


def defaults() -> dict[str, float]:
    """What "momentum" weighs, measured by one update from a moving mean of 0.

    Ledger D2L-X15.

    Returns:
        `keras_epsilon`; `keras_momentum`, `keras_new_share` (of the batch's mean in the moving
        mean) with Keras's defaults, and `papers_momentum`, `papers_new_share` with those of the
        papers' code, which PyTorch states as 0.1.
    """
    x, found = _features((64, 3)), {}
    for name, layer in (
        ("keras", keras.layers.BatchNormalization()),
        ("papers", BatchNormFromScratch()),
    ):
        layer(x, training=True)
        share = np.mean(np.asarray(layer.moving_mean) / x.mean(0))
        found |= {f"{name}_momentum": layer.momentum, f"{name}_new_share": share}
    return found | {"keras_epsilon": keras.layers.BatchNormalization().epsilon}


def layer_norm(factor: float = 10.0) -> dict[str, float]:
    """Layer normalisation looks at one example, and not at its scale.

    Ledger D2L-B10.

    Args:
        factor: by which the inputs are multiplied.

    Returns:
        Largest `mean` and `variance_error` over examples; largest change of the output of an
        example when it is alone (`companion_change`), when it is in training mode (`mode_change`)
        and when inputs are multiplied (`scale_change`); `batch_norm_companion_change` for contrast.
    """
    x = _features((16, 30))
    layer = keras.layers.LayerNormalization(epsilon=EPSILON)
    batch_norm = keras.layers.BatchNormalization(epsilon=EPSILON)
    y = np.asarray(layer(x))
    normal = np.asarray(batch_norm(x, training=True))
    return {
        "mean": np.abs(y.mean(-1)).max(),
        "variance_error": np.abs(y.var(-1) - 1).max(),
        "companion_change": np.abs(layer(x[:1]) - y[:1]).max(),
        "mode_change": np.abs(layer(x, training=True) - y).max(),
        "scale_change": np.abs(layer(factor * x) - y).max(),
        "batch_norm_companion_change": np.abs(batch_norm(x[:1], training=True) - normal[:1]).max(),
    }


def _features(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Normal values; means of features from -10 to 10, standard deviations from 0.5 to 5."""
    rng = np.random.default_rng(seed)
    mean, std = np.linspace(-10, 10, shape[-1]), np.linspace(0.5, 5, shape[-1])
    return (mean + std * rng.normal(size=shape)).astype("float32")


def _images(examples: int) -> np.ndarray:
    return np.random.default_rng(0).random((examples, 28, 28, 1)).astype("float32")


def _glorot() -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(seed=0)


def _norm(gradient: np.ndarray) -> float:
    return float(np.linalg.norm(gradient))


def _classifier(inputs: int, norm: bool, bias: float, epsilon: float = EPSILON) -> keras.Model:
    """Dense layer, normalisation or none, tanh, softmax over 4 classes; always the same weights."""
    constant = keras.initializers.Constant(bias)
    hidden = keras.layers.Dense(6, kernel_initializer=_glorot(), bias_initializer=constant)
    steps = [keras.layers.BatchNormalization(epsilon=epsilon)] if norm else []
    steps.append(keras.layers.Activation("tanh"))
    top = keras.layers.Dense(4, activation="softmax", kernel_initializer=_glorot())
    return keras.Sequential([keras.Input((inputs,)), hidden, *steps, top])


def _loss_gradients(network: keras.Model, x: np.ndarray, labels: np.ndarray):
    loss = keras.losses.SparseCategoricalCrossentropy()
    return value_and_gradients(
        lambda: loss(labels, network(x, training=True)), network.trainable_weights
    )


def _train(network, x, labels, steps, learning_rate):
    """SGD; returns the loss of each step and the gradients of the first."""
    losses, first = [], None
    for _ in range(steps):
        value, gradients = _loss_gradients(network, x, labels)
        first = gradients if first is None else first
        losses.append(value)
        for weight, gradient in zip(network.trainable_weights, gradients, strict=True):
            weight.assign(weight - learning_rate * gradient)
    return losses, first
