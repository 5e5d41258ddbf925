"""ResNets for small images: CIFAR's 6n+2 and 9n+2 layers, and the book's two MNIST networks.

He et al. 2016a, section 4.2, and 2016b. Three stages of n units with 16, 32 and 64 filters on maps
of 32, 16 and 8 pixels. Trainable parameters at 32x32x3, 10 classes:

| network    | units of a stage | parameters                        |
|------------|------------------|-----------------------------------|
| ResNet-20  | 3                | 269,722                           |
| ResNet-56  | 9                | 853,018                           |
| ResNet-110 | 18               | 1,727,962                         |
| ResNet-164 | 18, bottleneck   | 1,704,154 with projections        |
"""

from __future__ import annotations

import keras

from kerasref.models import building
from kerasref.models.resnet import resnet
from kerasref.models.resnet_units import ORDERS, Style, unit


def resnet_cifar(
    common,
    *,
    depth=20,
    bottleneck=False,
    width=16,
    transition="zero_pad",
    **options,
):
    """Generic ResNet for small images.

    Args:
        depth: number of layers with weights in the plain part, 6n+2, or 9n+2 with bottlenecks.
        bottleneck: 1x1, 3x3 and 1x1 convolutions in a unit, the last with four times the filters.
        width: filters of the first convolution and of the first stage; each further stage has
            twice those of the one before.
        transition: where a unit changes the number of channels, `"projection"` (1x1 convolution)
            or `"zero_pad"` (sub-sampling and channels of zeros, no parameters).
        options: of `resnet`.

    Raises:
        ValueError: an argument out of its range, or `se` for another number of stages.
    """
    layers = 9 if bottleneck else 6
    units, rest = divmod(depth - 2, layers)
    if rest or units < 1:
        raise ValueError(f"`depth` must be {layers}n+2 layers, not {depth!r}")
    return resnet(
        common,
        blocks=(units,) * 3,
        width=width,
        transition=transition,
        bottleneck=bottleneck,
        stem="cifar",
        default_shape=(32, 32, 3),
        **options,
    )


def book_resnet(common, *, width=16, order):
    """The book's Keras listings: two units without sub-sampling, a flat classifier.

    Args:
        width: filters of the first convolution and unit; the second unit doubles it.
        order: of the units, `"original"` or `"preactivation"`.

    Raises:
        ValueError: an argument out of its range.
    """
    style = Style(
        order=order,
        projection_norm=False,
        share_activation=False,
        use_bias=True,
        kernel_initializer="glorot_uniform",
    )
    start = common.start(default=(28, 28, 1), minimum=1)
    x = style.place(style.conv(start, width, 3, "conv1_conv"), "conv1", "R")
    x = unit(x, "conv2_block1", style, filters=width)
    x = unit(x, "conv2_block2", style, filters=2 * width)
    x = style.place(x, "post", ORDERS[order].end.replace("R", ""))
    if not common.include_top:
        return common.features(start, x)
    x = keras.layers.Flatten(name="flatten")(x)
    return common.model(start, common.classifier(x, "fc", kernel_initializer="he_normal"))


ResNetCIFAR = building.variant(
    resnet_cifar,
    "ResNetCIFAR",
    "ResNet of 6n+2 layers for 32x32 images, or of 9n+2 with bottlenecks.",
    building.Provenance(
        "He et al. 2016a, section 4.2; He et al. 2016b; dlnotes 1.4.",
        ("M1.4-6", "M1.4-7", "M1.4-8", "M1.4-9", "M1.4-10"),
        "dlnotes 1.4; hand arithmetic",
    ),
    takes=(
        resnet,
        "order",
        "shortcut",
        "scales",
        "gate_bias",
        "shortcut_dropout",
        "norm",
        "se",
    ),
    classes=10,
)

_LISTINGS = (
    "No normalisation behind the first convolution or on the 1x1 shortcut, no sub-sampling, a flat "
    "classifier and biases everywhere, unlike the papers.",
    "Glorot-uniform initial kernels, as Keras has by default; the classifier's are He-normal.",
    "BN momentum 0.9 and epsilon 1e-5; the listing leaves Keras's 0.99 and 1e-3.",
)

ResNetV1MNIST = building.variant(
    book_resnet,
    "ResNetV1MNIST",
    "The book's `resnet_v1`: two original units on 28x28 images, 270,506 parameters.",
    building.Provenance(
        "dlnotes 1.4, listings 1 and 2; after He et al. 2016a.",
        ("M1.4-1", "M1.4-2"),
        "dlnotes 1.4",
        _LISTINGS,
    ),
    fixed={"order": "original"},
    classes=10,
)

ResNetV2MNIST = building.variant(
    book_resnet,
    "ResNetV2MNIST",
    "The book's `resnet_v2`: two pre-activation units on 28x28 images, 270,570 parameters.",
    building.Provenance(
        "dlnotes 1.4, listings 3 and 4; after He et al. 2016b.",
        ("M1.4-3", "M1.4-4"),
        "dlnotes 1.4",
        (*_LISTINGS, "Normalisation without ReLU before the classifier (E1.4-4)."),
    ),
    fixed={"order": "preactivation"},
    classes=10,
)
