"""The book's Keras listings for 28x28 images: a plain network, its MobileNet, its MobileNetV2.

dlnotes 2.2. The first two differ in convolutions 2 to 4 alone: 3x3, or depthwise-separable.

| layer                  | size          | plain   | MobileNet |
|------------------------|---------------|---------|-----------|
| convolution 1, 3x3     | 14 x 14 x 32  | 320     | 320       |
| convolution 2          | 14 x 14 x 64  | 18,496  | 2,432     |
| convolution 3          | 14 x 14 x 128 | 73,856  | 8,960     |
| convolution 4          | 7 x 7 x 128   | 147,584 | 17,792    |
| average, BN, 128, BN, 10 |             | 18,826  | 18,826    |
| parameters             |               | 259,082 | 48,330    |
"""

from __future__ import annotations

import keras

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, depthwise

_LISTING = {"use_bias": True, "kernel_initializer": "glorot_uniform", "padding": "keras"}


def simple_convnet(common, *, filters=(32, 64, 128, 128), units=128, separable):
    """The plain network of the listing, or its MobileNet.

    Args:
        filters: of the convolutions; the first and the last halve the maps.
        units: of the hidden dense layer.
        separable: whether each convolution but the first is a depthwise and a 1x1 convolution,
            with a ReLU behind both.

    Raises:
        ValueError: an argument that is no positive integer.
    """
    for number in (*filters, units):
        check_positive_integer("filters and units", number)
    start = x = common.start(default=(28, 28, 1), minimum=1)
    for number, size in enumerate(filters, 1):
        form = {
            "activation": "relu",
            "strides": 2 if number in (1, len(filters)) else 1,
            **_LISTING,
        }
        if separable and number > 1:
            x = depthwise(x, 3, f"depthwise{number}", **form)
            x = conv(x, size, 1, f"pointwise{number}", **form | {"strides": 1})
        else:
            x = conv(x, size, 3, f"conv{number}", **form)
    if not common.include_top:
        return common.features(start, x)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = keras.layers.BatchNormalization(name="avg_pool_bn")(x)
    x = keras.layers.Dense(units, activation="relu", name="fc1")(x)
    x = keras.layers.BatchNormalization(name="fc1_bn")(x)
    return common.model(start, common.classifier(x, "fc2"))


def bottleneck(
    x, filters, name, *, expansion=6, expand_by="output", projection_activation="linear"
):
    """The listing's block: always with a shortcut, never with a stride or normalisation.

    Args:
        x: maps `(batch, height, width, channels)`.
        filters: channels of the output.
        name: prefix of the layers' names, `<name>_expand` and so on.
        expansion: t, a positive integer.
        expand_by: what it multiplies, the channels of the `"output"` or of the `"input"`.
        projection_activation: after the last 1x1 convolution, before the addition.

    Returns:
        Maps `(batch, height, width, filters)`.
    """
    shortcut = x
    if x.shape[-1] != filters:
        shortcut = conv(x, filters, 1, f"{name}_shortcut", **_LISTING)
    wide = expansion * (filters if expand_by == "output" else x.shape[-1])
    x = conv(x, wide, 1, f"{name}_expand", activation="relu6", **_LISTING)
    x = depthwise(x, 3, f"{name}_depthwise", activation="relu6", **_LISTING)
    x = conv(x, filters, 1, f"{name}_project", activation=projection_activation, **_LISTING)
    return keras.layers.Add(name=f"{name}_add")([shortcut, x])


def book_v2(
    common,
    *,
    expansion=6,
    expand_by="output",
    projection_activation="linear",
    filters=((8,), (16, 16), (32,)),
):
    """The listing's `MobileNetV2_relu`.

    Args:
        expansion: t, a positive integer.
        expand_by: what it multiplies: `"output"`, as in the listing, or `"input"`, as in the book's
            text and table 2.1, and the paper.
        projection_activation: after the last 1x1 convolution of a block, before the addition:
            `"linear"`, as in the listing, `"relu"` or `"relu6"`.
        filters: of the blocks, with 2x2 max pooling between the groups.

    Raises:
        ValueError: an argument out of its range, or an input too small for the poolings.
    """
    check_positive_integer("expansion", expansion)
    check_choice("expand_by", expand_by, ["output", "input"])
    check_choice("projection_activation", projection_activation, ["linear", "relu", "relu6"])
    minimum = building.minimum_size([(2, 2, "valid")] * (len(filters) - 1))
    start = common.start(default=(28, 28, 1), minimum=minimum)
    x = conv(start, 32, 3, "conv1", **_LISTING)
    number = 0
    for group, sizes in enumerate(filters):
        if group:
            x = keras.layers.MaxPooling2D(2, name=f"pool{group}")(x)
        for size in sizes:
            number += 1
            x = bottleneck(
                x,
                check_positive_integer("filters", size),
                f"block{number}",
                expansion=expansion,
                expand_by=expand_by,
                projection_activation=projection_activation,
            )
    if not common.include_top:
        return common.features(start, x)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = keras.layers.Dense(128, activation="relu", name="fc1")(x)
    return common.model(start, common.classifier(x, "fc2"))


def _simple(name, summary, separable, *ledger):
    return building.variant(
        simple_convnet,
        name,
        summary,
        building.Provenance(
            "dlnotes 2.2, listings 1 and 2; after Howard et al. 2017.",
            (*ledger, "A2.2-2", "A2.2-3", "N2.8-1"),
            "dlnotes 2.2, figure 2.8",
            (
                "Biases, and no normalisation behind the convolutions, unlike MobileNet.",
                "BN momentum 0.99 and epsilon 1e-3, Keras's, as the listing leaves them.",
            ),
        ),
        fixed={"separable": separable},
        classes=10,
    )


SimpleNaiveConvNet = _simple(
    "SimpleNaiveConvNet",
    "The book's plain network: four 3x3 convolutions, 259,082 parameters.",
    False,
    "M2.2d",
)

SimpleMobileNetV1 = _simple(
    "SimpleMobileNetV1",
    "The book's MobileNet: three depthwise-separable convolutions, 48,330 parameters.",
    True,
    "M2.2e",
)

MobileNetV2Book = building.variant(
    book_v2,
    "MobileNetV2Book",
    "The book's `MobileNetV2_relu`: four blocks of t = 6, 28,122 parameters.",
    building.Provenance(
        "dlnotes 2.2, listings 3 and 4; after Sandler et al. 2018.",
        ("M2.2h", "M2.2i", "A2.2-5"),
        "dlnotes 2.2, arithmetic over the listing",
        (
            "Biases, no normalisation, max pooling for strides, and a shortcut in every block, by "
            "a 1x1 convolution where the channels differ; the paper has none of these.",
            "t multiplies the channels of the output, unlike the book's table 2.1 and the paper.",
            "The listing calls `_bottleneck_relu` where it defines `_bottleneck`; the latter is "
            "built.",
        ),
    ),
    classes=10,
)
