"""Network in network (NIN), and LeNet with its 1x1 convolutions.

Lin, Chen, Yan: Network in network, 2014. An ordinary convolution, then 1x1 convolutions, each with
a ReLU: a small perceptron that slides over the image. The last block has one map per class, whose
global averages are the logits. Max pooling of window 3 and stride 2 stands between the blocks.

| block | NIN, 32x32x3               | parameters | NiN of D2L, 224x224x1      | parameters |
|-------|----------------------------|------------|----------------------------|------------|
| 1     | 192 at 5x5, 160, 96        | 60,928     | 96 at 11x11/4, 96, 96      | 30,336     |
| 2     | 192 at 5x5, 192, 192       | 535,104    | 256 at 5x5, 256, 256       | 746,240    |
| 3     | 192 at 3x3, 192, 10        | 370,954    | 384 at 3x3, 384, 384       | 1,180,800  |
| 4     |                            |            | 10 at 3x3, 10, 10          | 34,790     |
| total |                            | 966,986    |                            | 1,992,166  |
"""

from __future__ import annotations

import dataclasses

import keras

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import blocks, building

CLASSES = 0
"""In `Block.units`: as many maps as classes."""


@dataclasses.dataclass(frozen=True)
class Block:
    """A convolution with the first of `units`, 1x1 convolutions with the others.

    `dropout`: whether dropout follows the pooling behind it.
    """

    units: tuple[int, ...]
    kernel: int
    stride: int = 1
    padding: str = "same"
    dropout: bool = False


PAPER = (
    Block((192, 160, 96), 5, dropout=True),
    Block((192, 192, 192), 5, dropout=True),
    Block((192, 192, CLASSES), 3),
)

D2L = (
    Block((96, 96, 96), 11, stride=4, padding="valid"),
    Block((256, 256, 256), 5),
    Block((384, 384, 384), 3, dropout=True),
    Block((CLASSES, CLASSES, CLASSES), 3),
)

SMALL = (
    Block((24, 24, 24), 5, stride=2),
    Block((64, 64, 64), 5),
    Block((96, 96, 96), 3, dropout=True),
    Block((CLASSES, CLASSES, CLASSES), 3),
)


def nin(
    common,
    *,
    mlp_layers=2,
    mlp_kernel=1,
    depths=None,
    narrowing="block",
    head="gap",
    final_activation="relu",
    dropout=0.5,
    width=1.0,
    stack,
    pool_padding,
    default_shape,
):
    """Generic NIN.

    Args:
        mlp_layers: number of 1x1 convolutions in each block.
        mlp_kernel: side of the window of those convolutions.
        depths: number of blocks before each pooling; None for one each. Only the first of them has
            a stride.
        narrowing: `"block"` for the network's own last block, or `"layer"` for one as wide as the
            block before it, up to its last layer.
        head: `"gap"` (global average pooling of the class maps) or `"fc"` (a dense layer on them).
        final_activation: of the class maps; None lets logits be negative.
        dropout: rate; 0 leaves the layers out.
        width: multiplies the numbers of filters.
        stack: one `Block` each, the last with class maps.
        pool_padding: `"valid"` or `"same"`.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, or an input too small for the poolings.
    """
    check_choice("narrowing", narrowing, ["block", "layer"])
    check_choice("head", head, ["gap", "fc"])
    check_positive_integer("mlp_kernel", mlp_kernel)
    if not (isinstance(mlp_layers, int) and mlp_layers >= 0):
        raise ValueError(f"`mlp_layers` must be an integer of at least 0, not {mlp_layers!r}")
    *body, last = stack
    depths = depths or [1] * len(body)
    if len(depths) != len(body):
        raise ValueError(f"`depths` must have {len(body)} numbers, not {depths!r}")
    start = common.start(
        default=default_shape, minimum=building.minimum_size(_windows(body, pool_padding))
    )

    def scaled(units):
        return [round(size * width) or 1 if size else common.classes for size in units]

    x, number = start, 0
    for stage, (block, depth) in enumerate(zip(body, depths, strict=True), 1):
        units = scaled(_lengthened(block.units, 1 + mlp_layers))
        for _ in range(check_positive_integer("depths", depth)):
            number += 1
            x = _perceptron(x, f"block{number}", block, units, mlp_kernel)
            block = dataclasses.replace(block, stride=1, padding="same")
        x = blocks.max_pool(x, 3, 2, f"pool{stage}", pool_padding)
        if block.dropout and dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout{stage}")(x)
    if not common.include_top:
        return common.features(start, x)

    check_positive_integer("classes", common.classes)
    before = body[-1].units[-1:] if narrowing == "layer" else last.units[:-1]
    units = scaled([*_lengthened(before, mlp_layers), CLASSES])
    x = _perceptron(x, f"block{number + 1}", last, units, mlp_kernel, final_activation)
    if head == "fc":
        x = keras.layers.Flatten(name="flatten")(x)
        return common.model(start, common.classifier(x, "fc"))
    return common.model(start, _average(common, x))


