"""Dense connections: how many, how wide, what they compute and cost (dlnotes 1.6, D2L 7.7)."""

from __future__ import annotations

import functools
import math

import keras
import numpy as np

from kerasref import models
from kerasref.analysis import counts
from kerasref.analysis.weightless import weightless
from kerasref.models.densenet import dense_block, transition


def connections(layers: int = 6, growth_rate: int = 4, channels: int = 3) -> dict[str, float]:
    """Walks the graph of a dense block from each layer back to what it sees directly.

    Ledger A1.6-1, A1.6-2, D2L-F13.

    Returns:
        `connections`: direct ones of all layers; `inputs_of_last`: of the last layer;
        `channels_of_last`: what it sees; `wrong_widths`: number of layers l that do not see
        `channels + growth_rate * (l - 1)` channels.
    """
    model = _block(channels, layers, growth_rate)
    sources, widths = [], []
    for number in range(1, layers + 1):
        seen = model.get_layer(f"block_block{number}_0_bn").input
        sources.append(len(_sources(seen)))
        widths.append(seen.shape[-1])
    expected = [channels + growth_rate * (number - 1) for number in range(1, layers + 1)]
    return {
        "connections": sum(sources),
        "inputs_of_last": sources[-1],
        "channels_of_last": widths[-1],
        "wrong_widths": sum(a != b for a, b in zip(widths, expected, strict=True)),
    }


def expansion(bottleneck: int | None = None, layers: int = 3) -> dict[str, float]:
    """A dense block against x -> [x, f1(x), f2([x, f1(x)]), ...] computed from its weights.

    Each f is normalisation with the moving statistics, ReLU and 3x3 convolution in plain NumPy;
    with a bottleneck the same with 1x1 comes first. Ledger D2L-E8, D2L-C16, D2L-C17, M1.6-1,
    M1.6-2.

    Returns:
        `error`: largest deviation relative to the largest output; `channels` of the output;
        `convolutions`: their number in each layer.
    """
    keras.utils.set_random_seed(0)
    model = _block(3, layers, 4, bottleneck=bottleneck, use_bias=True)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.uniform(0.2, 1.0, weight.shape) * rng.choice([-1, 1], weight.shape))
        if "moving_variance" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    x = rng.normal(size=(2, 6, 5, 3)).astype("float32")
    stages = ("0", "1") if bottleneck else ("0",)
    expanded = x.astype("float64")
    for number in range(1, layers + 1):
        y = expanded
        for place, stage in enumerate(stages, 1):
            y = _normalise_and_cut(y, model.get_layer(f"block_block{number}_{stage}_bn"))
            y = _convolve(y, *model.get_layer(f"block_block{number}_{place}_conv").get_weights())
        expanded = np.concatenate([expanded, y], axis=-1)
    error = np.abs(model(x) - expanded).max() / np.abs(expanded).max()
    return {"error": error, "channels": expanded.shape[-1], "convolutions": len(stages)}


def small_examples() -> dict[str, float]:
    """D2L's examples: two layers of growth 10 on 8x8x3, then a transition to 10 channels.

    Ledger D2L-A45, D2L-C18, D2L-C19, D2L-K38 to D2L-K42.

    Returns:
        `block_height`, `block_channels`, `block_params`; `transition_height`,
        `transition_channels`, `transition_params` (trainable parameters); `pooling_error` of the
        transition against normalisation, ReLU, matrix product and mean of 2x2 in NumPy.
    """
    keras.utils.set_random_seed(0)
    block = _block(3, 2, 10, size=8, use_bias=True)
    x = keras.Input((8, 8, 23))
    reduce = keras.Model(x, transition(x, 10, "transition", use_bias=True))
    maps = np.random.default_rng(0).normal(size=(4, 8, 8, 23)).astype("float32")
    activated = _normalise_and_cut(maps, reduce.get_layer("transition_bn"))
    product = _convolve(activated, *reduce.get_layer("transition_conv").get_weights())
    expected = product.reshape(4, 4, 2, 4, 2, 10).mean(axis=(2, 4))
    return {
        "block_height": block.output.shape[1],
        "block_channels": block.output.shape[-1],
        "block_params": counts.count(block).trainable,
        "transition_height": reduce.output.shape[1],
        "transition_channels": reduce.output.shape[-1],
        "transition_params": counts.count(reduce).trainable,
        "pooling_error": np.abs(reduce(maps) - expected).max(),
    }


def parts() -> dict[str, float]:
    """Trainable parameters and channels of D2L's DenseNet, part by part. Ledger D2L-T8.

    Returns:
        `stem`, `dense1`, `transition1` and so on, `head`: parameters; `<part>_channels`.
    """
    model = weightless(models.DenseNetD2L)
    prefixes = {"stem": ("conv1_",), "head": ("final_", "fc")}
    ends = {"stem": "conv1_act"}
    for number in range(1, 5):
        prefixes[f"dense{number}"] = (f"conv{number + 1}_",)
        ends[f"dense{number}"] = f"conv{number + 1}_block4_concat"
    for number in range(1, 4):
        prefixes[f"transition{number}"] = (f"pool{number + 1}_",)
        ends[f"transition{number}"] = f"pool{number + 1}_pool"
    table = counts.layer_table(model)
    found = {
        part: sum(row.trainable for row in table if row.name.startswith(prefix))
        for part, prefix in prefixes.items()
    }
    for part, layer in ends.items():
        found[f"{part}_channels"] = model.get_layer(layer).output.shape[-1]
    return found


