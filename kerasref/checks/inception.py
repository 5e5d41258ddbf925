"""Inception modules and networks: sizes, wiring, what they see (dlnotes 1.3, d2l 7.4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from kerasref import data, models
from kerasref.analysis.receptive_field import receptive_field
from kerasref.analysis.weightless import weightless
from kerasref.harness.gradients import value_and_gradients
from kerasref.models.googlenet import MODULES
from kerasref.models.inception_modules import (
    KINDS,
    MAX,
    Conv,
    Residual,
    Split,
    Style,
    apply,
    split,
)

_PLAIN = Style(norm=None)


def modules(
    builder: str, names: Sequence[str], arguments: dict[str, Any] | None = None
) -> dict[str, float]:
    """Each module of a network, counted on its layers.

    Ledger X1.3-1, F1.22, F1.25-1.34, D2L-T5, D2L-C8, D2L-F6, D2L-A21.

    Args:
        builder: name in `kerasref.models`.
        names: of the modules; their layers are called `<name>` or `<name>_...`.
        arguments: of the builder.

    Returns:
        For each module `<name>.params` (trainable), `.convolutions`, each with a number of filters
        of its own, `.channels` and `.side` of its output, and `.paths` that its last concatenation
        joins.
    """
    model = _unallocated(builder, arguments)
    found: dict[str, float] = {}
    for name in names:
        own = [x for x in model.layers if x.name == name or x.name.startswith(f"{name}_")]
        if not own:
            raise ValueError(f"{builder} has no module {name!r}")
        convolutions = [layer for layer in own if isinstance(layer, layers.Conv2D)]
        joins = [layer for layer in own if isinstance(layer, layers.Concatenate)]
        _, side, _, channels = own[-1].output.shape
        found |= {
            f"{name}.params": sum(_size(layer.trainable_weights) for layer in own),
            f"{name}.convolutions": len(convolutions),
            f"{name}.channels": channels,
            f"{name}.side": side,
            f"{name}.paths": len(joins[-1].input) if joins else 1,
        }
    return found


def wiring(builder: str, arguments: dict[str, Any] | None = None) -> dict[str, float]:
    """A network as a whole. Ledger M1.3-11, M1.3-12 (E1.3-9), D2L-F7, D2L-A21.

    Returns:
        `depth`, weighted layers on the longest way from the image to the first output;
        `convolutions`, `concatenations`, `additions`, `global_poolings`, `dense` and `outputs`.
    """
    model = _unallocated(builder, arguments)
    reached: dict[int, int] = {}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            before = max((reached[id(tensor)] for tensor in node.input_tensors), default=0)
            weighted = isinstance(node.operation, layers.Conv2D | layers.Dense)
            for tensor in node.outputs:
                reached[id(tensor)] = before + weighted

    def number(kind):
        return sum(isinstance(layer, kind) for layer in model.layers)

    return {
        "depth": reached[id(model.outputs[0])],
        "convolutions": number(layers.Conv2D),
        "concatenations": number(layers.Concatenate),
        "additions": number(layers.Add),
        "global_poolings": number(layers.GlobalAveragePooling2D),
        "dense": number(layers.Dense),
        "outputs": len(model.outputs),
    }


def module_sizes(width: int = 4) -> dict[str, float]:
    """Parameters of each kind of module on 1 and 16 input channels.

    Ledger M1.3-5 to M1.3-8, A1.3-11, A1.3-14, A1.3-15.

    Returns:
        `<kind>_1` and `<kind>_16`; `conv_16`, a 3x3 convolution from 16 to 16 channels.
    """
    found = {"conv_16": _module(split(Conv(16, 3)), 16).count_params()}
    for kind, make in KINDS.items():
        for channels in (1, 16):
            model = _module(make(*[width] * 6), channels)
            found[f"{kind}_{channels}"] = model.count_params()
    return found


def reduction(module: str = "3a") -> dict[str, float]:
    """A module of GoogLeNet with and without the 1x1 convolutions before 3x3 and 5x5.

    Ledger M1.3-6 (E1.3-4), A1.3-9, D2L-A18, D2L-T5a.

    Args:
        module: `"3a"` or `"3b"`.

    Returns:
        `path2`, `path3` and `module` (parameters), and the same with `_direct`, without the
        reductions; `pool_input` and `pool_projection` (channels); `ratio_<path>`, outputs relative
        to the smallest path's, and `reduction_3x3`, `reduction_5x5`, relative to the input's.
    """
    widths, channels = MODULES[module], {"3a": 192, "3b": 256}[module]
    one, _, three, _, five, pool = widths
    reduced = _module(KINDS["v1"](*widths), channels)
    direct = _module(split(Conv(one), Conv(three, 3), Conv(five, 5), (MAX, Conv(pool))), channels)
    found: dict[str, float] = {}
    for model, suffix in ((reduced, ""), (direct, "_direct")):
        found[f"module{suffix}"] = model.count_params()
        for path in (2, 3):
            own = [layer for layer in model.layers if layer.name.startswith(f"m_b{path}_")]
            found[f"path{path}{suffix}"] = sum(layer.count_params() for layer in own)
    outputs = dict(zip(("1x1", "3x3", "5x5", "pool"), reduced.get_layer("m").input, strict=True))
    filters = {path: tensor.shape[-1] for path, tensor in outputs.items()}
    found |= {f"ratio_{path}": size / min(filters.values()) for path, size in filters.items()}
    return found | {
        "pool_input": reduced.get_layer("m_b4_1").output.shape[-1],
        "pool_projection": filters["pool"],
        "reduction_3x3": reduced.get_layer("m_b2_1").filters / channels,
        "reduction_5x5": reduced.get_layer("m_b3_1").filters / channels,
    }


def growth(count: int = 4, channels: int = 8) -> dict[str, float]:
    """Channels and parameters of `count` modules in a row. Ledger A1.3-9.

    Each path of a naive module keeps the number of channels, as its pooling must. Each path of a v1
    module has a quarter of `channels`, which its 1x1 convolutions make possible.

    Returns:
        `naive_growth` and `v1_growth`, channels out over channels in; `naive_params`, `v1_params`.
    """
    found = {}
    for kind in ("naive", "v1"):
        x = image = keras.Input((8, 8, channels))
        for number in range(count):
            width = x.shape[-1] if kind == "naive" else channels // 4
            x = apply(x, KINDS[kind](*[width] * 6), f"m{number}", _PLAIN)
        model = keras.Model(image, x)
        found[f"{kind}_growth"] = x.shape[-1] / channels
        found[f"{kind}_params"] = _size(model.weights)
    return found


def path_receptive_field(side: int = 15) -> dict[str, float]:
    """What one output pixel of a module's third path sees, by disturbing the image.

    Ledger A1.3-14, A1.3-15. All weights are positive, so that no change cancels.

    Returns:
        `<kind>_height` and `<kind>_width`, in pixels.
    """
    found = {}
    for kind in ("v1", "v2", "v3"):
        third = Split(KINDS[kind](*[4] * 6).branches[2:3])
        model = _module(third, 1, side)
        for weight in model.weights:
            weight.assign(np.abs(weight))
        base = np.ones((1, side, side, 1), "float32")
        changed = base.copy()
        changed[0, side // 2, side // 2] += 1
        seen = np.asarray(ops.any(ops.not_equal(model(changed), model(base)), axis=(0, 3)))
        found[f"{kind}_height"] = np.ptp(np.flatnonzero(seen.any(axis=1))) + 1
        found[f"{kind}_width"] = np.ptp(np.flatnonzero(seen.any(axis=0))) + 1
    return found


def vgg_receptive_fields() -> dict[str, float]:
    """What kernels of 1, 3 and 5 see of the image behind VGG's stages. Ledger A1.3-8 (E1.3-7).

    Returns:
        `vgg16_1x1`, `vgg16_3x3`, `vgg16_5x5`: behind the last convolution; `spread_<stage>`: 5x5
        less 1x1, behind the last convolution of each of the five stages; `vgg11_1x1`, `vgg19_1x1`.
    """
    found: dict[str, float] = {}
    for name in ("VGG11", "VGG16", "VGG19"):
        with tf.Graph().as_default():
            body = getattr(models, name)(include_top=False, input_shape=(224, 224, 3))
        convolutions = [layer for layer in body.layers if isinstance(layer, layers.Conv2D)]
        last = convolutions[-1]
        for kernel in (1, 3, 5):
            found[f"{name.lower()}_{kernel}x{kernel}"] = _behind(body, last, kernel)
        if name == "VGG16":
            stages = {layer.output.shape[1]: layer for layer in convolutions}
            for number, layer in enumerate(stages.values(), 1):
                spread = _behind(body, layer, 5) - _behind(body, layer, 1)
                found[f"spread_{number}"] = spread
    return found


def _behind(body, layer, kernel):
    with tf.Graph().as_default():
        probe = layers.Conv2D(1, kernel, padding="same", name="probe")(layer.output)
        return receptive_field(keras.Model(body.input, probe), "probe").size


def topology(first: str = "InceptionResNetV1", second: str = "InceptionResNetV2") -> dict:
    """Which parts of two Inception-ResNets are wired alike, channels aside. Ledger A1.3-18.

    One module of each kind.

    Returns:
        For the stem, the modules A, B and C and the reductions A and B, 1 where layers, windows,
        strides, paddings and connections are the same: `stem`, `a`, `b`, `c`, `reduction_a`,
        `reduction_b`; and `same_widths`, how many of the three modules have the same channels too.
    """
    parts = {
        "stem": "stem",
        "a": "block35_1",
        "b": "block17_1",
        "c": "block8_1",
        "reduction_a": "mixed_6a",
        "reduction_b": "mixed_7a",
    }
    networks = [_unallocated(name, {"blocks": (1, 1, 1)}) for name in (first, second)]

    def alike(part, widths):
        one, two = (_wiring_hash(network, part, widths) for network in networks)
        return int(one == two)

    found = {key: alike(part, widths=False) for key, part in parts.items()}
    same = sum(alike(parts[key], widths=True) for key in "abc")
    return {**found, "same_widths": same}


def _wiring_hash(model, part, widths):
    """A digest of a module's layers and connections; inputs from outside are all called "in"."""
    own = [x for x in model.layers if x.name == part or x.name.startswith(f"{part}_")]
    names = {layer.name for layer in own}
    rows = []
    for layer in own:
        sources = layer.input if isinstance(layer.input, list) else [layer.input]
        came = [tensor._keras_history.operation.name for tensor in sources]
        rows.append(
            [
                layer.name,
                type(layer).__name__,
                *(str(getattr(layer, key, "")) for key in ("kernel_size", "pool_size")),
                *(str(getattr(layer, key, "")) for key in ("strides", "padding")),
                getattr(layer, "filters", 0) if widths else 0,
                [name if name in names else "in" for name in came],
            ]
        )
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()


