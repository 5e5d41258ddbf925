"""Inception modules as data, and the one interpreter that builds them.

A module is a `Split`: branches that all see the same maps and whose outputs are concatenated. A
branch is a sequence of steps, a step a `Conv`, a `Pool`, a `Residual` or another `Split`.

Szegedy et al.: Going deeper with convolutions, 2015 (naive, v1); Rethinking the Inception
architecture for computer vision, 2016 (v2, v3); Inception-v4, Inception-ResNet and the impact of
residual connections on learning, 2017. dlnotes 1.3.

| kind    | branches besides 1x1 and 3x3 max pool -> 1x1               | width 4, c input channels |
|---------|------------------------------------------------------------|---------------------------|
| naive   | 3x3; 5x5; pool without 1x1                                 | 140c + 12                 |
| v1      | 1x1 -> 3x3; 1x1 -> 5x5                                     | 16c + 568                 |
| v2      | 1x1 -> 3x3; 1x1 -> 3x3 -> 3x3                              | 16c + 460                 |
| v3      | 1x1 -> 3x1 -> 1x3; 1x1 -> 5x1 -> 1x5 (the book's listing)  | 16c + 288                 |
| uniform | 1x1 -> 3x3 in all four; nobody's, to compare with v1       | 16c + 608                 |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras

from kerasref.layers import SqueezeExcitation
from kerasref.layers.arguments import check_positive_integer
from kerasref.models import blocks


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution, normalised and activated; `kernel` is a side or (height, width)."""

    filters: int
    kernel: int | tuple[int, int] = 1
    strides: int = 1
    padding: str = "same"


@dataclasses.dataclass(frozen=True)
class Pool:
    """`kind` is `"max"` or `"average"`."""

    kind: str
    size: int = 3
    strides: int = 1
    padding: str = "same"


@dataclasses.dataclass(frozen=True)
class Split:
    """Branches side by side, each a tuple of steps; their outputs are concatenated."""

    branches: tuple[tuple[Any, ...], ...]


@dataclasses.dataclass(frozen=True)
class Residual:
    """`activation(x + scale * linear_1x1(module(x)))`; the 1x1 convolution has a bias, no norm.

    `shortcut=False` leaves `x` out of the sum.
    """

    module: Split
    scale: float = 1.0
    activation: str | None = "relu"
    shortcut: bool = True


def split(*branches: Any) -> Split:
    """A `Split`; a branch of one step may stand without its tuple."""
    return Split(tuple(b if isinstance(b, tuple) else (b,) for b in branches))


MAX = Pool("max")
AVERAGE = Pool("average")
DOWN = Pool("max", 3, 2, "valid")
PATHS = ("1x1", "3x3", "5x5", "pool")

# Branches of a module in the order of PATHS. Arguments: filters of 1x1; of the reduction before
# 3x3, and of 3x3; the same for 5x5; of the projection after the pooling.
KINDS: dict[str, Callable[..., Split]] = {
    "naive": lambda c1, r3, c3, r5, c5, pool: split(Conv(c1), Conv(c3, 3), Conv(c5, 5), MAX),
    "v1": lambda c1, r3, c3, r5, c5, pool: split(
        Conv(c1), (Conv(r3), Conv(c3, 3)), (Conv(r5), Conv(c5, 5)), (MAX, Conv(pool))
    ),
    "v2": lambda c1, r3, c3, r5, c5, pool: split(
        Conv(c1), (Conv(r3), Conv(c3, 3)), (Conv(r5), Conv(c5, 3), Conv(c5, 3)), (MAX, Conv(pool))
    ),
    "v3": lambda c1, r3, c3, r5, c5, pool: split(
        Conv(c1),
        (Conv(r3), Conv(c3, (3, 1)), Conv(c3, (1, 3))),
        (Conv(r5), Conv(c5, (5, 1)), Conv(c5, (1, 5))),
        (MAX, Conv(pool)),
    ),
    "uniform": lambda c1, r3, c3, r5, c5, pool: split(
        (Conv(c1), Conv(c1, 3)),
        (Conv(r3), Conv(c3, 3)),
        (Conv(r5), Conv(c5, 3)),
        (Conv(pool), Conv(pool, 3)),
    ),
}


@dataclasses.dataclass(frozen=True)
class Style:
    """What all convolutions of a network share.

    `norm`: `"batch"`, or None for a bias and no normalisation. `se`: arguments of a
    `SqueezeExcitation` on each module's output, or on a residual module's before the addition;
    None for no such layer.
    """

    norm: str | None = "batch"
    activation: Any = "relu"
    kernel_initializer: Any = "he_normal"
    se: Mapping[str, Any] | None = None


def network(x: Any, plan: Iterable[tuple[str, Any]], style: Style) -> dict[str, Any]:
    """The output of each named step of `plan`, one step after the other, starting from `x`."""
    outputs = {}
    for name, step in plan:
        x = outputs[name] = apply(x, step, name, style)
    return outputs


