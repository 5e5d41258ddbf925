"""LeNet-5.

LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998.

| layer  | 1998, 32x32                | parameters | book's Keras form, 28x28 | parameters |
|--------|----------------------------|------------|--------------------------|------------|
| c1     | 6 at 5x5                   | 156        | 6 at 5x5                 | 156        |
| s2     | trainable sub-sampling 2x2 | 12         | max pooling 2x2          | 0          |
| c3     | 16 at 5x5, 60 connections  | 1,516      | 16 at 5x5, dense         | 2,416      |
| s4     | trainable sub-sampling 2x2 | 32         | max pooling 2x2          | 0          |
| c5     | 120                        | 48,120     | 120                      | 30,840     |
| f6     | 84                         | 10,164     | 84                       | 10,164     |
| output | 10                         | 850        | 10                       | 850        |
| total  |                            | 60,850     |                          | 44,426     |
"""

from __future__ import annotations

import keras

from kerasref.layers import LENET5_C3, SparseConv2D, TrainableSubsampling
from kerasref.layers.arguments import check_choice
from kerasref.models import building

_SUBSAMPLING = {
    "max": lambda name: keras.layers.MaxPooling2D(2, name=name),
    "average": lambda name: keras.layers.AveragePooling2D(2, name=name),
    "trainable": lambda name: TrainableSubsampling(2, name=name),
}


def lenet(
    common,
    *,
    activation="tanh",
    subsampling="max",
    dropout=0.0,
    filters=(6, 16),
    width=1.0,
    padding="valid",
    kernel=5,
    default_shape,
    connections,
):
    """Generic LeNet-5.

    Args:
        activation: of the convolutions and hidden dense layers.
        subsampling: `"max"`, `"average"` or `"trainable"` (one coefficient and bias per map).
        dropout: rate after each hidden dense layer; 0 leaves the layers out.
        filters: numbers of maps of C1 and C3.
        width: multiplies the numbers of maps and hidden units (120, 84).
        padding: of C1, `"valid"` or `"same"`.
        kernel: 5, or 3 for two 3x3 convolutions of the same width in place of each 5x5 one, which
            give maps of the same size.
        default_shape: of the input.
        connections: table of C3's connections, or None for all.

    Raises:
        ValueError: an argument out of its range, or an input under 16x16.
    """
    check_choice("subsampling", subsampling, _SUBSAMPLING)
    check_choice("kernel", kernel, [3, 5])
    windows = [(5, 1, padding), (2, 2, "valid"), (5, 1, "valid"), (2, 2, "valid")]
    minimum = building.minimum_size(windows)
    start = common.start(default=default_shape, minimum=minimum)
    maps1, maps3, units5, units6 = (max(1, round(size * width)) for size in (*filters, 120, 84))
    x = _convolve(start, maps1, kernel, padding, activation, "c1")
    x = _SUBSAMPLING[subsampling]("s2")(x)
    if connections:
        x = SparseConv2D(connections, 5, activation=activation, name="c3")(x)
    else:
        x = _convolve(x, maps3, kernel, "valid", activation, "c3")
    x = _SUBSAMPLING[subsampling]("s4")(x)
    if not common.include_top:
        return common.features(start, x)

    x = keras.layers.Flatten(name="flatten")(x)
    for layer, units in (("c5", units5), ("f6", units6)):
        x = keras.layers.Dense(units, activation=activation, name=layer)(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout_{layer}")(x)
    return common.model(start, common.classifier(x, "output"))


def _convolve(x, maps, kernel, padding, activation, name):
    arguments = {"padding": padding, "activation": activation}
    if kernel == 5:
        return keras.layers.Conv2D(maps, 5, name=name, **arguments)(x)
    for number in (1, 2):
        x = keras.layers.Conv2D(maps, 3, name=f"{name}_{number}", **arguments)(x)
    return x


LeNet5 = building.variant(
    lenet,
    "LeNet5",
    "LeNet-5 of 1998: 32x32x1, trainable sub-sampling, sparse C3, 60,850 parameters.",
    building.Provenance(
        reference="LeCun et al. 1998, section II.B; dlnotes 1.1.",
        ledger=("M1.1-1", "X1.1-1"),
        counts="dlnotes 1.1 (per layer); LeCun et al. 1998 (60,000 without the output layer)",
        deviations=(
            "Softmax output of 850 parameters, as in the book; the paper has fixed RBF units.",
            "Plain tanh; the paper has 1.7159 tanh(2x/3), and applies it after sub-sampling too.",
            "C5 is a dense layer; the paper's 5x5 convolution is the same at 32x32.",
        ),
    ),
    fixed={
        "subsampling": "trainable",
        "connections": LENET5_C3,
        "filters": (6, 16),
        "width": 1.0,
        "padding": "valid",
        "kernel": 5,
        "default_shape": (32, 32, 1),
    },
    classes=10,
)

LeNet5Keras = building.variant(
    lenet,
    "LeNet5Keras",
    "LeNet-5 as the book's Keras listing has it: 28x28x1, max pooling, 44,426 parameters.",
    building.Provenance(
        reference="dlnotes 1.1, listing 1; after LeCun et al. 1998.",
        ledger=("M1.1-2", "M1.1-3", "M1.1-4", "M1.2-8"),
        counts="dlnotes 1.1 (companion notebook's summary)",
        deviations=(
            "28x28 input, parameter-free pooling, dense C3 and softmax, unlike the 1998 paper.",
        ),
    ),
    fixed={"connections": None, "padding": "valid", "default_shape": (28, 28, 1)},
    classes=10,
)

LeNet5D2L = building.variant(
    lenet,
    "LeNet5D2L",
    "LeNet-5 of D2L: 28x28x1 padded by 2, sigmoid, average pooling, 61,706 parameters.",
    building.Provenance(
        reference="D2L 6.6 (7.6 in the English edition), named in 7.1; after LeCun et al. 1998.",
        ledger=("D2L-M0",),
        counts="D2L 6.6 (d2l-en chapter layer list)",
        deviations=("Parameter-free pooling, dense C3 and softmax, unlike the 1998 paper.",),
    ),
    fixed={"connections": None, "padding": "same", "default_shape": (28, 28, 1)},
    activation="sigmoid",
    subsampling="average",
    classes=10,
)