def smallest_input(builder: str) -> dict[str, float]:
    """Smallest square image that a network's convolutions and poolings leave a map of.

    Found by asking Keras's layers for their output shape, size by size. Ledger D2L-B5e.

    Returns:
        `side`, and `refused`, 1 where the builder itself refuses an image one pixel smaller.
    """
    channels = _unallocated(builder).input_shape[-1]
    body = _unallocated(builder, {"include_top": False, "input_shape": (None, None, channels)})
    side = 1
    while not _leaves_a_map(body, (1, side, side, channels)):
        side += 1
    try:
        _unallocated(builder, {"input_shape": (side - 1, side - 1, channels)})
    except ValueError:
        return {"side": side, "refused": 1}
    return {"side": side, "refused": 0}


def _leaves_a_map(body, shape):
    try:
        return min(body.compute_output_shape(shape)) > 0
    except ValueError:
        return False


def residual_scaling(scale: float = 0.2) -> dict[str, float]:
    """A scaled residual module against `relu(x + scale * (W branch(x) + b))`. Ledger M1.3-15.

    Returns:
        `error`, largest deviation; `effect`, largest change that the scale makes.
    """
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 5, 8))
    step = Residual(KINDS["v1"](*[4] * 6), scale)
    model = keras.Model(image, apply(image, step, "m", _PLAIN))
    linear = model.get_layer("m_conv")
    linear.bias.assign(np.linspace(-1, 1, 8))
    x = np.random.default_rng(0).normal(size=(3, 6, 5, 8)).astype("float32")
    branch = np.asarray(keras.Model(image, model.get_layer("m_mixed").output)(x))
    kernel, bias = linear.get_weights()
    added = branch @ kernel[0, 0] + bias
    expected, unscaled = (np.maximum(x + factor * added, 0) for factor in (scale, 1.0))
    result = np.asarray(model(x))
    return {"error": np.abs(result - expected).max(), "effect": np.abs(result - unscaled).max()}


