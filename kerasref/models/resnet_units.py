"""Residual units: where activations stand (dlnotes table 1.2), what the shortcut does (1.1), and
the three forms of an aggregated residual (ResNeXt, dlnotes 2.4).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras

from kerasref.layers import PadChannels, SqueezeExcitation
from kerasref.layers.arguments import check_choice
from kerasref.models import blocks


@dataclasses.dataclass(frozen=True)
class Order:
    """What stands where around the convolutions of a unit.

    Each place is a string of `B` (normalisation) and `R` (ReLU): `before` the first convolution,
    `between` two, after the `last`, after the addition (`sum`), after the `stem`'s convolution and
    at the `end` of the network.
    """

    before: str = ""
    between: str = "BR"
    last: str = ""
    sum: str = ""
    stem: str = ""
    end: str = ""


# dlnotes figure 1.39 (a) to (e), after He et al. 2016b, figure 4.
ORDERS = {
    "original": Order(last="B", sum="R", stem="BR"),
    "bn_after_addition": Order(sum="BR", stem="BR"),
    "relu_before_addition": Order(last="BR", stem="BR"),
    "relu_only_preactivation": Order(before="R", last="B", stem="B", end="R"),
    "preactivation": Order(before="BR", end="BR"),
}

# dlnotes figure 1.38 (a) to (f), after He et al. 2016b, figure 2; None leaves the shortcut out.
SHORTCUTS = (
    "identity",
    "scaling",
    "exclusive_gating",
    "shortcut_gating",
    "conv",
    "dropout",
    None,
)


# dlnotes figures 2.20 to 2.22, after Xie et al. 2017, figure 3 (a) to (c).
FORMS = ("A", "B", "C")


@dataclasses.dataclass(frozen=True)
class Style:
    """How all units of a network are made; the builders' arguments of the same names."""

    bottleneck: bool = False
    groups: int = 1
    inner: float = 1
    form: str = "C"
    order: str = "original"
    shortcut: str | None = "identity"
    scales: tuple[float, float] = (0.5, 0.5)
    gate_bias: float = -6.0
    shortcut_dropout: float = 0.5
    transition: str = "projection"
    projection_norm: bool = True
    share_activation: bool = True
    stride_on: str = "1x1"
    norm: str | None = "batch"
    use_bias: bool | str = False
    kernel_initializer: Any = "he_normal"

    def __post_init__(self):
        check_choice("order", self.order, ORDERS)
        check_choice("form", self.form, FORMS)
        check_choice("shortcut", self.shortcut, SHORTCUTS)
        check_choice("transition", self.transition, ["projection", "zero_pad"])
        check_choice("stride_on", self.stride_on, ["1x1", "3x3"])
        check_choice("use_bias", self.use_bias, [False, True, "unnormalised"])
        if len(self.scales) != 2 or not min(self.scales) > 0:
            raise ValueError(f"`scales` must be two numbers above 0, not {self.scales!r}")

    def conv(self, x: Any, filters: int, kernel: int, name: str, after: str = "", **more) -> Any:
        """Convolution `name` with the bias that its place asks for; `after` is what follows it."""
        bias = "B" not in after if self.use_bias == "unnormalised" else self.use_bias
        return blocks.conv(
            x,
            filters,
            kernel,
            name,
            use_bias=bias,
            kernel_initializer=self.kernel_initializer,
            **more,
        )

    def place(self, x: Any, name: str, what: str) -> Any:
        """Normalisation and ReLU as the string `what` of an `Order` says."""
        return blocks.norm_act(
            x,
            name,
            norm=self.norm if "B" in what else None,
            activation="relu" if "R" in what else None,
        )


def unit(
    x: Any,
    name: str,
    style: Style,
    *,
    filters: int,
    strides: int = 1,
    first: bool = False,
    se: Mapping[str, Any] | None = None,
) -> Any:
    """A residual unit, or a plain one without its shortcut.

    Where the activation comes first, both paths of the first unit and of units that change the
    number of channels start behind it (He et al. 2016b, section 4.1).

    Args:
        x: maps `(batch, height, width, channels)`.
        name: prefix of its layers. Convolutions are `<name>_1_conv` and so on, that of the
            shortcut `<name>_0_conv`, those of a path `<name>_path1_1_conv` and so on.
        style: what it has in common with the network's other units.
        filters: of the 3x3 convolutions; with a bottleneck `style.inner` times as many.
        strides: of the unit.
        first: whether it is the network's first.
        se: arguments of `SqueezeExcitation`, applied to the residual branch; None for none.

    Returns:
        Maps `(batch, new_height, new_width, filters)`, with a bottleneck `4 * filters`.
    """
    order = ORDERS[style.order]
    outputs = 4 * filters if style.bottleneck else filters
    activated = style.place(x, f"{name}_preact", order.before)
    residual = _residual if style.form == "C" or style.groups == 1 else _aggregated
    y = residual(activated, name, style, filters, outputs, strides)
    y = style.place(y, f"{name}_{3 if style.bottleneck else 2}", order.last)
    if se is not None:
        y = SqueezeExcitation(name=f"{name}_se", **se)(y)
    if style.shortcut is not None:
        shared = style.share_activation and (first or x.shape[-1] != outputs)
        y = _add(activated if shared else x, y, name, style, strides)
    return style.place(y, f"{name}_out", order.sum)


