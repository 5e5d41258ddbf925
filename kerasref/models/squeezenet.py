"""SqueezeNet: fire modules with a narrow 1x1 squeeze before a wide mixed expansion.

Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer: SqueezeNet: AlexNet-level accuracy with 50x fewer
parameters and <0.5MB model size, 2016; dlnotes 2.1. Fire module i squeezes to s channels and
expands to e, half of them by 3x3 convolutions; s = e / 8 throughout. Parameters at 1,000 classes:

| layer        | s, e    | parameters | around it: simple bypass | complex bypass |
|--------------|---------|------------|--------------------------|----------------|
| conv1 7x7/2  | 96      | 14,208     |                          |                |
| fire2        | 16, 128 | 11,920     |                          | 12,416         |
| fire3        | 16, 128 | 12,432     | identity                 | identity       |
| fire4        | 32, 256 | 45,344     |                          | 33,024         |
| fire5        | 32, 256 | 49,440     | identity                 | identity       |
| fire6        | 48, 384 | 104,880    |                          | 98,688         |
| fire7        | 48, 384 | 111,024    | identity                 | identity       |
| fire8        | 64, 512 | 188,992    |                          | 197,120        |
| fire9        | 64, 512 | 197,184    | identity                 | identity       |
| conv10 1x1   | 1,000   | 513,000    |                          |                |
| total        |         | 1,248,424  | 1,248,424                | 1,589,672      |

Poolings that halve the maps follow conv1, fire4 and fire8.
"""

from __future__ import annotations

import keras

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, max_pool

EXPAND = (128, 128, 256, 256, 384, 384, 512, 512)
"""Channels of fire2 to fire9: 128 in the first, 128 more after every second."""

POOLED = {"late": (1, 4, 8), "early": (1, 3, 5)}
"""Numbers of the layers that a pooling follows: the paper's, and those of the authors' v1.1."""

_POOLS = {"overlapping": 3, "non_overlapping": 2}


def squeezenet(
    common,
    *,
    bypass=None,
    squeeze_ratio=0.125,
    share_3x3=0.5,
    expand=EXPAND,
    width=1.0,
    stem=(96, 7, 2),
    stem_padding="same",
    downsampling="late",
    pool="non_overlapping",
    final_activation="relu",
    dropout=0.5,
    kernel_initializer="glorot_uniform",
    pool_padding,
    default_shape,
):
    """Generic SqueezeNet.

    Args:
        bypass: None, `"simple"` (the input is added to the output of every fire module that has
            as many channels), or `"complex"` (to the others it is added through a linear 1x1
            convolution).
        squeeze_ratio: channels of a squeeze as a share of those of the expansion.
        share_3x3: share of the 3x3 convolution in the channels of an expansion, 0 to 1.
        expand: channels of each fire module's output.
        width: multiplies all numbers of channels but that of the classes.
        stem: filters, window and stride of the first convolution.
        stem_padding: of the first convolution, `"same"` (three pixels on each side), `"keras"`
            (as Keras would pad; the book's) or `"valid"` (none; the paper's).
        downsampling: `"late"` (poolings after the layers 1, 4 and 8, the first convolution being
            layer 1) or `"early"` (after 1, 3 and 5). The parameters are the same.
        pool: `"non_overlapping"` (window 2, stride 2; the book's) or `"overlapping"` (window 3,
            stride 2; the paper's).
        final_activation: of the class maps; None lets logits be negative.
        dropout: rate before the class maps; 0 leaves the layer out.
        kernel_initializer: of the convolutions.
        pool_padding: `"valid"` or `"same"`.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, or an input too small for the poolings.
    """
    check_choice("bypass", bypass, [None, "simple", "complex"])
    check_choice("stem_padding", stem_padding, ["same", "keras", "valid"])
    window = _POOLS[check_choice("pool", pool, _POOLS)]
    pooled = POOLED[check_choice("downsampling", downsampling, POOLED)]
    filters, kernel, stride = _stem(stem)
    for channels in expand:
        check_positive_integer("expand", channels)
    if not 0 <= share_3x3 <= 1:
        raise ValueError(f"`share_3x3` must be from 0 to 1, not {share_3x3!r}")
    if not squeeze_ratio > 0:
        raise ValueError(f"`squeeze_ratio` must be positive, not {squeeze_ratio!r}")
    halvings = [number for number in pooled if number <= 1 + len(expand)]
    windows = [(kernel, stride, stem_padding)] + [(window, 2, pool_padding)] * len(halvings)
    start = common.start(default=default_shape, minimum=building.minimum_size(windows))

    def convolve(x, filters, kernel, name, *, activation="relu", **arguments):
        return conv(
            x,
            filters,
            kernel,
            name,
            use_bias=True,
            activation=activation,
            kernel_initializer=kernel_initializer,
            **arguments,
        )

    x = convolve(
        start, _scaled(filters, width), kernel, "conv1", strides=stride, padding=stem_padding
    )
    for number, channels in enumerate([None, *expand], 1):
        if channels:
            x = _fire(
                x,
                f"fire{number}",
                convolve,
                _scaled(channels, width),
                squeeze_ratio,
                share_3x3,
                bypass,
            )
        if number in halvings:
            x = max_pool(x, window, 2, f"pool{number}", pool_padding)
    if not common.include_top:
        return common.features(start, x)

    check_positive_integer("classes", common.classes)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    name = f"conv{len(expand) + 2}"
    x = convolve(x, common.classes, 1, name, activation=final_activation)
    x = keras.layers.GlobalAveragePooling2D(name="gap")(x)
    return common.model(start, common.predictions(x))