def _perceptron(x, name, block, units, mlp_kernel, final="relu"):
    activations = ["relu"] * (len(units) - 1) + [final]
    for layer, (filters, activation) in enumerate(zip(units, activations, strict=True)):
        x = blocks.conv(
            x,
            filters,
            mlp_kernel if layer else block.kernel,
            f"{name}_mlp{layer}" if layer else f"{name}_conv",
            strides=1 if layer else block.stride,
            padding="same" if layer else block.padding,
            use_bias=True,
            activation=activation,
            kernel_initializer="glorot_uniform",
        )
    return x


def _average(common, x):
    """Class maps to class probabilities."""
    return common.predictions(keras.layers.GlobalAveragePooling2D(name="gap")(x))


def _lengthened(units, length):
    """The first `length` of `units`, the last one repeated where there are fewer."""
    return (*units, *units[-1:] * length)[:length]


def _windows(body, pool_padding):
    for block in body:
        yield block.kernel, block.stride, block.padding
        yield 3, 2, pool_padding


def nin_lenet(
    common, *, mlp_layers=1, head="fc", activation="relu", dropout=0.0, downsampling, default_shape
):
    """Generic LeNet-5 with 8 and 16 maps and 1x1 convolutions.

    Args:
        mlp_layers: number of 1x1 convolutions after each 5x5 one; 0 leaves a linear filter.
        head: `"fc"` (dense layers of 120, 84 and the classes) or `"gap"` (a 1x1 convolution to
            class maps and their global averages).
        activation: of the convolutions and hidden dense layers.
        dropout: rate after each hidden dense layer; 0 leaves the layers out.
        downsampling: `"pool"` (max pooling 2x2 after both stages) or `"dense"` (after the first
            stage a dense layer of 196, laid out as one map of 14x14).
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, or an input too small for the poolings.
    """
    check_choice("head", head, ["fc", "gap"])
    pooled = downsampling == "pool"
    windows = [(5, 1, "same"), (2, 2, "valid")] * 2 if pooled else []
    start = common.start(default=default_shape, minimum=building.minimum_size(windows))

    def stage(x, number, filters):
        for layer in range(1 + mlp_layers):
            name = f"mlp{number}_{layer}" if layer else f"conv{number}"
            x = keras.layers.Conv2D(
                filters, 1 if layer else 5, padding="same", activation=activation, name=name
            )(x)
        return keras.layers.MaxPooling2D(2, name=f"pool{number}")(x) if pooled else x

    x = stage(start, 1, 8)
    if not pooled:
        if not common.include_top:
            return common.features(start, x)
        x = keras.layers.Flatten(name="flatten1")(x)
        x = keras.layers.Dense(196, activation=activation, name="down1")(x)
        x = keras.layers.Reshape((14, 14, 1), name="map1")(x)
    x = stage(x, 2, 16)
    if not common.include_top:
        return common.features(start, x)

    if head == "gap":
        check_positive_integer("classes", common.classes)
        x = keras.layers.Conv2D(common.classes, 1, name="class_maps")(x)
        return common.model(start, _average(common, x))
    x = keras.layers.Flatten(name="flatten")(x)
    for layer, units in (("fc1", 120), ("fc2", 84)):
        x = keras.layers.Dense(units, activation=activation, name=layer)(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout_{layer}")(x)
    return common.model(start, common.classifier(x, "output"))


NIN = building.variant(
    nin,
    "NIN",
    "NIN of the paper for CIFAR-10: 32x32x3, three blocks, 966,986 parameters.",
    building.Provenance(
        reference="Lin et al. 2014, sections 3 and 4; widths of the authors' published network.",
        ledger=("M1.3-2", "A1.3-7"),
        counts="imgclsmob (966,986)",
        deviations=(
            "Max pooling after the second block too, as the text says; the published one averages.",
            "Glorot-uniform initial weights.",
        ),
    ),
    fixed={"stack": PAPER, "pool_padding": "same", "default_shape": (32, 32, 3)},
    classes=10,
)

NiND2L = building.variant(
    nin,
    "NiND2L",
    "NiN of D2L, after AlexNet: 224x224x1, four blocks, 1,992,166 parameters.",
    building.Provenance(
        reference="D2L 7.3 (8.3 in the English edition); after Lin et al. 2014.",
        ledger=("D2L-M4", "D2L-C7", "D2L-T4", "D2L-K11"),
        counts="D2L 7.3 (parameters per block)",
    ),
    fixed={"stack": D2L, "pool_padding": "valid", "default_shape": (224, 224, 1)},
    classes=10,
)

NiNSmall = building.variant(
    nin,
    "NiNSmall",
    "NiN of D2L for images of 28 to 32 pixels, the counterpart of AlexNetSmall.",
    building.Provenance(
        reference="kerasref; after D2L 7.3.",
        ledger=("D2L-A14", "D2L-A16", "D2L-B4a", "D2L-B4b", "D2L-B4c", "D2L-B4e", "D2L-B4f"),
        counts="hand arithmetic",
        deviations=(
            "First convolution 5x5/2; a quarter of the filters (24-64-96).",
            "Convolutions and poolings pad.",
        ),
    ),
    fixed={"stack": SMALL, "pool_padding": "same", "default_shape": (28, 28, 1)},
    classes=10,
)

NINLeNet = building.variant(
    nin_lenet,
    "NINLeNet",
    "LeNet-5 with 1x1 convolutions behind figure 1.18: 28x28x1, 108,982 parameters.",
    building.Provenance(
        reference="dlnotes 1.3, companion notebook; after LeCun et al. 1998 and Lin et al. 2014.",
        ledger=("M1.3-4", "A1.3-4", "A1.3-5", "A1.3-7"),
        counts="dlnotes 1.3 (companion notebook)",
        deviations=("Dense layers at the end instead of global average pooling, as in the book.",),
    ),
    fixed={"downsampling": "pool", "default_shape": (28, 28, 1)},
    classes=10,
)

NINLeNetBook = building.variant(
    nin_lenet,
    "NINLeNetBook",
    "LeNet-5 with 1x1 convolutions as the book lists it: 28x28x1, 1,617,930 parameters.",
    building.Provenance(
        reference="dlnotes 1.3, listing 2.",
        ledger=("M1.3-3",),
        counts="dlnotes 1.3 (per layer)",
        deviations=(
            "Down-sampling by a dense layer that forgets positions; the paper pools (E1.3-2).",
            "Without the top it ends before that dense layer, which fixes the image's size.",
        ),
    ),
    fixed={"downsampling": "dense", "default_shape": (28, 28, 1)},
    classes=10,
)
