"""VGG.

Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, 2015.
Five blocks of 3x3 convolutions with padding and ReLU, each closed by 2x2 max pooling; three dense
layers. The paper's table 1, at 224x224x3 with 1,000 classes (c1 is a 1x1 convolution):

| block | filters | A, A-LRN    | B     | C        | D           | E     |
|-------|---------|-------------|-------|----------|-------------|-------|
| 1     | 64      | c3 (LRN)    | c3 x2 | c3 x2    | c3 x2       | c3 x2 |
| 2     | 128     | c3          | c3 x2 | c3 x2    | c3 x2       | c3 x2 |
| 3     | 256     | c3 x2       | c3 x2 | c3 x2 c1 | c3 x3       | c3 x4 |
| 4     | 512     | c3 x2       | c3 x2 | c3 x2 c1 | c3 x3       | c3 x4 |
| 5     | 512     | c3 x2       | c3 x2 | c3 x2 c1 | c3 x3       | c3 x4 |
| parameters      | 132,863,336 | 133,047,848 | 133,638,952 | 138,357,544 | 143,667,240 |
"""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from kerasref.layers import normalization
from kerasref.layers.arguments import check_choice
from kerasref.models import blocks, building

# Kernels of the convolutions of each block.
A = ((3,), (3,), (3, 3), (3, 3), (3, 3))
B = ((3, 3),) * 5
C = ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1))
D = ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
E = ((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3))

HEADS = ("dense", "convolutional", "gap")