def memory(layers: int = 16, growth_rate: int = 12, channels: int = 24) -> dict[str, float]:
    """Numbers per image that concatenations and additions write, for L and for 2L layers.

    Ledger A1.6-7, D2L-A49.

    Returns:
        `concatenated` and `concatenated_twice`: by the dense blocks; `formula_error`: difference
        from the sum of `channels + growth_rate * l` over all layers and positions; `ratio`: of the
        two; `added_ratio`: of the additions of residual blocks, L of them and 2L.
    """
    side = 8

    def concatenated(number):
        return _written(_block(channels, number, growth_rate, size=side), "_concat")

    def added(number):
        residual = functools.partial(
            models.AnyNet,
            depths=(number,),
            widths=(channels,),
            block="resnet",
            input_shape=(32, 32, 3),
        )
        return _written(weightless(residual), "_add")

    expected = side**2 * sum(channels + growth_rate * number for number in range(1, layers + 1))
    once, twice = concatenated(layers), concatenated(2 * layers)
    return {
        "concatenated": once,
        "concatenated_twice": twice,
        "formula_error": once - expected,
        "ratio": twice / once,
        "added_ratio": added(2 * layers) / added(layers),
    }


def kept(builder: str, side: int) -> dict[str, float]:
    """Numbers per image that a network's layers write, all of which naive training keeps.

    Args:
        builder: of `kerasref.models`, for images of one channel.
        side: of the images.

    Ledger D2L-A49, D2L-B8c.

    Returns:
        `kept`: outputs of all layers; `kept_per_param`: over the trainable parameters;
        `convolved` and `concatenated`: outputs of convolutions and of concatenations;
        `concatenated_over_convolved`.
    """
    model = weightless(lambda: getattr(models, builder)(input_shape=(side, side, 1), classes=10))
    table = counts.layer_table(model)
    written = sum(math.prod(row.output_shape[1:]) for row in table)
    convolved, concatenated = _written(model, "_conv"), _written(model, "_concat")
    return {
        "kept": written,
        "kept_per_param": written / counts.count(model).trainable,
        "convolved": convolved,
        "concatenated": concatenated,
        "concatenated_over_convolved": concatenated / convolved,
    }


def taylor(terms: int = 12, radius: float = 1.0) -> dict[str, float]:
    """Taylor series of the exponential function at 0, its coefficients measured on a circle.

    Cauchy's integrals give the derivatives without knowing them. Ledger D2L-E6.

    Returns:
        `coefficient_error`: largest deviation from 1 / n!; `error_2_terms` and `error`: largest
        deviation of the series from the function on [-radius, radius], with two and all terms.
    """
    points = 256
    angles = 2 * np.pi * np.arange(points) / points
    coefficients = np.fft.fft(np.exp(np.exp(1j * angles))).real[:terms] / points
    factorials = np.array([math.factorial(n) for n in range(terms)], "float64")
    x = np.linspace(-radius, radius, 201)

    def error(number):
        return np.abs(np.polynomial.polynomial.polyval(x, coefficients[:number]) - np.exp(x)).max()

    return {
        "coefficient_error": np.abs(coefficients - 1 / factorials).max(),
        "error_2_terms": error(2),
        "error": error(terms),
    }


def residual_split() -> dict[str, float]:
    """ResNet's split f(x) = x + g(x), in a residual block of a random network. Ledger D2L-E7.

    Returns:
        `split_error`: largest deviation of block input plus branch from the addition's output;
        `identity_error`: of the block's output from its input once the branch ends in zeros.
    """
    keras.utils.set_random_seed(0)
    model = models.AnyNet(
        depths=(2,), widths=(16,), block="resnet", input_shape=(16, 16, 1), classes=10
    )
    names = ("1_out", "2_2_bn", "2_add", "2_out")
    outputs = [model.get_layer(f"stage1_block{name}").output for name in names]
    probe = keras.Model(model.input, outputs)
    images = np.random.default_rng(0).normal(size=(4, 16, 16, 1)).astype("float32")
    x, g, total, _ = (np.asarray(output) for output in probe(images))
    split = np.abs(x + g - total).max()
    model.get_layer("stage1_block2_2_bn").gamma.assign(np.zeros(16))
    x, _, _, out = (np.asarray(output) for output in probe(images))
    return {"split_error": split, "identity_error": np.abs(out - x).max()}


def _block(channels, layers, growth_rate, size=None, **options):
    x = keras.Input((size, size, channels))
    return keras.Model(x, dense_block(x, layers, growth_rate, "block", **options))


def _sources(tensor) -> set[str]:
    """Layers whose outputs reach `tensor` through concatenations alone."""
    layer = tensor._keras_history.operation
    if not isinstance(layer, keras.layers.Concatenate):
        return {layer.name}
    return set().union(*(_sources(part) for part in layer.input))


def _written(model, suffix: str) -> int:
    shapes = [layer.output.shape for layer in model.layers if layer.name.endswith(suffix)]
    return sum(math.prod(shape[1:]) for shape in shapes)


def _normalise_and_cut(x, layer):
    gamma, beta, mean, variance = (np.asarray(w, "float64") for w in layer.get_weights())
    return np.maximum((x - mean) / np.sqrt(variance + layer.epsilon) * gamma + beta, 0)


def _convolve(x, kernel, bias):
    """Convolution with stride 1 that keeps height and width, as a sum over the window."""
    size = kernel.shape[0]
    height, width = x.shape[1:3]
    margin = size // 2
    padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    shifted = (
        padded[:, i : i + height, j : j + width] @ kernel[i, j]
        for i in range(size)
        for j in range(size)
    )
    return sum(shifted) + bias
