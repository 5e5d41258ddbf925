"""DenseNet.

Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional networks, 2017, tables 1
and 2. C means theta 0.5, B a bottleneck of four times the growth rate.

| network       | growth | layers per block | B   | theta | stem          | trainable parameters |
|---------------|--------|------------------|-----|-------|---------------|----------------------|
| DenseNet-121  | 32     | 6, 12, 24, 16    | yes | 0.5   | 64 at 7x7/2   | 7,978,856            |
| DenseNet-169  | 32     | 6, 12, 32, 32    | yes | 0.5   | 64 at 7x7/2   | 14,149,480           |
| DenseNet-201  | 32     | 6, 12, 48, 32    | yes | 0.5   | 64 at 7x7/2   | 20,013,928           |
| DenseNet-264  | 32     | 6, 12, 64, 48    | yes | 0.5   | 64 at 7x7/2   | 33,337,704           |
| 40 (CIFAR)    | 12     | 12, 12, 12       | no  | 1     | 16 at 3x3     | 1,019,722            |
| BC-100 (CIFAR)| 12     | 16, 16, 16       | yes | 0.5   | 24 at 3x3     | 769,162              |
| D2L           | 32     | 4, 4, 4, 4       | no  | 0.5   | 64 at 7x7/2   | 758,226              |
| MNIST, book   | 3      | 5, 5             | yes | 0.5   | 8 at 3x3      | 134,654              |
"""

from __future__ import annotations

import math

import keras

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, max_pool, norm_act

_POOLS = {"average": keras.layers.AveragePooling2D, "max": keras.layers.MaxPooling2D}


def dense_block(x, layers, growth_rate, name, *, bottleneck=None, **options):
    """Layers that each see the concatenation of the block's input and all earlier outputs.

    A layer is normalisation, ReLU and a 3x3 convolution, before which a bottleneck puts
    normalisation, ReLU and a 1x1 convolution.

    Args:
        x: maps `(batch, height, width, channels)`.
        layers: their number.
        growth_rate: channels of each layer's output.
        name: prefix of the layers' names, `<name>_block1_0_bn` and so on.
        bottleneck: channels after the 1x1 convolution in multiples of the growth rate, or None.
        options: of the convolutions.

    Returns:
        Maps `(batch, height, width, channels + layers * growth_rate)`.
    """
    for number in range(1, layers + 1):
        layer = f"{name}_block{number}"
        y = norm_act(x, f"{layer}_0")
        if bottleneck:
            y = conv(y, bottleneck * growth_rate, 1, f"{layer}_1_conv", **options)
            y = conv(norm_act(y, f"{layer}_1"), growth_rate, 3, f"{layer}_2_conv", **options)
        else:
            y = conv(y, growth_rate, 3, f"{layer}_1_conv", **options)
        x = keras.layers.Concatenate(name=f"{layer}_concat")([x, y])
    return x


def transition(x, filters, name, *, pool="average", **options):
    """Normalisation, ReLU, 1x1 convolution to `filters` channels and 2x2 pooling.

    Args:
        x: maps `(batch, height, width, channels)`.
        filters: channels of the output.
        name: prefix of the layers' names, `<name>_bn` and so on.
        pool: `"average"` or `"max"`.
        options: of the convolution.

    Returns:
        Maps `(batch, height // 2, width // 2, filters)`.
    """
    x = conv(norm_act(x, name), filters, 1, f"{name}_conv", **options)
    return _POOLS[pool](2, name=f"{name}_pool")(x)


def densenet(
    common,
    *,
    growth_rate=32,
    blocks=(6, 12, 24, 16),
    theta=0.5,
    bottleneck=4,
    stem="large",
    stem_channels=None,
    transition_pool="average",
    use_bias=False,
    kernel_initializer="he_normal",
    default_shape=(224, 224, 3),
):
    """Generic DenseNet.

    Args:
        growth_rate: k, the channels that each layer adds.
        blocks: number of layers of each dense block; a transition stands between two blocks.
        theta: share of its channels that a transition keeps, above 0 and at most 1; rounded down.
        bottleneck: 1x1 convolution before each 3x3 one, to this multiple of the growth rate; None
            for none.
        stem: `"large"` (7x7 with stride 2, normalisation, max pooling) or `"small"` (3x3 alone).
        stem_channels: channels of the stem; None for twice the growth rate.
        transition_pool: `"average"` or `"max"`, 2x2 in the transitions.
        use_bias: whether convolutions have a bias.
        kernel_initializer: of the convolutions.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, or an input too small for the poolings.
    """
    check_choice("stem", stem, ["large", "small"])
    check_choice("transition_pool", transition_pool, _POOLS)
    _check(growth_rate, blocks, theta, bottleneck)
    options = {"use_bias": use_bias, "kernel_initializer": kernel_initializer}
    channels = stem_channels or 2 * growth_rate
    windows = [(2, 2, "valid")] * (len(blocks) - 1)
    if stem == "large":
        windows = [(7, 2, "same"), (3, 2, "same"), *windows]
    start = common.start(default=default_shape, minimum=building.minimum_size(windows))
    if stem == "large":
        x = norm_act(conv(start, channels, 7, "conv1_conv", strides=2, **options), "conv1")
        x = max_pool(x, 3, 2, "pool1")
    else:
        x = conv(start, channels, 3, "conv1_conv", **options)
    for stage, layers in enumerate(blocks, 2):
        if stage > 2:
            kept = _kept(theta, x)
            x = transition(x, kept, f"pool{stage - 1}", pool=transition_pool, **options)
        x = dense_block(x, layers, growth_rate, f"conv{stage}", bottleneck=bottleneck, **options)
    x = norm_act(x, "final")
    return common.pooled(start, x)


