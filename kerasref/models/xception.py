"""Xception: depthwise separable convolutions with residual connections.

Chollet: Xception: deep learning with depthwise separable convolutions, 2017, figure 5; dlnotes 2.3.
A module is two or three separable convolutions (a 3x3 window for each channel, then 1x1 across
channels), each after a ReLU and before batch normalisation; its shortcut is a 1x1 convolution where
it halves the maps.

| flow   | modules                                                      | maps (299x299 in)      |
|--------|--------------------------------------------------------------|------------------------|
| entry  | convolutions of 32 (stride 2) and 64                         | 147x147x64             |
|        | separable 128, 128; 256, 256; 728, 728, each with 3x3/2 pool | 74, 37, 19: 19x19x728  |
| middle | eight times separable 728, 728, 728                          | 19x19x728              |
| exit   | separable 728, 1024 with 3x3/2 pool; separable 1536, 2048    | 10x10x2048             |

36 convolutions beside the shortcuts, 22,855,952 trainable parameters.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, depthwise, depthwise_initializer, norm_act

ORDERS = ("depthwise_first", "pointwise_first")


@dataclasses.dataclass(frozen=True)
class Separable:
    """How a network makes its separable convolutions; the builders' arguments.

    Attributes:
        order: which of the two parts comes first, one of `ORDERS`.
        activation: between the two; None for none.
    """

    order: str = "depthwise_first"
    activation: Any = None

    def __post_init__(self):
        check_choice("order", self.order, ORDERS)

    def __call__(self, x: Any, filters: int, name: str) -> Any:
        """Separable 3x3 convolution of stride 1, without bias or normalisation.

        As Keras has it, depthwise first and nothing between, it is one layer `name`; otherwise
        `<name>_depthwise` and `<name>_pointwise`, with `<name>_between` for the activation.
        """
        if self == Separable():
            return keras.layers.SeparableConv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                depthwise_initializer=depthwise_initializer(3),
                pointwise_initializer="he_normal",
                name=name,
            )(x)
        parts = [
            lambda x: depthwise(x, 3, f"{name}_depthwise"),
            lambda x: conv(x, filters, 1, f"{name}_pointwise"),
        ]
        first, second = parts if self.order == "depthwise_first" else reversed(parts)
        x = first(x)
        if self.activation is not None:
            x = keras.layers.Activation(self.activation, name=f"{name}_between")(x)
        return second(x)


def xception(
    common,
    *,
    middle=8,
    width=1.0,
    residual=True,
    order="depthwise_first",
    intermediate_activation=None,
    dropout=0.5,
    stem,
    entry,
    ending,
    default_shape,
):
    """Generic Xception.

    Args:
        middle: number of modules in the middle flow.
        width: multiplies all numbers of filters.
        residual: whether modules have shortcuts; without, the network is a plain chain.
        order: of the two parts of a separable convolution, `"depthwise_first"` or
            `"pointwise_first"`, as in the book's extreme Inception module.
        intermediate_activation: between the two parts, such as `"relu"` or `"elu"`; None for none.
        dropout: rate before the classifier; 0 leaves the layer out.
        stem: filters of the first two convolutions, and the stride of the first of them; with a
            stride they have no padding.
        entry: filters of the modules of the entry flow.
        ending: filters that the last module ends in, then those of the last two separable
            convolutions.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, or an input too small for the stem.
    """
    check_positive_integer("middle", middle)
    if not width > 0:
        raise ValueError(f"`width` must be above 0, not {width!r}")
    separable = Separable(order, intermediate_activation)
    first, second, strides = stem
    padding = "valid" if strides > 1 else "same"
    windows = [(3, strides, padding), (3, 1, padding)]
    start = common.start(default=default_shape, minimum=building.minimum_size(windows))

    def scaled(filters):
        return max(1, round(filters * width))

    x = conv(start, scaled(first), 3, "block1_conv1", strides=strides, padding=padding)
    x = norm_act(x, "block1_conv1")
    x = conv(x, scaled(second), 3, "block1_conv2", padding=padding)
    x = norm_act(x, "block1_conv2")

    within = entry[-1]
    modules = [(filters, filters) for filters in entry]
    modules += [(within,) * 3] * middle
    modules += [(within, ending[0])]
    for number, filters in enumerate(modules, 2):
        x = _module(
            x,
            f"block{number}",
            [scaled(size) for size in filters],
            separable,
            residual=residual,
            activated=number == 2,
            halve=len(filters) == 2,
        )
    last = f"block{len(modules) + 2}"
    for number, filters in enumerate(ending[1:], 1):
        name = f"{last}_sepconv{number}"
        x = norm_act(separable(x, scaled(filters), name), name)
    return common.pooled(start, x, dropout=dropout)


def _module(x, name, filters, separable, *, residual, activated, halve):
    """Separable convolutions `<name>_sepconv1` and so on, pooling, and the shortcut.

    `activated`: whether `x` has been through a ReLU, so that the first needs none.
    """
    shortcut = x
    for number, size in enumerate(filters, 1):
        part = f"{name}_sepconv{number}"
        if number > 1 or not activated:
            x = keras.layers.Activation("relu", name=f"{part}_act")(x)
        x = norm_act(separable(x, size, part), part, activation=None)
    if halve:
        # Not behind a ReLU, so padding with zeros as in `blocks.max_pool` would be wrong.
        x = keras.layers.MaxPooling2D(3, 2, "same", name=f"{name}_pool")(x)
    if not residual:
        return x
    if halve:
        shortcut = conv(shortcut, filters[-1], 1, f"{name}_shortcut", strides=2)
        shortcut = norm_act(shortcut, f"{name}_shortcut", activation=None)
    return keras.layers.Add(name=f"{name}_add")([x, shortcut])


# keras.applications leaves the layers of the four projections to be named by Keras.
_names = {}
for _number, _block in enumerate((2, 3, 4, 13)):
    _suffix = f"_{_number}" if _number else ""
    _names[f"block{_block}_shortcut"] = f"conv2d{_suffix}"
    _names[f"block{_block}_shortcut_bn"] = f"batch_normalization{_suffix}"


def _keras_layer(name):
    return _names.get(name, name)


Xception = building.variant(
    xception,
    "Xception",
    "Xception of the paper, 299x299x3, 22,855,952 trainable parameters.",
    building.Provenance(
        reference="Chollet 2017, figure 5; dlnotes 2.3.",
        ledger=("M2.3d", "A2.3-4", "A2.3-5", "A2.3-6"),
        counts="Chollet 2017, table 3; keras.applications 3.15; timm 1.0 and imgclsmob",
        deviations=(
            "BN momentum 0.9 and epsilon 1e-5; the author's code has Keras's 0.99 and 1e-3.",
        ),
    ),
    fixed={
        "stem": (32, 64, 2),
        "entry": (128, 256, 728),
        "ending": (1024, 1536, 2048),
        "default_shape": (299, 299, 3),
    },
    twin=building.Twin("Xception", layers=_keras_layer),
)

XceptionSmall = building.variant(
    xception,
    "XceptionSmall",
    "Xception for images of 14 to 32 pixels, to compare its forms; 181,818 parameters.",
    building.Provenance(
        reference="kerasref; after Chollet 2017.",
        ledger=("M2.3d", "A2.3-4", "A2.3-5", "A2.3-6"),
        counts="hand arithmetic",
        deviations=(
            "Stem of stride 1; two modules in the entry flow, four in the middle flow; narrow.",
        ),
    ),
    fixed={
        "stem": (16, 32, 1),
        "entry": (32, 64),
        "ending": (128, 192, 256),
        "default_shape": (28, 28, 1),
    },
    middle=4,
    dropout=0.0,
    classes=10,
)