def _fire(x, name, convolve, channels, squeeze_ratio, share_3x3, bypass):
    """Squeeze `<name>_squeeze`, expansions `<name>_expand1` and `3`, output `<name>` or `_add`."""
    squeezed = convolve(x, max(1, round(channels * squeeze_ratio)), 1, f"{name}_squeeze")
    wide = round(channels * share_3x3)
    expansions = [
        convolve(squeezed, filters, kernel, f"{name}_expand{kernel}")
        for filters, kernel in ((channels - wide, 1), (wide, 3))
        if filters
    ]
    y = keras.layers.Concatenate(name=name)(expansions) if len(expansions) > 1 else expansions[0]
    if x.shape[-1] == channels:
        if bypass:
            y = keras.layers.Add(name=f"{name}_add")([x, y])
    elif bypass == "complex":
        x = convolve(x, channels, 1, f"{name}_bypass", activation=None)
        y = keras.layers.Add(name=f"{name}_add")([x, y])
    return y


def _stem(stem):
    if len(stem) != 3:
        raise ValueError(f"`stem` must be filters, window and stride, not {stem!r}")
    return [check_positive_integer("stem", number) for number in stem]


def _scaled(channels, width):
    return max(1, round(channels * width))


SqueezeNet = building.variant(
    squeezenet,
    "SqueezeNet",
    "SqueezeNet as the book lists it: 224x224x3, 1,248,424 parameters; the paper's by arguments.",
    building.Provenance(
        reference="Iandola et al. 2016, section 3 and table 1; dlnotes 2.1, listings 1 and 2.",
        ledger=("M2.1a", "M2.1b", "M2.1c", "M2.1d", "A2.1-3", "A2.1-5"),
        counts="dlnotes 2.1 (1,248,424); torchvision (1,235,496 for v1.1)",
        deviations=(
            "2x2 poolings and a padded first convolution, as in the book, but padded alike on all "
            "sides; the paper has `pool='overlapping'` and `stem_padding='valid'` on 227x227.",
            "A softmax follows the global average; the book's listing ends before it "
            "(`classifier_activation=None`). The class maps have its ReLU.",
            "Glorot-uniform initial weights, as the listing leaves them.",
        ),
    ),
    fixed={"pool_padding": "valid", "default_shape": (224, 224, 3)},
)

SqueezeNetSmall = building.variant(
    squeezenet,
    "SqueezeNetSmall",
    "SqueezeNet at half width for images of 14 to 32 pixels: 28x28x1, 184,074 parameters.",
    building.Provenance(
        reference="kerasref; after Iandola et al. 2016.",
        ledger=("A2.1-3", "A2.1-4", "A2.1-5", "A2.1-6"),
        counts="hand arithmetic",
        deviations=(
            "First convolution 3x3 without stride; half the channels.",
            "Poolings pad, so that both kinds give maps of nearly the same size.",
            "No ReLU on the class maps, which may die behind it.",
            "Initial weights as in the authors' Caffe files: uniform, of variance 1 / fan-in.",
        ),
    ),
    fixed={"pool_padding": "same", "default_shape": (28, 28, 1)},
    width=0.5,
    stem=(96, 3, 1),
    pool="overlapping",
    final_activation=None,
    kernel_initializer="lecun_uniform",
    classes=10,
)
