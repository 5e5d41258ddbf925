"""D2L's LeNet with batch normalisation.

Zhang, Lipton, Li, Smola: Dive into Deep Learning, section 7.5 (8.5 in the English edition). After
each hidden layer comes normalisation, then the sigmoid.

| layer  | 28x28x1             | weights and biases | gamma, beta | moving statistics |
|--------|---------------------|--------------------|-------------|-------------------|
| c1     | 6 at 5x5            | 156                | 12          | 12                |
| s2     | average pooling 2x2 | 0                  |             |                   |
| c3     | 16 at 5x5           | 2,416              | 32          | 32                |
| s4     | average pooling 2x2 | 0                  |             |                   |
| c5     | 120                 | 30,840             | 240         | 240               |
| f6     | 84                  | 10,164             | 168         | 168               |
| output | 10                  | 850                |             |                   |
| total  |                     | 44,426             | 452         | 452               |
"""

from __future__ import annotations

import keras

from kerasref.layers import BatchNormFromScratch, BatchWhitening, normalization
from kerasref.layers.arguments import check_choice
from kerasref.models import building

HIDDEN = ("c1", "c3", "c5", "f6")

_NORMS = {
    "batch": lambda name: normalization("batch", name),
    "scratch": lambda name: BatchNormFromScratch(name=name),
    "mean_only": lambda name: BatchNormFromScratch(divide=False, name=name),
    "variance_only": lambda name: BatchNormFromScratch(center=False, name=name),
    "fixed": lambda name: BatchNormFromScratch(affine=False, name=name),
    "virtual": lambda name: BatchNormFromScratch(virtual_batch=8, name=name),
    "without_statistics": lambda name: BatchNormFromScratch(center=False, divide=False, name=name),
    "whitening": lambda name: BatchWhitening(name=name),
    # One group of all channels and positions is layer normalisation for images of any size.
    "layer": lambda name: keras.layers.GroupNormalization(groups=1, epsilon=1e-5, name=name),
}


def bn_lenet(
    common,
    *,
    norm="batch",
    norm_position="before_activation",
    norm_layers=HIDDEN,
    activation="sigmoid",
    dropout=0.0,
):
    """LeNet with normalised hidden layers.

    Args:
        norm: of the hidden layers; momentum 0.9 and epsilon 1e-5 unless said. `"batch"`
            (`keras.layers.BatchNormalization`) and `"scratch"` (`BatchNormFromScratch`) compute the
            same. `"mean_only"` and `"variance_only"` leave the other statistic out, `"fixed"` has
            no learned scale and shift, `"virtual"` takes statistics over 8 examples at a time,
            `"without_statistics"` learns scale and shift alone (batch normalisation that stays in
            prediction mode), `"whitening"` removes correlations too (epsilon 1e-3), `"layer"` is
            layer normalisation with a scale and shift per channel. None leaves it out.
        norm_position: `"before_activation"` of a hidden layer, or on the `"input"` of it.
        norm_layers: which of the hidden layers `"c1"`, `"c3"`, `"c5"` and `"f6"` have it.
        activation: of the hidden layers.
        dropout: rate after each hidden dense layer; 0 leaves the layers out.

    Raises:
        ValueError: an argument out of its range, or an input under 16x16.
    """
    check_choice("norm", norm, [None, *_NORMS])
    check_choice("norm_position", norm_position, ["before_activation", "input"])
    for layer in norm_layers:
        check_choice("norm_layers", layer, HIDDEN)
    minimum = building.minimum_size([(5, 1, "valid"), (2, 2, "valid")] * 2)
    start = common.start(default=(28, 28, 1), minimum=minimum)

    def hidden(x, layer):
        normalise = _NORMS[norm](f"{layer.name}_bn") if norm and layer.name in norm_layers else None
        if normalise and norm_position == "input":
            x = normalise(x)
        x = layer(x)
        if normalise and norm_position == "before_activation":
            x = normalise(x)
        return keras.layers.Activation(activation, name=f"{layer.name}_act")(x)

    x = hidden(start, keras.layers.Conv2D(6, 5, name="c1"))
    x = keras.layers.AveragePooling2D(2, name="s2")(x)
    x = hidden(x, keras.layers.Conv2D(16, 5, name="c3"))
    x = keras.layers.AveragePooling2D(2, name="s4")(x)
    if not common.include_top:
        return common.features(start, x)

    x = keras.layers.Flatten(name="flatten")(x)
    for name, units in (("c5", 120), ("f6", 84)):
        x = hidden(x, keras.layers.Dense(units, name=name))
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout_{name}")(x)
    return common.model(start, common.classifier(x, "output"))


BNLeNet = building.variant(
    bn_lenet,
    "BNLeNet",
    "D2L's LeNet with batch normalisation before each sigmoid: 44,878 parameters to train.",
    building.Provenance(
        reference="D2L 7.5 (8.5 in the English edition).",
        ledger=("D2L-M6", "D2L-M7"),
        counts="d2l 7.5 (44,426 weights, 452 of scale and shift, 452 statistics)",
        deviations=(
            "BN momentum 0.9 and epsilon 1e-5 with either layer; Keras's own defaults are 0.99 "
            "and 1e-3.",
            "The average pooling, where a tab of the Chinese edition has max pooling.",
        ),
    ),
    classes=10,
)