def densenet_cifar(common, *, depth=40, growth_rate=12, theta=1.0, bottleneck=None):
    """DenseNet for images of 32 pixels: three dense blocks of equal length.

    Args:
        depth: L, number of convolutions of the longest path and the classifier: 4 more than a
            multiple of 3, or of 6 with a bottleneck.
        growth_rate: k, the channels that each layer adds.
        theta: share of its channels that a transition keeps, above 0 and at most 1; rounded down.
        bottleneck: 1x1 convolution before each 3x3 one, to this multiple of the growth rate; None
            for none.

    Raises:
        ValueError: an argument out of its range, or an input under 4x4.
    """
    step = 6 if bottleneck else 3
    layers, rest = divmod(check_positive_integer("depth", depth) - 4, step)
    if rest or layers < 1:
        raise ValueError(f"`depth` must be 4 more than a multiple of {step}, not {depth!r}")
    return densenet(
        common,
        growth_rate=growth_rate,
        blocks=(layers,) * 3,
        theta=theta,
        bottleneck=bottleneck,
        stem="small",
        stem_channels=2 * growth_rate if bottleneck and theta < 1 else 16,
        default_shape=(32, 32, 3),
    )


def densenet_mnist(common, *, growth_rate=3, blocks=(5, 5), theta=0.5, bottleneck=4):
    """The book's listing for MNIST: transitions of 1x1 convolution, ReLU and pooling.

    Args:
        growth_rate: k, the channels that each layer adds.
        blocks: number of layers of each dense block; a pooling follows each, a 1x1 convolution
            with ReLU stands before those between two blocks.
        theta: share of its channels that a transition keeps, above 0 and at most 1; rounded down.
        bottleneck: 1x1 convolution before each 3x3 one, to this multiple of the growth rate; None
            for none.

    Raises:
        ValueError: an argument out of its range, or an input too small for the poolings.
    """
    _check(growth_rate, blocks, theta, bottleneck)
    options = {"use_bias": True, "kernel_initializer": "glorot_uniform"}
    minimum = building.minimum_size([(2, 2, "valid")] * len(blocks))
    start = common.start(default=(28, 28, 1), minimum=minimum)
    x = conv(start, 8, 3, "conv1_conv", activation="relu", **options)
    for stage, layers in enumerate(blocks, 2):
        x = dense_block(x, layers, growth_rate, f"conv{stage}", bottleneck=bottleneck, **options)
        if stage <= len(blocks):
            x = conv(x, _kept(theta, x), 1, f"pool{stage}_conv", activation="relu", **options)
        x = keras.layers.AveragePooling2D(2, name=f"pool{stage}_pool")(x)
    if not common.include_top:
        return common.features(start, x)

    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(100, activation="relu", name="fc1")(x)
    return common.model(start, common.classifier(x, "fc2", "he_normal"))


def dense_mlp(common, *, units=(32, 32, 32, 32), connected=True):
    """Perceptron whose layers each see the image and the outputs of all earlier layers.

    Args:
        units: of the hidden layers.
        connected: whether to connect each layer to all earlier ones; otherwise to the last alone.

    Raises:
        ValueError: a number of units that is not positive.
    """
    start = common.start(default=(28, 28, 1), minimum=1)
    if not common.include_top:
        return common.features(start, keras.layers.Identity(name="pixels")(start))

    x = keras.layers.Flatten(name="flatten")(start)
    for number, size in enumerate(units, 1):
        check_positive_integer("units", size)
        y = keras.layers.Dense(
            size, activation="relu", kernel_initializer="he_normal", name=f"fc{number}"
        )(x)
        x = keras.layers.Concatenate(name=f"fc{number}_concat")([x, y]) if connected else y
    return common.model(start, common.classifier(x, "output"))


def _check(growth_rate, blocks, theta, bottleneck):
    check_positive_integer("growth_rate", growth_rate)
    if not blocks:
        raise ValueError("`blocks` must name at least one dense block")
    for layers in blocks:
        check_positive_integer("blocks", layers)
    if not 0 < theta <= 1:
        raise ValueError(f"`theta` must be above 0 and at most 1, not {theta!r}")
    if bottleneck is not None:
        check_positive_integer("bottleneck", bottleneck)


