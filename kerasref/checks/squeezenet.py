"""Fire modules, the comparison with AlexNet, and the size of a compressed file (dlnotes 2.1)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kerasref import compression
from kerasref.analysis import counts
from kerasref.models import AlexNet, AlexNetBN, SqueezeNet, SqueezeNetSmall

DENSITIES = {
    "fire[89]_expand3": 0.3,
    "*_expand3": 0.33,
    "fire[68]_expand1": 0.5,
    "fire[79]_squeeze": 0.5,
    "conv10": 0.2,
}
"""Shares of weights that give the numbers of Iandola et al. 2016, table 1; 1 in other layers."""


def fire_module(channels: int = 8, squeezed: int = 3, share_3x3: float = 0.5) -> dict[str, float]:
    """A fire module against matrix products and ReLUs in NumPy. Ledger M2.1a.

    Args:
        channels: of its output.
        squeezed: of its squeeze, fewer.
        share_3x3: of the 3x3 convolution in its output.

    Returns:
        `error`: largest deviation, relative to the largest output; `squeezed`, `by_1x1` and
        `by_3x3`: channels of its three convolutions; `channels` of its output; `size_kept`: 1 if
        height and width stay.
    """
    keras.utils.set_random_seed(0)
    model = SqueezeNetSmall(
        expand=(channels,),
        squeeze_ratio=squeezed / channels,
        share_3x3=share_3x3,
        width=1.0,
        input_shape=(14, 10, 1),
        include_top=False,
    )
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    image = rng.normal(size=(2, 14, 10, 1)).astype("float32")
    entered = model.get_layer("fire2_squeeze").input
    before, after = (
        np.asarray(y, "float64")
        for y in keras.Model(model.input, [entered, model.get_layer("fire2").output])(image)
    )
    squeeze, one, three = (model.get_layer(f"fire2_{n}") for n in ("squeeze", "expand1", "expand3"))
    narrow = _convolve(before, squeeze)
    expected = np.concatenate([_convolve(narrow, one), _convolve(narrow, three)], axis=-1)
    return {
        "error": np.abs(after - expected).max() / np.abs(expected).max(),
        "squeezed": narrow.shape[-1],
        "by_1x1": one.filters,
        "by_3x3": three.filters,
        "channels": after.shape[-1],
        "size_kept": float(after.shape[1:3] == before.shape[1:3]),
    }


def convolution_cost(inputs: int = 96, outputs: int = 128) -> dict[str, float]:
    """Weights of convolutions from M to N channels, and of the fire module in their place.

    Ledger A2.1-1, A2.1-2.

    Args:
        inputs: M.
        outputs: N, a multiple of 16: N/8 are squeezed.

    Returns:
        `by_3x3` and `by_1x1`: weights without biases; `over_1x1`: their ratio; `over_product`: the
        first over M N; `half_inputs`, `half_outputs` and `half_both`: share of the 3x3 weights with
        M, N or both halved; `fire`: weights of the module; `over_fire`: 3x3 weights over those.
    """

    def weights(m, n, side):
        layer = keras.layers.Conv2D(n, side, use_bias=False)
        layer.build((None, None, None, m))
        return layer.count_params()

    whole, point = weights(inputs, outputs, 3), weights(inputs, outputs, 1)
    with tf.Graph().as_default():
        model = SqueezeNet(
            stem=(inputs, 7, 2), expand=(outputs,), include_top=False, input_shape=(32, 32, 3)
        )
    fire = sum(
        int(np.prod(kernel.shape))
        for path, kernel in compression.kernels(model).items()
        if path.startswith("fire2")
    )
    return {
        "by_3x3": whole,
        "by_1x1": point,
        "over_1x1": whole / point,
        "over_product": whole / (inputs * outputs),
        "half_inputs": weights(inputs // 2, outputs, 3) / whole,
        "half_outputs": weights(inputs, outputs // 2, 3) / whole,
        "half_both": weights(inputs // 2, outputs // 2, 3) / whole,
        "fire": fire,
        "over_fire": whole / fire,
    }


def against_alexnet(form: str = "book") -> dict[str, float]:
    """SqueezeNet's parameters and work beside those of an AlexNet. Ledger N2.1-1, A2.1-4, A2.1-8.

    Args:
        form: `"book"` (its listing with batch normalisation, 10 classes, an image of one channel),
            `"paper"` (two groups, 1,000 classes, RGB), or `"one_group"` (that without groups).

    Returns:
        `squeezenet` and `alexnet`: parameters; `without_dense`: of AlexNet less its dense layers;
        `percent`: SqueezeNet's of AlexNet's; `times_smaller`; `share_without_dense`: SqueezeNet's
        of AlexNet's without dense layers; `gain_of_dense`: factor by which leaving out the dense
        layers shrinks AlexNet, `gain_of_the_rest`: factor from there to SqueezeNet, and
        `dense_share_of_gain`: the first's share in the logarithm of both; `work`: SqueezeNet's
        multiply-accumulates over AlexNet's; `layers` and `alexnet_layers`: weighted layers that
        must run one after the other; `alexnet_megabytes`: in float32, 1e6 bytes.
    """
    forms = {
        "book": lambda: AlexNetBN(input_shape=(224, 224, 1)),
        "paper": AlexNet,
        "one_group": lambda: AlexNet(groups=1, norm=None),
    }
    with tf.Graph().as_default():
        squeezenet, alexnet = SqueezeNet(), forms[form]()
        ours, theirs = counts.count(squeezenet), counts.count(alexnet)
        dense = sum(r.params for r in counts.layer_table(alexnet) if r.kind == "Dense")
        depths = _depth(squeezenet), _depth(alexnet)
    without = theirs.params - dense
    gains = theirs.params / without, without / ours.params
    return {
        "squeezenet": ours.params,
        "alexnet": theirs.params,
        "without_dense": without,
        "percent": 100 * ours.params / theirs.params,
        "times_smaller": theirs.params / ours.params,
        "share_without_dense": ours.params / without,
        "gain_of_dense": gains[0],
        "gain_of_the_rest": gains[1],
        "dense_share_of_gain": np.log(gains[0]) / np.log(gains[0] * gains[1]),
        "work": ours.macs / theirs.macs,
        "layers": depths[0],
        "alexnet_layers": depths[1],
        "alexnet_megabytes": 4 * theirs.params / 1e6,
    }


def compressed_size(
    bits: int = 6, index_bits: int = 4, builder: str = "SqueezeNet"
) -> dict[str, float]:
    """SqueezeNet pruned as in its paper, its weights shared, written, read. Ledger A2.1-6, M2.1e.

    The weights are random: how many are kept follows from the table's shares alone, and so nearly
    does the size of the file, which depends on how unevenly their values are distributed.

    Args:
        bits: of a label.
        index_bits: of a step to the next weight.
        builder: `"SqueezeNet"`, or a form of it whose layers have the same names.

    Returns:
        `params` and `kept`; `kept_percent`; kept parameters, with biases, of each layer or module
        as `fire2` and so on; `megabytes` and `mebibytes` of all weights in float32;
        `file_megabytes` on disk; `times_smaller`: the former over the latter, and
        `times_smaller_than_alexnet`: AlexNet in float32 over the file; `bits_per_weight` of the
        file; `read_equals`: 1 if a new network that read the file gives the same numbers.
    """
    from kerasref import models

    def build(seed):
        keras.utils.set_random_seed(seed)
        return getattr(models, builder)(input_shape=(64, 64, 3))

    model, fresh = build(0), build(1)
    compression.prune(model, DENSITIES)
    shared = compression.share_kernels(model, bits)
    kept: dict[str, int] = {}
    for weight in model.weights:
        part = weight.path.partition("/")[0].partition("_")[0]
        number = int(np.count_nonzero(weight)) if weight.path in shared else weight.shape[0]
        kept[part] = kept.get(part, 0) + number
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.krdc")
        compression.save(path, model, shared, index_bits)
        compression.load(path, fresh)
        size = path.stat().st_size
    image = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype("float32")
    params, total = model.count_params(), sum(kept.values())
    with tf.Graph().as_default():
        alexnet = AlexNet().count_params()
    return {
        **kept,
        "params": params,
        "kept": total,
        "kept_percent": 100 * total / params,
        "megabytes": 4 * params / 1e6,
        "mebibytes": 4 * params / 2**20,
        "file_megabytes": size / 1e6,
        "times_smaller": 4 * params / size,
        "times_smaller_than_alexnet": 4 * alexnet / size,
        "bits_per_weight": 8 * size / params,
        "read_equals": float(np.array_equal(model(image), fresh(image))),
    }


def _convolve(x: np.ndarray, layer: keras.layers.Conv2D) -> np.ndarray:
    """Convolution with zeros around and ReLU, window by window."""
    kernel, bias = (np.asarray(w, "float64") for w in layer.get_weights())
    side = kernel.shape[0]
    margin = side // 2
    padded = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
    return np.maximum(np.einsum("bhwcij,ijcf->bhwf", windows, kernel) + bias, 0)


def _depth(model: keras.Model) -> int:
    """Layers with weights on the longest way through the network, normalisation left out."""
    weighted = (keras.layers.Conv2D, keras.layers.Dense)
    depths: dict[str, int] = {}
    for layer in model.layers:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        before = [depths[y._keras_history.operation.name] for y in inputs if layer is not _own(y)]
        depths[layer.name] = max(before, default=0) + isinstance(layer, weighted)
    return depths[model.layers[-1].name]


def _own(tensor):
    return tensor._keras_history.operation
