"""Aggregated transformations: one unit in three forms, and grouped convolution (dlnotes 2.4)."""

from __future__ import annotations

import re

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from kerasref.analysis import counts
from kerasref.layers import GroupedConv2D
from kerasref.models.resnet_units import FORMS, Style, unit


def neuron(inputs: int = 32, examples: int = 16) -> dict[str, float]:
    """Split, transform, merge: an inner product taken apart (figure 2.18). Ledger M2.4a.

    x is split into D scalars, each is multiplied by a weight of its own, the products are summed.

    Returns:
        `error`: largest deviation from a dense layer of one unit without bias, relative to its
        largest output; `paths`: D; `weights` of all paths.
    """
    keras.utils.set_random_seed(0)
    image = keras.Input((inputs,))
    transforms = [layers.Dense(1, use_bias=False) for _ in range(inputs)]
    scalars = ops.split(image, inputs, axis=-1)
    merged = layers.Add()([f(x) for f, x in zip(transforms, scalars, strict=True)])
    model = keras.Model(image, merged)
    dense = layers.Dense(1, use_bias=False)
    dense.build((None, inputs))
    dense.set_weights([np.concatenate([f.get_weights()[0] for f in transforms])])
    x = np.random.default_rng(0).normal(size=(examples, inputs)).astype("float32")
    return {
        "error": _deviation(model(x), dense(x)),
        "paths": len(transforms),
        "weights": model.count_params(),
    }


def aggregation(channels: int = 32, paths: int = 8, width: int = 2) -> dict[str, float]:
    """Form A of a unit against (2.7) and (2.8), each T_i by itself. Ledger M2.4b, M2.4c.

    A T_i is a 1x1, a 3x3 and a 1x1 convolution with ReLUs between. No normalisation.

    Args:
        channels: of the input and the output, a multiple of 4.
        paths: C, the cardinality.
        width: d, channels of a path.

    Returns:
        `sum_error`: largest deviation of what the unit adds from the sum of all T_i, relative to
        the largest value; `residual_error`: of the unit before its last ReLU from x plus the sum;
        `missing_difference`: of the latter where the sum lacks a T_i; `paths` and `topologies`,
        how many T_i and how many different shapes of one there are.
    """
    model = _unit("A", channels, paths, width, norm=None)
    x = np.random.default_rng(0).normal(size=(2, 6, 5, channels))
    transforms, shapes = [], set()
    for number in range(1, paths + 1):
        names = [f"unit_path{number}_{place}_conv" for place in (1, 2, 3)]
        kernels = [model.get_layer(name).get_weights()[0].astype("float64") for name in names]
        shapes.add(tuple(kernel.shape for kernel in kernels))
        y = x
        for kernel in kernels:
            y = np.maximum(y, 0) if y is not x else y
            y = _numpy(ops.conv(y, kernel, padding="same", data_format="channels_last"))
        transforms.append(y)
    inside = [model.get_layer(name).output for name in ("unit_paths", "unit_add")]
    added, whole = keras.Model(model.input, inside)(x.astype("float32"))
    return {
        "sum_error": _deviation(added, sum(transforms)),
        "residual_error": _deviation(whole, x + sum(transforms)),
        "missing_difference": _deviation(whole, x + sum(transforms[1:])),
        "paths": len(transforms),
        "topologies": len(shapes),
    }


