"""MobileNet, the first version: depthwise-separable convolutions.

Howard et al.: MobileNets: Efficient convolutional neural networks for mobile vision applications,
2017, table 1. A 3x3 convolution with stride 2, 13 blocks of a 3x3 depthwise and a 1x1 convolution,
each with normalisation and activation, global average pooling, a dense layer. Trainable parameters
and multiply-accumulates with 1,000 classes; alpha multiplies the channels of every layer, rho the
side of the image:

| network                       | parameters | MACs at 224 | 192     | 160     | 128     |
|-------------------------------|------------|-------------|---------|---------|---------|
| MobileNet, alpha 1            | 4,231,976  | 568.7 M     | 418.1 M | 290.7 M | 186.4 M |
| alpha 0.75                    | 2,585,560  | 325.4 M     |         |         |         |
| alpha 0.5                     | 1,331,592  | 149.5 M     |         |         |         |
| alpha 0.25                    | 470,072    | 41.0 M      |         |         |         |
| alpha 1, 3x3 convolutions     | 29,294,088 | 4,867.3 M   |         |         |         |
"""

from __future__ import annotations

import re

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, depthwise, norm_act

ACTIVATIONS = ("relu", "relu6")

# Filters and stride of each block, and the filters of the first convolution.
BLOCKS = (
    (64, 1),
    *((128, 2), (128, 1)),
    *((256, 2), (256, 1)),
    *((512, 2), *((512, 1),) * 5),
    *((1024, 2), (1024, 1)),
)


def mobilenet(
    common,
    *,
    alpha=1.0,
    separable=True,
    activation="relu6",
    dropout=0.0,
    blocks=BLOCKS,
    stem=32,
    stem_strides=2,
    default_shape=(224, 224, 3),
):
    """Generic MobileNet.

    Args:
        alpha: multiplies the filters of every layer; the result is rounded down, at least 1.
        separable: whether a block is a depthwise and a 1x1 convolution, or one 3x3 convolution.
        activation: `"relu6"` or `"relu"`, after each normalisation.
        dropout: rate before the classifier.
        blocks: filters and stride of each block.
        stem: filters of the first convolution.
        stem_strides: of the first convolution.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range.
    """
    check_choice("activation", activation, ACTIVATIONS)
    if not alpha > 0:
        raise ValueError(f"`alpha` must be above 0, not {alpha!r}")
    start = common.start(default=default_shape, minimum=1)
    form = {"strides": stem_strides, "padding": "keras"}
    x = norm_act(
        conv(start, _scaled(stem, alpha), 3, "conv1", **form), "conv1", activation=activation
    )
    block = _separable if separable else _plain
    for number, (filters, strides) in enumerate(blocks, 1):
        filters = _scaled(check_positive_integer("blocks", filters), alpha)
        x = block(x, filters, f"block{number}", strides=strides, activation=activation)
    return common.pooled(start, x, dropout=dropout)


def _separable(x, filters, name, *, strides, activation):
    x = depthwise(x, 3, f"{name}_depthwise", strides=strides, padding="keras")
    x = norm_act(x, f"{name}_depthwise", activation=activation)
    x = conv(x, filters, 1, f"{name}_pointwise")
    return norm_act(x, f"{name}_pointwise", activation=activation)


def _plain(x, filters, name, *, strides, activation):
    x = conv(x, filters, 3, f"{name}_conv", strides=strides, padding="keras")
    return norm_act(x, f"{name}_conv", activation=activation)


def _scaled(filters, alpha):
    return max(1, int(filters * alpha))


def _keras_layer(name):
    number_and_kind = re.fullmatch(r"block(\d+)_(depthwise|pointwise)(.*)", name)
    if not number_and_kind:
        return name
    number, kind, rest = number_and_kind.groups()
    return f"conv_{'dw' if kind == 'depthwise' else 'pw'}_{number}{rest}"


MobileNet = building.variant(
    mobilenet,
    "MobileNet",
    "MobileNet of the first paper: 4,231,976 trainable parameters; of any width.",
    building.Provenance(
        "Howard et al. 2017, table 1; dlnotes 2.2.",
        ("M2.2a", "M2.2b", "M2.2c", "M2.2f", "A2.2-1", "A2.2-8", "A2.2-9"),
        "keras.applications; imgclsmob; timm; Howard et al. 2017, tables 4, 6 and 7",
        (
            "ReLU6 as in the authors' code, the book and keras.applications; the paper says ReLU.",
            "Strides pad as TensorFlow does, like the authors' code: more at the bottom and on "
            "the right. keras.applications does so only for maps of even sides, as images whose "
            "sides are multiples of 32 have throughout.",
        ),
    ),
    fixed={"stem": 32, "stem_strides": 2, "default_shape": (224, 224, 3)},
    twin=building.Twin(
        "MobileNet",
        layers=_keras_layer,
        predictions="conv_preds",
        arguments=("alpha",),
        sides=(128, 160, 192, 224),
    ),
)

MobileNetSmall = building.variant(
    mobilenet,
    "MobileNetSmall",
    "MobileNet's shape for images of 14 to 32 pixels, to compare its parts in minutes.",
    building.Provenance(
        "kerasref; after Howard et al. 2017.",
        ("A2.2-8", "A2.2-9"),
        "hand arithmetic",
        ("A first convolution without stride, and five blocks of 32 to 128 filters.",),
    ),
    fixed={"stem": 16, "stem_strides": 1, "default_shape": (28, 28, 1)},
    blocks=((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)),
    classes=10,
)