def auxiliary_gradient(seed: int, weight: float = 0.3, examples: int = 32) -> dict[str, float]:
    """Gradient at the first convolution of an untrained GoogLeNet, with the heads and without.

    A quarter of the width, no LRN or dropout, scikit-learn's digits at 96x96. Both losses at the
    same weights. Ledger A1.3-12.

    Args:
        seed: of the initial weights and the choice of images.
        weight: of each auxiliary loss.
        examples: number of images.

    Returns:
        `with_heads` and `without`, norms of the gradient for the first kernel, and their `ratio`.
    """
    keras.utils.set_random_seed(seed)
    images = data.load("digits", image_size=96)
    chosen = np.random.default_rng(seed).permutation(len(images.x_train))[:examples]
    x, y = images.x_train[chosen].astype("float32") / 255, images.y_train[chosen]
    model = models.GoogLeNet(
        auxiliary=True, norm=None, width=0.25, classes=10, input_shape=x.shape[1:]
    )
    loss = keras.losses.SparseCategoricalCrossentropy()

    def norm(heads):
        def value():
            prediction, *auxiliary = model(x, training=False)
            return loss(y, prediction) + heads * sum(loss(y, output) for output in auxiliary)

        _, (gradient,) = value_and_gradients(value, [model.get_layer("conv1").kernel])
        return float(np.linalg.norm(gradient))

    with_heads, without = norm(weight), norm(0.0)
    return {"with_heads": with_heads, "without": without, "ratio": with_heads / without}


def _unallocated(builder, arguments=None):
    return weightless(lambda: getattr(models, builder)(**(arguments or {})))


def _module(step, channels, side=8):
    image = keras.Input((side, side, channels))
    return keras.Model(image, apply(image, step, "m", _PLAIN))


def _size(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)
