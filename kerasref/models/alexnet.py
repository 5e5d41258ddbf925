"""AlexNet.

Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks,
2012.

| layer | paper, 227x227x3             | parameters, 2 groups | 1 group    |
|-------|------------------------------|----------------------|------------|
| conv1 | 96 at 11x11/4, LRN, pool 3/2 | 34,944               | 34,944     |
| conv2 | 256 at 5x5, LRN, pool 3/2    | 307,456              | 614,656    |
| conv3 | 384 at 3x3                   | 885,120              | 885,120    |
| conv4 | 384 at 3x3                   | 663,936              | 1,327,488  |
| conv5 | 256 at 3x3, pool 3/2         | 442,624              | 884,992    |
| fc6   | 4,096                        | 37,752,832           | 37,752,832 |
| fc7   | 4,096                        | 16,781,312           | 16,781,312 |
| fc8   | 1,000                        | 4,097,000            | 4,097,000  |
| total |                              | 60,965,224           | 62,378,344 |
"""

from __future__ import annotations

import dataclasses

import keras

from kerasref.layers import GroupedConv2D, normalization
from kerasref.layers.arguments import check_choice
from kerasref.models import building


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution with what follows it.

    `grouped`: divided where the network has groups. `norm`: followed by its normalisation.
    `pool`: (window, stride) of max pooling, or None. `bias`: the paper's initial bias.
    """

    filters: int
    kernel: int
    stride: int = 1
    padding: str = "same"
    grouped: bool = False
    norm: bool = False
    pool: tuple[int, int] | None = None
    bias: float = 0.0


PAPER = (
    Convolution(96, 11, stride=4, padding="valid", norm=True, pool=(3, 2)),
    Convolution(256, 5, grouped=True, norm=True, pool=(3, 2), bias=1.0),
    Convolution(384, 3),
    Convolution(384, 3, grouped=True, bias=1.0),
    Convolution(256, 3, grouped=True, pool=(3, 2), bias=1.0),
)

BOOK = (
    Convolution(96, 11, stride=4, padding="valid", norm=True, pool=(3, 2)),
    Convolution(256, 5, grouped=True, norm=True, pool=(3, 2)),
    Convolution(384, 3, norm=True),
    Convolution(384, 3, grouped=True, norm=True),
    Convolution(256, 3, grouped=True, norm=True, pool=(2, 2)),
)

D2L = (
    Convolution(96, 11, stride=4, padding="valid", pool=(3, 2)),
    Convolution(256, 5, pool=(3, 2)),
    Convolution(384, 3),
    Convolution(384, 3),
    Convolution(256, 3, pool=(3, 2)),
)


_POOLS = {"overlapping": (3, 2), "non_overlapping": (2, 2)}


def alexnet(
    common,
    *,
    norm="lrn",
    norm_position="before_pool",
    groups=2,
    pool=None,
    activation="relu",
    dense_activation="relu",
    dropout=0.5,
    convolutions,
    units,
    pool_padding,
    stddev,
    dense_bias,
    default_shape,
):
    """Generic AlexNet.

    Args:
        norm: `"lrn"`, `"batch"` or None, after the activation of the convolutions that have it.
        norm_position: `"before_pool"` or `"after_pool"`.
        groups: of the second, fourth and fifth convolution.
        pool: `"overlapping"` (window 3, stride 2) or `"non_overlapping"` (window 2, stride 2)
            everywhere, or None for the network's own.
        activation: of the convolutions.
        dense_activation: of the hidden dense layers.
        dropout: rate after each hidden dense layer; 0 leaves the layers out.
        convolutions: one `Convolution` each.
        units: of the hidden dense layers.
        pool_padding: `"valid"` or `"same"`.
        stddev: of normal initial weights; None for Glorot-uniform ones.
        dense_bias: initial bias of the hidden dense layers.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, or an input too small for the poolings.
    """
    check_choice("norm_position", norm_position, ["before_pool", "after_pool"])
    if pool is not None:
        check_choice("pool", pool, _POOLS)
        convolutions = [
            dataclasses.replace(convolution, pool=convolution.pool and _POOLS[pool])
            for convolution in convolutions
        ]
    start = common.start(
        default=default_shape, minimum=building.minimum_size(_windows(convolutions, pool_padding))
    )
    x = start
    for number, convolution in enumerate(convolutions, 1):
        x = _convolve(x, convolution, number, groups, activation, stddev)
        steps = []
        if convolution.norm:
            steps.append(normalization(norm, f"norm{number}"))
        if convolution.pool:
            size, stride = convolution.pool
            pool = keras.layers.MaxPooling2D(size, stride, pool_padding, name=f"pool{number}")
            steps.append(pool)
        for step in reversed(steps) if norm_position == "after_pool" else steps:
            x = step(x)
    if not common.include_top:
        return common.features(start, x)

    x = keras.layers.Flatten(name="flatten")(x)
    for number, size in enumerate(units, len(convolutions) + 1):
        x = keras.layers.Dense(
            size,
            activation=dense_activation,
            kernel_initializer=_initializer(stddev),
            bias_initializer=keras.initializers.Constant(dense_bias),
            name=f"fc{number}",
        )(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout{number}")(x)
    last = f"fc{len(convolutions) + len(units) + 1}"
    x = common.classifier(x, last, kernel_initializer=_initializer(stddev))
    return common.model(start, x)


def _convolve(x, convolution, number, groups, activation, stddev):
    grouped = groups if convolution.grouped else 1
    layer = GroupedConv2D if grouped > 1 else keras.layers.Conv2D
    return layer(
        convolution.filters,
        convolution.kernel,
        strides=convolution.stride,
        padding=convolution.padding,
        groups=grouped,
        activation=activation,
        kernel_initializer=_initializer(stddev),
        bias_initializer=keras.initializers.Constant(convolution.bias),
        name=f"conv{number}",
    )(x)


def _initializer(stddev):
    return keras.initializers.RandomNormal(stddev=stddev) if stddev else "glorot_uniform"


def _windows(convolutions, pool_padding):
    for convolution in convolutions:
        yield convolution.kernel, convolution.stride, convolution.padding
        if convolution.pool:
            yield *convolution.pool, pool_padding


def small_alexnet(
    common,
    *,
    norm=None,
    norm_position="before_pool",
    groups=1,
    pool="overlapping",
    activation="relu",
    dropout=0.5,
    width=1.0,
    depth=5,
):
    """AlexNet's shape for images of 28 to 32 pixels.

    Args:
        norm: `"lrn"`, `"batch"` or None, after the first two convolutions.
        norm_position: `"before_pool"` or `"after_pool"`.
        groups: of the second, fourth and all later convolutions.
        pool: `"overlapping"` (window 3, stride 2) or `"non_overlapping"` (window 2, stride 2);
            the maps have the same size with both.
        activation: of the convolutions and hidden dense layers.
        dropout: rate after each hidden dense layer; 0 leaves the layers out.
        width: multiplies the numbers of filters and hidden units.
        depth: number of convolutions, at least 3.

    Raises:
        ValueError: an argument out of its range.
    """
    check_choice("pool", pool, _POOLS)
    if depth < 3:
        raise ValueError(f"`depth` must be at least 3 convolutions, not {depth!r}")
    pooled = _POOLS["overlapping"]

    def scaled(size):
        return max(1, round(size * width / groups)) * groups

    middle = [Convolution(scaled(96), 3, grouped=number > 3) for number in range(3, depth)]
    convolutions = (
        Convolution(scaled(24), 5, stride=2, norm=True, pool=pooled),
        Convolution(scaled(64), 5, grouped=True, norm=True, pool=pooled),
        *middle,
        Convolution(scaled(64), 3, grouped=depth > 3, pool=pooled),
    )
    return alexnet(
        common,
        norm=norm,
        norm_position=norm_position,
        groups=groups,
        pool=pool,
        activation=activation,
        dense_activation=activation,
        dropout=dropout,
        convolutions=convolutions,
        units=(scaled(256), scaled(256)),
        pool_padding="same",
        stddev=None,
        dense_bias=0.0,
        default_shape=(28, 28, 1),
    )


AlexNet = building.variant(
    alexnet,
    "AlexNet",
    "AlexNet of the paper: 227x227x3, two groups, LRN, 60,965,224 parameters.",
    building.Provenance(
        reference="Krizhevsky et al. 2012, section 3; dlnotes 1.1.",
        ledger=("M1.1-5", "X1.1-2", "A1.1-11"),
        counts="dlnotes 1.1; imgclsmob (62,378,344 with one group)",
        deviations=(
            "Input 227x227: the paper's 224 does not give its own 55x55 maps.",
            "Dropout scales in training instead of halving at test time.",
        ),
    ),
    fixed={
        "convolutions": PAPER,
        "units": (4096, 4096),
        "pool_padding": "valid",
        "stddev": 0.01,
        "dense_bias": 1.0,
        "default_shape": (227, 227, 3),
    },
)

AlexNetBN = building.variant(
    alexnet,
    "AlexNetBN",
    "AlexNet as the book's Keras listing has it: batch normalisation, 58,327,818 parameters.",
    building.Provenance(
        reference="dlnotes 1.1, listing 2; after Krizhevsky et al. 2012.",
        ledger=("M1.1-6", "X1.1-2"),
        counts="dlnotes 1.1 (58,322,314 without BN; companion notebook's summary)",
        deviations=(
            "BN after the ReLU of every convolution instead of LRN after two, unlike the paper.",
            "One group, tanh in the dense layers, last pooling 2x2 and 10 classes, likewise.",
            "Glorot-uniform initial weights, likewise.",
            "BN momentum 0.9 and epsilon 1e-5; the listing leaves Keras's 0.99 and 1e-3.",
        ),
    ),
    fixed={
        "convolutions": BOOK,
        "units": (4096, 4096),
        "pool_padding": "valid",
        "stddev": None,
        "dense_bias": 0.0,
        "default_shape": (227, 227, 3),
    },
    norm="batch",
    groups=1,
    dense_activation="tanh",
    classes=10,
)

AlexNetD2L = building.variant(
    alexnet,
    "AlexNetD2L",
    "AlexNet of D2L: 224x224x1, one group, no LRN, 10 classes, 46,764,746 parameters.",
    building.Provenance(
        reference="D2L 7.1 (8.1 in the English edition); after Krizhevsky et al. 2012.",
        ledger=("D2L-M1", "D2L-T1", "D2L-C2", "D2L-K1"),
        counts="D2L 7.1 (per layer; d2l-en chapter layer list)",
        deviations=("One group and no LRN, unlike the paper.", "Glorot-uniform initial weights."),
    ),
    fixed={
        "norm": None,
        "norm_position": "before_pool",
        "groups": 1,
        "convolutions": D2L,
        "units": (4096, 4096),
        "pool_padding": "valid",
        "stddev": None,
        "dense_bias": 0.0,
        "default_shape": (224, 224, 1),
    },
    classes=10,
)

AlexNetSmall = building.variant(
    small_alexnet,
    "AlexNetSmall",
    "AlexNet's shape for images of 28 to 32 pixels, to compare its parts in minutes.",
    building.Provenance(
        reference="kerasref; after Krizhevsky et al. 2012.",
        ledger=("A1.1-7", "A1.1-8", "A1.1-9", "A1.1-11", "A1.1-14"),
        counts="hand arithmetic",
        deviations=(
            "First convolution 5x5/2; a quarter of the filters (24-64-96-96-64); 256 hidden units.",
            "Poolings pad, so that both kinds give maps of the same size.",
            "Glorot-uniform initial weights.",
        ),
    ),
    classes=10,
)
