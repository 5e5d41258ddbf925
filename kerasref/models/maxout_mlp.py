"""Multilayer perceptron of Maxout units.

Goodfellow, Warde-Farley, Mirza, Courville, Bengio: Maxout networks, 2013.

| layer  | 28x28x1, 5 pieces    | parameters | ReLU units |
|--------|----------------------|------------|------------|
| fc1    | 240                  | 942,000    | 188,400    |
| fc2    | 240                  | 289,200    | 57,840     |
| output | 10                   | 2,410      | 2,410      |
| total  |                      | 1,233,610  | 248,650    |
"""

from __future__ import annotations

import keras

from kerasref.layers import Maxout
from kerasref.models import building


def maxout_mlp(common, *, units=(240, 240), pieces=5, dropout=0.5):
    """Generic perceptron on images.

    Args:
        units: of the hidden layers.
        pieces: affine maps of each hidden unit; None for ordinary ReLU units.
        dropout: rate after each hidden layer; 0 leaves the layers out.

    Raises:
        ValueError: an argument out of its range.
    """
    start = common.start(default=(28, 28, 1), minimum=1)
    if not common.include_top:
        return common.features(start, keras.layers.Identity(name="pixels")(start))

    x = keras.layers.Flatten(name="flatten")(start)
    for number, size in enumerate(units, 1):
        name = f"fc{number}"
        layer = (
            keras.layers.Dense(size, activation="relu", name=name)
            if pieces is None
            else Maxout(size, pieces, name=name)
        )
        x = layer(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout{number}")(x)
    return common.model(start, common.classifier(x, "output"))


MaxoutMLP = building.variant(
    maxout_mlp,
    "MaxoutMLP",
    "Two hidden layers of 240 Maxout units with 5 pieces, for MNIST: 1,233,610 parameters.",
    building.Provenance(
        reference="Goodfellow et al. 2013, section 5.1 (permutation-invariant MNIST); dlnotes 1.3.",
        ledger=("M1.3-1", "A1.3-2"),
        counts="hand arithmetic",
        deviations=(
            "240 units with 5 pieces: the paper states two hidden layers and no sizes.",
            "No dropout of pixels and no limit on the norms of weights.",
            "Glorot-uniform initial weights.",
            "It has no feature maps: without the top it returns the images.",
        ),
    ),
    classes=10,
)
