"""Spaces of networks: their numbers, rules and error distributions (D2L 8.8, English edition)."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

from kerasref import models
from kerasref.analysis import counts
from kerasref.analysis.weightless import weightless
from kerasref.search.design_space import Space, empirical_cdf, ks_distance, linear_stages


def free_numbers() -> dict[str, float]:
    """Numbers to choose in each AnyNet space of four stages, counted on what two nets differ in.

    A number is free if it can be changed while all others stay: of the drawn arguments, each that
    is not always equal to its predecessor. Ledger D2L-C23, D2L-A55.

    Returns:
        `a` to `e`: of the space; `combinations`: with two options for each in A; `removed_by_b`,
        `removed_by_c`: shared by the ratio, and by the group width after it; `removed`: both.
    """
    found = {letter.lower(): _free(letter) for letter in "ABCDE"}
    return {
        **found,
        "combinations": 2 ** found["a"],
        "removed_by_b": found["a"] - found["b"],
        "removed_by_c": found["b"] - found["c"],
        "removed": found["a"] - found["c"],
    }


def rules(space: str, nets: int = 200) -> dict[str, float]:
    """Which design rules all nets drawn from an AnyNet space obey.

    Args:
        space: `"A"` to `"E"`.
        nets: to draw, of three stages for 14x14x1 images.

    Ledger D2L-M12a to D2L-M12e, D2L-E11, D2L-X7.

    Returns:
        `shared_ratio`, `shared_group_width`, `widths_grow`, `depths_grow`: 1 if all nets do;
        `in_budget`: share of nets whose built model has the multiply-accumulates asked for, of two.
    """
    budget = (80_000, 160_000)
    drawn = [_small(space, budget).sample(seed, (14, 14, 1), 10) for seed in range(nets)]
    macs = [_macs(net) for net in drawn[:2]]
    arguments = [net.arguments for net in drawn]
    return {
        "shared_ratio": float(all(len(set(a["bottleneck_ratios"])) == 1 for a in arguments)),
        "shared_group_width": float(all(len(set(a["group_widths"])) == 1 for a in arguments)),
        "widths_grow": float(all(_grows(a["widths"]) for a in arguments)),
        "depths_grow": float(all(_grows(a["depths"]) for a in arguments)),
        "in_budget": np.mean([budget[0] <= value <= budget[1] for value in macs]),
    }


def error_distribution(nets: int = 10_000) -> dict[str, float]:
    """Empirical error distributions against the true one of a space where it is known.

    The error of a net is the square of a uniform number, so that F(e) = sqrt(e). The Dvoretzky-
    Kiefer-Wolfowitz inequality bounds the distance for 99 % of all samples. Ledger D2L-E9,
    D2L-E10, D2L-A58, D2L-C25.

    Returns:
        `hand_error`: deviation from a sample's distribution written out by hand; `monotone`,
        `from_0_to_1` (1 if so); `distance` and `distance_100`: largest from F, for `nets` nets and
        for 100; `bound`: on the former; `two_spaces`: distance between two samples of which one
        has half the errors of the other, and `two_spaces_true`, that of their spaces.
    """
    hand = empirical_cdf([0.3, 0.1, 0.2, 0.2], [0.05, 0.1, 0.2, 0.25, 0.3, 0.9])
    rng = np.random.default_rng(0)
    errors = rng.uniform(size=nets) ** 2
    grid = np.linspace(-0.1, 1.1, 2401)
    shares = empirical_cdf(errors, grid)
    return {
        "hand_error": np.abs(hand - [0, 0.25, 0.75, 0.75, 1, 1]).max(),
        "monotone": float(np.all(np.diff(shares) >= 0)),
        "from_0_to_1": float(shares[0] == 0 and shares[-1] == 1),
        "distance": _distance(errors),
        "distance_100": _distance(errors[:100]),
        "bound": math.sqrt(math.log(2 / 0.01) / (2 * nets)),
        "two_spaces": ks_distance(errors, rng.uniform(size=nets) ** 2 / 2),
        "two_spaces_true": 1 - math.sqrt(0.5),
    }


def linear_widths() -> dict[str, float]:
    """Three published RegNetX from their lines: width = w0 + wa * j for block j, put on a grid.

    Depth, w0, wa, multiplier and group width are those of Radosavovic et al. 2020, appendix.
    Ledger D2L-E11.

    Returns:
        `params_200mf`, `params_400mf`, `params_800mf`: trainable parameters of the nets built;
        `correlation`: smallest of a net's, between the width and the index of its blocks.
    """
    lines = {
        "200mf": (13, 24, 36.44, 2.49, 8),
        "400mf": (22, 24, 24.48, 2.54, 16),
        "800mf": (16, 56, 35.73, 2.28, 16),
    }
    found, correlations = {}, []
    for name, (depth, width, slope, multiplier, group) in lines.items():
        depths, widths = linear_stages(depth, width, slope, multiplier, group)
        build = functools.partial(models.AnyNet, depths=depths, widths=widths, group_widths=group)
        found[f"params_{name}"] = counts.count(weightless(build)).trainable
        blocks = np.repeat(widths, depths)
        correlations.append(np.corrcoef(blocks, np.arange(depth))[0, 1])
    return {**found, "correlation": min(correlations)}


def regnet_parts() -> dict[str, float]:
    """RegNetX-32 on 96x96x1, part by part. Ledger D2L-T10, D2L-K52, D2L-A57, D2L-F14.

    Returns:
        `stem`, `stage1`, `stage2`, `head`: trainable parameters; `<part>_height` and
        `<part>_channels` of all but the head; `layers`: convolutions of the longest path and the
        classifier; `halvings`: parts whose maps have half the height of those before them;
        `widenings`: stages with more channels than what they start from.
    """
    model = weightless(models.RegNetX32)
    table = counts.layer_table(model)
    found: dict[str, float] = {}
    heights = [model.input.shape[1]]
    for part, end in {"stem": "act", "stage1": "block4_out", "stage2": "block6_out"}.items():
        maps = model.get_layer(f"{part}_{end}").output.shape
        heights.append(maps[1])
        found |= {f"{part}_height": maps[1], f"{part}_channels": maps[-1]}
    for part, prefix in {
        "stem": "stem",
        "stage1": "stage1",
        "stage2": "stage2",
        "head": "fc",
    }.items():
        found[part] = sum(row.trainable for row in table if row.name.startswith(prefix))
    path = [row.name for row in table if row.macs and "_0_conv" not in row.name]
    halvings = sum(2 * after == before for before, after in itertools.pairwise(heights))
    channels = [found[f"{part}_channels"] for part in ("stem", "stage1", "stage2")]
    widenings = sum(after > before for before, after in itertools.pairwise(channels))
    return {**found, "layers": len(path), "halvings": halvings, "widenings": widenings}


def _free(letter: str) -> int:
    """Free numbers of a space, from 50 nets of four stages."""
    space = Space(f"AnyNet_{letter}", max_depth=8, max_width=256, budget=(0, 10**15))
    drawn = [space.sample(seed, (32, 32, 3), 10).arguments for seed in range(50)]
    free = 1  # the stem's channels, which experiments hold fixed
    for name in ("depths", "widths", "bottleneck_ratios", "group_widths"):
        columns = list(zip(*(a[name] for a in drawn), strict=True))
        free += 1 + sum(before != after for before, after in itertools.pairwise(columns))
    return free


def _small(letter: str, budget: tuple[int, int]) -> Space:
    return Space(
        f"AnyNet_{letter}",
        stages=3,
        max_depth=3,
        max_width=64,
        group_widths=(4, 8, 16),
        stem_channels=16,
        budget=budget,
    )


def _macs(net) -> int:
    build = functools.partial(models.AnyNet, input_shape=(14, 14, 1), classes=10, **net.arguments)
    return counts.count(weightless(build)).macs


def _grows(values) -> bool:
    return all(before <= after for before, after in itertools.pairwise(values))


def _distance(errors) -> float:
    """Largest distance of an empirical distribution from sqrt, which lies at one of its jumps."""
    places = np.sort(errors)
    after = empirical_cdf(errors, places)
    before = after - 1 / len(places)
    true = np.sqrt(places)
    return max(np.abs(after - true).max(), np.abs(before - true).max())