def vgg(
    common,
    *,
    norm=None,
    head="dense",
    window=7,
    dropout=0.5,
    width=1.0,
    convolutions,
    filters,
    units,
    padding,
    initializer,
    default_shape,
):
    """Generic VGG.

    Args:
        norm: `"batch"` before the ReLU of every convolution, `"lrn"` after that of the first one,
            or None.
        head: `"dense"`; `"convolutional"`, the paper's form for testing: the dense layers slide
            over an image of any size from the training size on, known or not, and their scores
            are averaged over all positions (see `copy_weights`); or `"gap"`, global average
            pooling instead of the hidden dense layers.
        window: side of the map that the first dense layer sees, where it slides: the last map of
            an image of the training size.
        dropout: rate after each hidden dense layer; 0 leaves the layers out.
        width: multiplies the numbers of filters and hidden units.
        convolutions: kernel of each convolution of each block.
        filters: of the blocks.
        units: of the hidden dense layers.
        padding: of the convolutions.
        initializer: of the kernels.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, or an input too small for the poolings.
    """
    check_choice("head", head, HEADS)
    check_choice("norm", norm, [None, "batch", "lrn"])
    slides = head == "convolutional" and common.include_top
    windows = [w for kernels in convolutions for w in _windows(kernels, padding)]
    minimum = building.minimum_size([*windows, (window, 1, "valid")] if slides else windows)
    # What slides needs no size, unlike other tops.
    sizes = dataclasses.replace(common, include_top=common.include_top and not slides)
    start = sizes.start(default=default_shape, minimum=minimum)

    x = start
    for block, (kernels, size) in enumerate(zip(convolutions, filters, strict=True), 1):
        for number, kernel in enumerate(kernels, 1):
            first = (block, number) == (1, 1)
            form = {"norm": norm if first or norm == "batch" else None, "padding": padding}
            name = f"block{block}_conv{number}"
            x = _convolve(x, _scaled(size, width), kernel, name, initializer, **form)
        x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    if not common.include_top:
        return common.features(start, x)

    last = f"fc{len(units) + 1}"
    if head == "gap":
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        return common.model(start, common.classifier(x, last, initializer))
    if head == "dense":
        x = keras.layers.Flatten(name="flatten")(x)
    for number, size in enumerate(units, 1):
        arguments = {
            "activation": "relu",
            "kernel_initializer": initializer,
            "name": f"fc{number}",
        }
        if slides:
            side = window if number == 1 else 1
            x = keras.layers.Conv2D(_scaled(size, width), side, **arguments)(x)
        else:
            x = keras.layers.Dense(_scaled(size, width), **arguments)(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout{number}")(x)
    if not slides:
        return common.model(start, common.classifier(x, last, initializer))
    x = keras.layers.Conv2D(common.classes, 1, kernel_initializer=initializer, name=last)(x)
    x = keras.layers.GlobalAveragePooling2D(name="score_pool")(x)
    return common.model(start, common.predictions(x))


def _convolve(x, filters, kernel, name, initializer, *, norm, padding):
    batch = norm == "batch"
    x = blocks.conv(
        x,
        filters,
        kernel,
        name,
        padding=padding,
        use_bias=not batch,
        activation=None if batch else "relu",
        kernel_initializer=initializer,
    )
    if batch:
        return blocks.norm_act(x, name)
    return normalization(norm, f"{name}_lrn")(x)


def _scaled(size, width):
    return max(1, round(size * width))


def _windows(kernels, padding):
    """Windows of a block: its convolutions, then its pooling."""
    return [*((kernel, 1, padding) for kernel in kernels), (2, 2, "valid")]


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of a VGG into one with the other of the heads `dense` and `convolutional`.

    A dense layer sees a map in the order row, column, channel, so that its kernel
    `(rows * columns * channels, units)`, reshaped to `(rows, columns, channels, units)`, is that of
    the convolution which computes the same at every position.

    Raises:
        ValueError: a layer of `target` has no counterpart in `source`, or one of another size.
    """
    for layer in target.layers:
        values = source.get_layer(layer.name).get_weights() if layer.weights else []
        for weight, value in zip(layer.weights, values, strict=True):
            if np.size(value) != np.prod(weight.shape):
                raise ValueError(f"{layer.name!r} has {weight.shape} weights, not {value.shape}")
            weight.assign(np.reshape(value, weight.shape))


def small_vgg(
    common,
    *,
    depths=(1, 2, 2),
    kernel=3,
    extra_kernel=3,
    norm=None,
    head="dense",
    window=3,
    dropout=0.5,
    filters=(16, 32, 64),
    units=(128, 128),
    width=1.0,
    padding="same",
):
    """VGG's shape for images of 28 to 32 pixels.

    Args:
        depths: number of convolutions of each block.
        kernel: of the first two convolutions of a block.
        extra_kernel: of the others; 1 and 3 tell the paper's C from D.
        norm: `"batch"` before the ReLU of every convolution, `"lrn"` after that of the first one,
            or None.
        head: `"dense"`, `"convolutional"` or `"gap"`, as in `VGG16`.
        window: side of the map that the first dense layer sees, where it slides.
        dropout: rate after each hidden dense layer; 0 leaves the layers out.
        filters: of the blocks.
        units: of the hidden dense layers.
        width: multiplies the numbers of filters and hidden units.
        padding: of the convolutions, `"same"` or `"valid"`.

    Raises:
        ValueError: an argument out of its range, or an input too small for the poolings.
    """
    check_choice("padding", padding, ["same", "valid"])
    if len(depths) != len(filters):
        raise ValueError(f"`depths` has {len(depths)} blocks, `filters` has {len(filters)}")
    return vgg(
        common,
        norm=norm,
        head=head,
        window=window,
        dropout=dropout,
        width=width,
        convolutions=[
            tuple(kernel if number < 2 else extra_kernel for number in range(depth))
            for depth in depths
        ],
        filters=filters,
        units=units,
        padding=padding,
        initializer="he_normal",
        default_shape=(28, 28, 1),
    )


def _form(convolutions, filters=(64, 128, 256, 512, 512), default_shape=(224, 224, 3)):
    return {
        "convolutions": convolutions,
        "filters": filters,
        "units": (4096, 4096),
        "padding": "same",
        "initializer": "glorot_uniform",
        "default_shape": default_shape,
    }


def _paper(*ledger):
    return building.Provenance(
        reference="Simonyan & Zisserman 2015, table 1; dlnotes 1.2.",
        ledger=ledger,
        counts="dlnotes 1.2; imgclsmob; keras.applications (D, E)",
        deviations=(
            "Glorot-uniform initial weights, which the paper names as an alternative to starting "
            "from a trained VGG11.",
        ),
    )


def _d2l(*ledger):
    return building.Provenance(
        reference="D2L 7.2 (8.2 in the English edition); after Simonyan & Zisserman 2015.",
        ledger=ledger,
        counts="D2L 7.2 (d2l-en chapter layer list)",
        deviations=("One input channel and 10 classes, unlike the paper.",),
    )


VGG11 = building.variant(
    vgg,
    "VGG11",
    "VGG-A: 8 convolutions, 132,863,336 parameters.",
    _paper("M1.2-1"),
    fixed=_form(A),
)

VGG11LRN = building.variant(
    vgg,
    "VGG11LRN",
    "VGG-A-LRN: VGG-A with local response normalisation after the first convolution.",
    _paper("M1.2-2"),
    fixed=_form(A),
    norm="lrn",
)

VGG13 = building.variant(
    vgg,
    "VGG13",
    "VGG-B: 10 convolutions, 133,047,848 parameters.",
    _paper("M1.2-3"),
    fixed=_form(B),
)

VGG16C = building.variant(
    vgg,
    "VGG16C",
    "VGG-C: 10 3x3 and 3 1x1 convolutions, 133,638,952 parameters.",
    _paper("M1.2-4"),
    fixed=_form(C),
)

VGG16 = building.variant(
    vgg,
    "VGG16",
    "VGG-D, the usual VGG-16: 13 convolutions, 138,357,544 parameters.",
    _paper("M1.2-5"),
    fixed=_form(D),
    twin=building.Twin("VGG16", classifier="fc3"),
)

VGG19 = building.variant(
    vgg,
    "VGG19",
    "VGG-E: 16 convolutions, 143,667,240 parameters.",
    _paper("M1.2-6", "M1.2-7"),
    fixed=_form(E),
    twin=building.Twin("VGG19", classifier="fc3"),
)

VGG11D2L = building.variant(
    vgg,
    "VGG11D2L",
    "VGG-11 of D2L: 224x224x1, 10 classes, 128,806,154 parameters.",
    _d2l("D2L-M2", "D2L-T3"),
    fixed=_form(A, default_shape=(224, 224, 1)),
    classes=10,
)

VGG11SlimD2L = building.variant(
    vgg,
    "VGG11SlimD2L",
    "VGG-11 of D2L with a quarter of the filters, for training: 43,093,322 parameters.",
    _d2l("D2L-M3", "D2L-T3"),
    fixed=_form(A, filters=(16, 32, 64, 128, 128), default_shape=(224, 224, 1)),
    classes=10,
)

VGGSmall = building.variant(
    small_vgg,
    "VGGSmall",
    "VGG's shape for images of 28 to 32 pixels, to compare its parts in minutes.",
    building.Provenance(
        reference="kerasref; after Simonyan & Zisserman 2015 and dlnotes 1.2 (m blocks of n).",
        ledger=("A1.2-1", "A1.2-2", "A1.2-3", "A1.2-4", "A1.2-5", "A1.2-10"),
        counts="hand arithmetic",
        deviations=(
            "Three blocks of 16, 32 and 64 filters; two hidden dense layers of 128 units.",
            "He-normal initial weights, with which deep nets without normalisation start to learn.",
        ),
    ),
    classes=10,
)
