"""What VGG is made of and what it costs (dlnotes 1.2, D2L 7.2)."""

from __future__ import annotations

import itertools
import re

import keras

from kerasref import models
from kerasref.analysis import counts
from kerasref.analysis.weightless import weightless
from kerasref.layers import LocalResponseNormalization


def configuration(builder: str) -> dict[str, float]:
    """The layers of a VGG by kind and block.

    Ledger F1.11, D2L-K6, D2L-F4, D2L-B3d.

    Returns:
        per block `block<n>.convolutions`, `.filters` (of each) and `.side` (of its output);
        `blocks`, `convolutions_3x3`, `convolutions_1x1`, `dense_layers`, `weight_layers`,
        `lrn_layers`, `dropout_layers`, `global_poolings`; `entries` = blocks + dense layers, what
        a print of the network by blocks lists.
    """
    layers = weightless(getattr(models, builder)).layers
    found: dict[str, float] = {}
    for layer in layers:
        match = re.fullmatch(r"(block\d)_(conv\d|pool)", layer.name)
        if match and match[2] == "pool":
            found[f"{match[1]}.side"] = layer.output.shape[1]
        elif match:
            found[f"{match[1]}.convolutions"] = found.get(f"{match[1]}.convolutions", 0) + 1
            found[f"{match[1]}.filters"] = layer.filters
    convolutions = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]

    def number(*kinds: type) -> int:
        return sum(isinstance(layer, kinds) for layer in layers)

    blocks, dense = number(keras.layers.MaxPooling2D), number(keras.layers.Dense)
    return {
        **found,
        "blocks": blocks,
        "convolutions_3x3": sum(layer.kernel_size == (3, 3) for layer in convolutions),
        "convolutions_1x1": sum(layer.kernel_size == (1, 1) for layer in convolutions),
        "dense_layers": dense,
        "weight_layers": len(convolutions) + dense,
        "lrn_layers": number(LocalResponseNormalization),
        "dropout_layers": number(keras.layers.Dropout),
        "global_poolings": number(
            keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D
        ),
        "entries": blocks + dense,
    }


def block_costs(builder: str) -> dict[str, float]:
    """Parameters and multiply-accumulates of each block of a VGG.

    Ledger A1.2-8, D2L-T3.

    Returns:
        `block<n>.params`, `block<n>.macs`; `params_growth` and `macs_growth`, the largest ratio of
        a block to the one before it.
    """
    table = counts.layer_table(weightless(getattr(models, builder)))
    params: dict[str, int] = {}
    macs: dict[str, int] = {}
    for row in table:
        block = row.name.partition("_")[0]
        if block.startswith("block"):
            params[block] = params.get(block, 0) + row.params
            macs[block] = macs.get(block, 0) + row.macs
    return {
        **{f"{block}.params": value for block, value in params.items()},
        **{f"{block}.macs": value for block, value in macs.items()},
        "params_growth": _growth(list(params.values())),
        "macs_growth": _growth(list(macs.values())),
    }


def _growth(values: list[int]) -> float:
    return max(after / before for before, after in itertools.pairwise(values))


def compare(first: str, second: str) -> dict[str, float]:
    """Costs of two builders' default forms.

    Ledger M1.2-5 (E0-5), D2L-A9, D2L-B3a.

    Returns:
        `params_ratio` and `macs_ratio` of `first` to `second`; `first_is_cheaper`, 1 where it needs
        fewer multiply-accumulates.
    """
    one, two = (counts.count(weightless(getattr(models, name))) for name in (first, second))
    return {
        "params_ratio": one.params / two.params,
        "macs_ratio": one.macs / two.macs,
        "first_is_cheaper": one.macs < two.macs,
    }