def _residual(x, name, style, filters, outputs, strides):
    """The convolutions of a residual with what stands between them."""
    between, last = ORDERS[style.order].between, ORDERS[style.order].last
    if not style.bottleneck:
        x = style.conv(x, filters, 3, f"{name}_1_conv", between, strides=strides)
        x = style.place(x, f"{name}_1", between)
        return style.conv(x, outputs, 3, f"{name}_2_conv", last)
    x = _narrow(x, name, style, style.inner * filters, strides, style.groups)
    return style.conv(x, outputs, 1, f"{name}_3_conv", last)


def _aggregated(x, name, style, filters, outputs, strides):
    """The same with each group as a path of its own: their sum, or 1x1 on all of them."""
    last, width = ORDERS[style.order].last, style.inner * filters / style.groups
    names = [f"{name}_path{number}" for number in range(1, style.groups + 1)]
    paths = [_narrow(x, path, style, width, strides) for path in names]
    if style.form == "B":
        x = keras.layers.Concatenate(name=f"{name}_concat")(paths)
        return style.conv(x, outputs, 1, f"{name}_3_conv", last)
    ends = [
        style.conv(y, outputs, 1, f"{path}_3_conv", last)
        for y, path in zip(paths, names, strict=True)
    ]
    return keras.layers.Add(name=f"{name}_paths")(ends)


def _narrow(x, name, style, filters, strides, groups=1):
    """The first two convolutions of a bottleneck with what follows each."""
    between, filters = ORDERS[style.order].between, round(filters)
    for number, window in ((1, 1), (2, 3)):
        x = style.conv(
            x,
            filters,
            window,
            f"{name}_{number}_conv",
            between,
            strides=strides if style.stride_on == f"{window}x{window}" else 1,
            groups=groups if window == 3 else 1,
        )
        x = style.place(x, f"{name}_{number}", between)
    return x


def _add(x, y, name, style, strides):
    """Shortcut from `x`, plus the residual `y`."""
    kind = style.shortcut
    shortcut = _fit(x, y.shape[-1], name, style, strides)
    if kind == "scaling":
        shortcut, y = (
            part if scale == 1 else keras.layers.Rescaling(scale, name=f"{name}{path}_scaled")(part)
            for part, scale, path in zip((shortcut, y), style.scales, ("_0", ""), strict=True)
        )
    elif kind in ("exclusive_gating", "shortcut_gating"):
        gate = keras.layers.Conv2D(
            y.shape[-1],
            1,
            strides=strides,
            activation="sigmoid",
            kernel_initializer=style.kernel_initializer,
            bias_initializer=keras.initializers.Constant(style.gate_bias),
            name=f"{name}_gate",
        )(x)
        rest = keras.layers.Rescaling(-1.0, offset=1.0, name=f"{name}_0_gate")(gate)
        shortcut = keras.layers.Multiply(name=f"{name}_0_gated")([shortcut, rest])
        if kind == "exclusive_gating":
            y = keras.layers.Multiply(name=f"{name}_gated")([y, gate])
    elif kind == "dropout":
        shortcut = keras.layers.Dropout(style.shortcut_dropout, name=f"{name}_0_dropout")(shortcut)
    return keras.layers.Add(name=f"{name}_add")([shortcut, y])


def _fit(x, channels, name, style, strides):
    """`x` with the size and number of channels of the residual."""
    changes = x.shape[-1] != channels
    if style.shortcut == "conv" or (changes and style.transition == "projection"):
        after = "B" if style.projection_norm and "B" in ORDERS[style.order].last else ""
        x = style.conv(x, channels, 1, f"{name}_0_conv", after, strides=strides)
        return style.place(x, f"{name}_0", after)
    if strides > 1:
        x = keras.layers.MaxPooling2D(1, strides, name=f"{name}_0_subsample")(x)
    return PadChannels(channels, name=f"{name}_0_pad")(x) if changes else x