def _kept(theta, x):
    return max(1, math.floor(theta * x.shape[-1]))


def _keras_layer(name):
    return "bn" if name == "final_bn" else name


def _paper(name, blocks, params, twin=None):
    return building.variant(
        densenet,
        name,
        f"DenseNet-{name[8:]} of the paper: 224x224x3, {params} trainable parameters.",
        building.Provenance(
            reference="Huang et al. 2017, table 1; dlnotes 1.6.",
            ledger=("M1.6-1", "M1.6-2", "M1.6-3", "D2L-B8d"),
            counts="imgclsmob and torchvision; lucid for DenseNet-264",
        ),
        fixed={
            "use_bias": False,
            "kernel_initializer": "he_normal",
            "default_shape": (224, 224, 3),
        },
        twin=twin and building.Twin(twin, layers=_keras_layer),
        blocks=blocks,
    )


DenseNet = building.variant(
    densenet,
    "DenseNet",
    "DenseNet of any growth rate, depth and compression; by default DenseNet-121.",
    building.Provenance(
        reference="Huang et al. 2017, section 3; dlnotes 1.6.",
        ledger=("M1.6-1", "M1.6-2", "M1.6-3", "A1.6-8"),
        counts="imgclsmob and torchvision (DenseNet-121)",
    ),
    fixed={"default_shape": (224, 224, 3)},
)

DenseNet121 = _paper("DenseNet121", (6, 12, 24, 16), "7,978,856", "DenseNet121")
DenseNet169 = _paper("DenseNet169", (6, 12, 32, 32), "14,149,480", "DenseNet169")
DenseNet201 = _paper("DenseNet201", (6, 12, 48, 32), "20,013,928", "DenseNet201")
DenseNet264 = _paper("DenseNet264", (6, 12, 64, 48), "33,337,704")

DenseNetCIFAR = building.variant(
    densenet_cifar,
    "DenseNetCIFAR",
    "DenseNet-40 of the paper for 32x32x3 (k = 12); with B, C or both, of any depth and growth.",
    building.Provenance(
        reference="Huang et al. 2017, section 3 and table 2; dlnotes 1.6.",
        ledger=("M1.6-1", "M1.6-2", "M1.6-3", "A1.6-5", "A1.6-6"),
        counts="Huang et al. 2017, table 2 (1.0M); imgclsmob (769,162 for BC-100)",
        deviations=("No Dropout, as in the paper's runs with augmentation.",),
    ),
    classes=10,
)

DenseNetMNIST = building.variant(
    densenet_mnist,
    "DenseNetMNIST",
    "DenseNet-BC as the book's Keras listing has it: 28x28x1, 135,204 parameters.",
    building.Provenance(
        reference="dlnotes 1.6, listings 1 to 3; after Huang et al. 2017.",
        ledger=("M1.6-4", "A1.6-3", "A1.6-4"),
        counts="dlnotes 1.6 (companion notebook's summary, and arithmetic for the other forms)",
        deviations=(
            "Transitions have ReLU after the convolution and no BN (E1.6-3), unlike the paper.",
            "Pooling after the last block, then Flatten and a dense layer (E1.6-5), likewise.",
            "BN momentum 0.9 and epsilon 1e-5; the listing leaves Keras's 0.99 and 1e-3.",
            "theta is 1 without compression; the listing leaves it undefined (E1.6-4).",
        ),
    ),
    classes=10,
)

DenseNetD2L = building.variant(
    densenet,
    "DenseNetD2L",
    "DenseNet as D2L has it: 96x96x1, four blocks of four layers, 758,226 trainable parameters.",
    building.Provenance(
        reference="D2L 7.7 (8.7 in the English edition); after Huang et al. 2017.",
        ledger=("D2L-M11", "D2L-T8"),
        counts="d2l.md, table D2L-T8",
        deviations=(
            "Convolutions have biases and Glorot-uniform weights, unlike the paper.",
            "64 channels after the stem, no bottleneck, likewise.",
        ),
    ),
    fixed={
        "stem": "large",
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "default_shape": (96, 96, 1),
    },
    blocks=(4, 4, 4, 4),
    bottleneck=None,
    stem_channels=64,
    classes=10,
)

DenseMLP = building.variant(
    dense_mlp,
    "DenseMLP",
    "Densely connected perceptron for 28x28x1, 115,754 parameters; or a plain one.",
    building.Provenance(
        reference="D2L 7.7, exercise 5; after Huang et al. 2017.",
        ledger=("D2L-B8e", "D2L-B9d"),
        counts="hand arithmetic",
        deviations=("It has no feature maps: without the top it returns the images.",),
    ),
    classes=10,
)
