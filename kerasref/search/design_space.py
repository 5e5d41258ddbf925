"""Spaces of networks to draw from, under a budget of computation, and their error distributions.

Radosavovic, Kosaraju, Girshick, He, Dollar: Designing network design spaces, 2020, section 3; D2L
8.8 (English edition).

| space     | rule that it adds                              | free numbers, 4 stages |
|-----------|------------------------------------------------|------------------------|
| AnyNet_A  | none                                           | 17                     |
| AnyNet_B  | one bottleneck ratio for all stages            | 14                     |
| AnyNet_C  | one group width for all stages                 | 11                     |
| AnyNet_D  | widths never fall from one stage to the next   | 11                     |
| AnyNet_E  | depths never fall                              | 11                     |

The free numbers are the stem's channels and, for each stage, depth, width, bottleneck ratio and
group width. Spaces of perceptrons, without a rule or with growing or shrinking layers, are made in
the same way.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

ANYNETS = tuple(f"AnyNet_{letter}" for letter in "ABCDE")
PERCEPTRONS = ("MLP", "MLP_growing", "MLP_shrinking")
SPACES = ANYNETS + PERCEPTRONS
_DRAWS = 100_000


@dataclasses.dataclass(frozen=True)
class Net:
    """A network drawn from a space.

    Attributes:
        builder: function of `kerasref.models` that builds it.
        arguments: for the builder.
        depth: number of blocks, or of hidden layers.
        width: mean channels of a block, or units of a hidden layer.
        macs: multiply-accumulates per image.
    """

    builder: str
    arguments: dict[str, Any]
    depth: int
    width: float
    macs: int


@dataclasses.dataclass(frozen=True)
class Space:
    """What may be drawn. Of a perceptron only `stages` and the widths count.

    Attributes:
        name: one of `SPACES`.
        stages: number of stages; of a perceptron, the largest number of hidden layers.
        max_depth: blocks of a stage, at most.
        min_width, max_width: channels of a stage or units of a layer. A stage's width is rounded
            up to a multiple of its bottleneck ratio and group width.
        ratios: bottleneck ratios.
        group_widths: channels of a group.
        stem_channels: of the stem.
        budget: fewest and most multiply-accumulates per image.
        se_ratio: reduction ratio of squeeze-and-excitation, or None.
    """

    name: str
    stages: int = 4
    max_depth: int = 16
    min_width: int = 16
    max_width: int = 1024
    ratios: tuple[int, ...] = (1, 2, 4)
    group_widths: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    stem_channels: int = 32
    budget: tuple[int, int] = (360_000_000, 400_000_000)
    se_ratio: int | None = None

    @property
    def rules(self) -> int:
        """How many of AnyNet's four rules hold, in their order: 0 for A to 4 for E."""
        return ANYNETS.index(self.name)

    @property
    def free_numbers(self) -> int:
        """Numbers that must be chosen for an AnyNet of this space."""
        shared = min(self.rules, 2)
        return 1 + 4 * self.stages - shared * (self.stages - 1)

    def sample(self, seed: int, image_shape: tuple[int, int, int], classes: int) -> Net:
        """The net of `seed`: the first of its draws that meets the budget.

        The same seed makes the same draws in every space, which its rules then change, so that
        nets of one seed are alike where they may be.

        Raises:
            ValueError: no space of that name, or no draw of 100,000 within the budget.
        """
        if self.name not in SPACES:
            raise ValueError(f"`name` must be one of {', '.join(SPACES)}, not {self.name!r}")
        rng = np.random.default_rng(seed)
        draw = self._anynet if self.name in ANYNETS else self._perceptron
        least, most = self.budget
        for _ in range(_DRAWS):
            net = draw(rng, image_shape, classes)
            if least <= net.macs <= most:
                return net
        raise ValueError(f"`budget`: no net of {self.name} has {least:,} to {most:,} MACs")

    def _anynet(self, rng, image_shape, classes):
        depths = [math.floor(_log_uniform(rng, 1, self.max_depth + 1)) for _ in range(self.stages)]
        widths = [_log_uniform(rng, self.min_width, self.max_width) for _ in range(self.stages)]
        ratios = [int(ratio) for ratio in rng.choice(self.ratios, self.stages)]
        groups = [int(group) for group in rng.choice(self.group_widths, self.stages)]
        if self.rules >= 1:
            ratios = ratios[:1] * self.stages
        if self.rules >= 2:
            groups = groups[:1] * self.stages
        if self.rules >= 3:
            widths.sort()
        if self.rules >= 4:
            depths.sort()
        units = [ratio * group for ratio, group in zip(ratios, groups, strict=True)]
        widths = [math.ceil(w / unit) * unit for w, unit in zip(widths, units, strict=True)]
        arguments = {
            "stem_channels": self.stem_channels,
            "depths": depths,
            "widths": widths,
            "bottleneck_ratios": ratios,
            "group_widths": groups,
        }
        if self.se_ratio:
            arguments["se_ratio"] = self.se_ratio
        blocks = sum(depths)
        mean = sum(d * w for d, w in zip(depths, widths, strict=True)) / blocks
        macs = anynet_macs(image_shape, classes, **arguments)
        return Net("AnyNet", arguments, blocks, mean, macs)

    def _perceptron(self, rng, image_shape, classes):
        layers = int(rng.integers(1, self.stages + 1))
        units = [round(_log_uniform(rng, self.min_width, self.max_width)) for _ in range(layers)]
        if self.name != "MLP":
            units.sort(reverse=self.name == "MLP_shrinking")
        sizes = [math.prod(image_shape), *units, classes]
        macs = sum(a * b for a, b in itertools.pairwise(sizes))
        arguments = {"units": units, "connected": False}
        return Net("DenseMLP", arguments, layers, sum(units) / layers, macs)