def forms(channels: int = 256, paths: int = 32, width: int = 4) -> dict[str, float]:
    """The unit in forms A, B and C with the same weights (figures 2.20 to 2.22). Ledger A2.4-1.

    Normalised as in the paper: after each convolution of a path, and after the paths are merged.

    Args:
        channels: of the input and the output, a multiple of 4.
        paths: C, the cardinality.
        width: d, channels of a path.

    Returns:
        `error_a` and `error_b`: largest deviation from form C in inference, relative to its
        largest output; `training_error_a` and `training_error_b`: the same with the statistics of
        a batch; `shuffled_difference`: of form B from C where the paths are concatenated in
        another order; `weights_a`, `weights_b`, `weights_c`: of the convolutions alone;
        `bottleneck_weights`: of a ResNet's with a quarter of the channels.
    """
    grouped = _unit("C", channels, paths, width)
    rng = np.random.default_rng(0)
    for weight in grouped.weights:
        if "_bn/" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    x = rng.normal(size=(4, 7, 6, channels)).astype("float32")
    others = {form.lower(): _unit(form, channels, paths, width) for form in FORMS[:2]}
    found: dict[str, float] = {"weights_c": _kernels(grouped)}
    for key, model in others.items():
        _copy(grouped, model, paths)
        found[f"error_{key}"] = _deviation(model(x), grouped(x))
        found[f"weights_{key}"] = _kernels(model)
    last = others["b"].get_layer("unit_3_conv")
    kernel = last.get_weights()[0]
    last.set_weights([np.roll(kernel, width, axis=2)])
    found["shuffled_difference"] = _deviation(others["b"](x), grouped(x))
    last.set_weights([kernel])
    trained = grouped(x, training=True)  # last, because it moves the statistics
    for key, model in others.items():
        found[f"training_error_{key}"] = _deviation(model(x, training=True), trained)
    with tf.Graph().as_default():
        found["bottleneck_weights"] = _kernels(_unit("C", channels, 1, channels // 4))
    return found


def grouped(channels: int = 32, kernel: int = 3, side: int = 8) -> dict[str, float]:
    """A convolution in 1, 2, 4, ... groups, up to one for each channel. Ledger A2.4-5.

    Args:
        channels: of the input and of the output, a power of 2.
        kernel: side of the window.
        side: of the maps.

    Returns:
        `params_<g>` and `macs_<g>` for each number of groups; `params_error` and `macs_error`:
        largest deviation of g times these from those of one group; `standard_error`: largest
        deviation of the output for g = 1 from `keras.layers.Conv2D`, relative to the largest
        output; `depthwise_error`: for g = channels from `DepthwiseConv2D`; `diagonal_error`: for
        all g between from a convolution whose kernel is zero outside of g blocks.
    """
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(2, side, side, channels)).astype("float32")
    settings = {"padding": "same", "use_bias": False}
    sizes = [2**power for power in range(channels.bit_length())]
    found: dict[str, float] = {}
    errors = {"standard_error": 0.0, "depthwise_error": 0.0, "diagonal_error": 0.0}
    for groups in sizes:
        layer = GroupedConv2D(channels, kernel, groups=groups, **settings)
        model = keras.Sequential([keras.Input(x.shape[1:]), layer])
        total = counts.count(model)
        found |= {f"params_{groups}": total.params, f"macs_{groups}": total.macs}
        (weights,) = layer.get_weights()
        other, error = layers.Conv2D(channels, kernel, **settings), "diagonal_error"
        if groups == 1:
            error = "standard_error"
        elif groups == channels:
            other, error = layers.DepthwiseConv2D(kernel, **settings), "depthwise_error"
            weights = weights.transpose(0, 1, 3, 2)
        else:
            weights = _block_diagonal(weights, groups)
        other.build(x.shape)
        other.set_weights([weights])
        errors[error] = max(errors[error], _deviation(model(x), other(x)))
    for count in ("params", "macs"):
        whole = found[f"{count}_1"]
        found[f"{count}_error"] = max(abs(found[f"{count}_{g}"] * g - whole) for g in sizes)
    return found | errors


def _unit(form, channels, paths, width, **style):
    keras.utils.set_random_seed(0)
    filters = channels // 4
    image = keras.Input((None, None, channels))
    inner = paths * width / filters
    settings = Style(bottleneck=True, groups=paths, inner=inner, form=form, **style)
    return keras.Model(image, unit(image, "unit", settings, filters=filters))


def _copy(source, target, paths):
    """The weights of form C in another form: a path gets its share of the channels."""
    for layer in target.layers:
        if not layer.weights:
            continue
        path = re.fullmatch(r"unit_path(\d+)(_.*)", layer.name)
        donor = source.get_layer(f"unit{path[2]}" if path else layer.name)
        weights = donor.get_weights()
        if path:
            axis = -2 if path[2] == "_3_conv" else -1
            weights = [np.split(w, paths, axis)[int(path[1]) - 1] for w in weights]
        layer.set_weights(weights)


def _kernels(model):
    return sum(int(np.prod(w.shape)) for w in model.weights if w.name == "kernel")


def _block_diagonal(kernel, groups):
    """The ungrouped kernel that computes the same."""
    blocks = np.split(kernel, groups, axis=-1)
    whole = np.zeros((*kernel.shape[:2], kernel.shape[2] * groups, kernel.shape[3]), kernel.dtype)
    rows, columns = kernel.shape[2], blocks[0].shape[-1]
    for number, block in enumerate(blocks):
        row, column = number * rows, number * columns
        whole[:, :, row : row + rows, column : column + columns] = block
    return whole


def _deviation(one, other):
    one, other = _numpy(one), _numpy(other)
    return np.abs(one - other).max() / np.abs(other).max()


def _numpy(x):
    return ops.convert_to_numpy(x)