def apply(x: Any, step: Any, name: str, style: Style, nested: bool = False) -> Any:
    """The output of a step; its last layer is called `name`, or `name_act`, `name_se`.

    Step i of branch b of a module is `<name>_b<b>_<i>`.

    Args:
        x: maps `(batch, height, width, channels)`.
        step: one of the classes above, or a tuple of them for a sequence `<name>_1`, `<name>_2`.
        name: of the layer or the first part of its layers' names.
        style: of all convolutions.
        nested: whether it is part of a module or a stem, and gets no squeeze-and-excitation.
    """
    if isinstance(step, tuple):
        for number, part in enumerate(step, 1):
            x = apply(x, part, f"{name}_{number}", style, nested=True)
        return x
    if isinstance(step, Conv):
        return _convolve(x, step, name, style)
    if isinstance(step, Pool):
        return _pool(x, step, name)
    if isinstance(step, Residual):
        return _residual(x, step, name, style)
    outputs = [
        apply(x, branch, f"{name}_b{number}", style, nested=True)
        for number, branch in enumerate(step.branches, 1)
    ]
    x = keras.layers.Concatenate(name=name)(outputs) if len(outputs) > 1 else outputs[0]
    return x if nested else _excite(x, name, style)


def _convolve(x, step, name, style):
    shape = {"strides": step.strides, "padding": step.padding}
    common = {**shape, "kernel_initializer": style.kernel_initializer}
    if style.norm is None:
        act = style.activation
        return blocks.conv(
            x, step.filters, step.kernel, name, use_bias=True, activation=act, **common
        )
    x = blocks.conv(x, step.filters, step.kernel, name, **common)
    return blocks.norm_act(x, name, norm=style.norm, activation=style.activation)


def _pool(x, step, name):
    if step.kind == "max" and step.strides > 1:
        return blocks.max_pool(x, step.size, step.strides, name, step.padding)
    kinds = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}
    return kinds[step.kind](step.size, step.strides, step.padding, name=name)(x)


def _residual(x, step, name, style):
    branch = apply(x, step.module, f"{name}_mixed", style, nested=True)
    branch = blocks.conv(
        branch,
        x.shape[-1],
        1,
        f"{name}_conv",
        use_bias=True,
        kernel_initializer=style.kernel_initializer,
    )
    branch = _excite(branch, name, style)
    if step.scale != 1:
        branch = keras.layers.Rescaling(step.scale, name=f"{name}_scale")(branch)
    if step.shortcut:
        branch = keras.layers.Add(name=f"{name}_add")([x, branch])
    return keras.layers.Activation(step.activation, name=name)(branch)


def _excite(x, name, style):
    return x if style.se is None else SqueezeExcitation(**style.se, name=f"{name}_se")(x)


def windows(step: Any) -> Iterator[tuple[int, int, str]]:
    """(size, stride, padding) of each window on the way through `step`, along the first branch.

    For `building.minimum_size`; the branches of a module end in maps of one size.
    """
    if isinstance(step, tuple):
        for part in step:
            yield from windows(part)
    elif isinstance(step, Split):
        yield from windows(step.branches[0])
    elif isinstance(step, Conv):
        yield (max(step.kernel) if isinstance(step.kernel, tuple) else step.kernel), *_way(step)
    elif isinstance(step, Pool):
        yield step.size, *_way(step)


def _way(step):
    return step.strides, step.padding


def convolutions(step: Any, name: str) -> Iterator[str]:
    """Names of the normalised convolutions that `apply` makes, in its order."""
    if isinstance(step, tuple):
        for number, part in enumerate(step, 1):
            yield from convolutions(part, f"{name}_{number}")
    elif isinstance(step, Split):
        for number, branch in enumerate(step.branches, 1):
            yield from convolutions(branch, f"{name}_b{number}")
    elif isinstance(step, Residual):
        yield from convolutions(step.module, f"{name}_mixed")
    elif isinstance(step, Conv):
        yield name


def automatic_names(plan: Iterable[tuple[str, Any]]) -> Callable[[str], str]:
    """For a `Twin` whose convolutions Keras named by itself, in the order of `plan`.

    keras.applications makes the convolutions of a module branch by branch, and the batch
    normalisation right after each. Names that `plan` does not make are left as they are.
    """
    theirs = {}
    for number, name in enumerate(n for key, step in plan for n in convolutions(step, key)):
        suffix = f"_{number}" if number else ""
        theirs[name] = f"conv2d{suffix}"
        theirs[f"{name}_bn"] = f"batch_normalization{suffix}"
    return lambda name: theirs.get(name, name)


def check_counts(argument: str, counts: Any) -> tuple[int, ...]:
    """Return numbers of modules, one to three of them.

    Raises:
        ValueError: another number of numbers, or one that is no positive integer.
    """
    if not isinstance(counts, list | tuple) or not 1 <= len(counts) <= 3:
        raise ValueError(f"`{argument}` must be one to three numbers, not {counts!r}")
    return tuple(check_positive_integer(argument, count) for count in counts)