def anynet_macs(
    image_shape: tuple[int, int, int],
    classes: int,
    *,
    stem_channels: int,
    depths: Sequence[int],
    widths: Sequence[int],
    bottleneck_ratios: Sequence[int],
    group_widths: Sequence[int],
    se_ratio: int | None = None,
) -> int:
    """Multiply-accumulates of an AnyNet of ResNeXt blocks, without building it.

    Args:
        image_shape: `(height, width, channels)`.
        classes: of the classifier.
        stem_channels, depths, widths, bottleneck_ratios, group_widths, se_ratio: of `AnyNet`.
    """
    height, width, channels = image_shape
    height, width = _half(height), _half(width)
    total = 9 * channels * stem_channels * height * width
    channels = stem_channels
    stages = zip(depths, widths, bottleneck_ratios, group_widths, strict=True)
    for depth, filters, ratio, group in stages:
        before = height * width
        height, width = _half(height), _half(width)
        area, inner = height * width, filters // ratio
        squeeze = 2 * inner * max(1, inner // se_ratio) if se_ratio else 0
        total += channels * (inner * before + filters * area)
        total += (depth - 1) * filters * inner * area
        total += depth * (area * inner * (9 * group + filters) + squeeze)
        channels = filters
    return total + channels * classes


def linear_stages(
    depth: int, width: float, slope: float, multiplier: float, group_width: int
) -> tuple[list[int], list[int]]:
    """RegNet's stages: block widths near `width + slope * j`, equal within a stage.

    The line is put on the grid `width * multiplier ** s` with whole s, then on multiples of 8, then
    of the group width (bottleneck ratio 1).

    Args:
        depth: number of blocks.
        width, slope: of the line.
        multiplier: ratio of the widths of neighbouring stages, before rounding.
        group_width: channels of a group.

    Returns:
        Depths and widths of the stages.
    """
    steps = np.log1p(slope * np.arange(depth) / width) / math.log(multiplier)
    grid = 8 * np.round(width * multiplier ** np.round(steps) / 8)
    distinct, depths = np.unique(grid, return_counts=True)
    widths = [max(group_width, group_width * round(w / group_width)) for w in distinct]
    return depths.tolist(), widths


def empirical_cdf(errors: Sequence[float], at: Sequence[float]) -> np.ndarray:
    """Share of `errors` that are at most each of `at`."""
    ordered = np.sort(np.asarray(errors, "float64"))
    return np.searchsorted(ordered, np.asarray(at, "float64"), side="right") / len(ordered)


def ks_distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Largest difference between two empirical distribution functions (Kolmogorov, Smirnov)."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(a, b).statistic)


def _half(size: int) -> int:
    return -(-size // 2)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))
