"""Where AlexNet's parameters, memory and work lie (D2L 7.1)."""

from __future__ import annotations

import math

import keras

from kerasref import data, models
from kerasref.analysis import counts
from kerasref.models import AlexNet, AlexNetD2L, LeNet5D2L

FLOAT32 = 4  # bytes


def work_split(builder: str = "AlexNetD2L") -> dict[str, float]:
    """Parameters and multiply-accumulates of convolutions and dense layers.

    Ledger D2L-A8, D2L-B1a, D2L-F3.

    Args:
        builder: a name of `kerasref.models`.

    Returns:
        `<kind>_layers`, `<kind>_params`, `<kind>_macs`, `<kind>_megabytes` (weights in float32,
        1e6 bytes) and `<kind>_activations` for kinds `conv` and `dense`; `conv_mac_share`,
        `dense_param_share`; `product_share`, of multiply-accumulates in all operations where
        each output takes one for its bias and one for its activation, and each pooling one for
        each number of its window.
    """
    model = getattr(models, builder)()
    kinds = {"conv": "Conv2D", "dense": "Dense"}
    table, total = counts.layer_table(model), counts.count(model)
    found: dict[str, float] = {}
    for kind, name in kinds.items():
        rows = [row for row in table if row.kind.endswith(name)]
        found |= {
            f"{kind}_layers": len(rows),
            f"{kind}_params": sum(row.params for row in rows),
            f"{kind}_macs": sum(row.macs for row in rows),
            f"{kind}_activations": sum(row.activations for row in rows),
        }
        found[f"{kind}_megabytes"] = found[f"{kind}_params"] * FLOAT32 / 1e6
    pooled = sum(
        math.prod(layer.output.shape[1:]) * math.prod(layer.pool_size)
        for layer in model.layers
        if isinstance(layer, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D)
    )
    return found | {
        "conv_mac_share": found["conv_macs"] / total.macs,
        "dense_param_share": found["dense_params"] / total.params,
        "product_share": total.macs / (total.macs + 2 * total.activations + pooled),
    }


def dense_memory() -> dict[str, float]:
    """Memory of the kernels of the two layers of 4,096 units, in 1e6 bytes of float32.

    Ledger D2L-X1, D2L-T2.

    Returns:
        `paper` (9,216 inputs), `d2l` (6,400 inputs), and `paper_in_training` (the paper's with a
        gradient and a momentum for each weight).
    """
    megabytes = {
        name: sum(_kernel_size(model.get_layer(layer)) for layer in ("fc6", "fc7")) * FLOAT32 / 1e6
        for name, model in (("paper", AlexNet()), ("d2l", AlexNetD2L()))
    }
    return {**megabytes, "paper_in_training": 3 * megabytes["paper"]}


def sizes() -> dict[str, float]:
    """AlexNet's image and channels as multiples of MNIST's image and LeNet's channels.

    Ledger D2L-X3, D2L-X17, D2L-T2.

    Returns:
        `side_ratio`; `first_channel_ratio` and `last_channel_ratio` of the convolutions.
    """
    alexnet, lenet = AlexNetD2L(), LeNet5D2L()
    large, small = (
        [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
        for model in (alexnet, lenet)
    )
    return {
        "side_ratio": alexnet.input_shape[1] / data.SOURCES["mnist"].shape[0],
        "first_channel_ratio": large[0] / small[0],
        "last_channel_ratio": large[-1] / small[-1],
    }


def _kernel_size(layer: keras.layers.Dense) -> int:
    inputs, outputs = layer.kernel.shape
    return inputs * outputs
