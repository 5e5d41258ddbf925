"""Small networks for ShuffleNet v2's guidelines: each turns one knob at equal cost.

Ma, Zhang, Zheng, Sun: ShuffleNet V2: practical guidelines for efficient CNN architecture design,
2018, section 2 and tables 1 to 4; dlnotes 2.5.2. There is no stem: the input, 56x56, has the
channels of the first convolution. Convolutions have no bias. These settings cost alike:

| guideline | knob                                      | same cost for                            |
|-----------|-------------------------------------------|------------------------------------------|
| G1        | widths (c1, c2) of a pair of 1x1          | 128, 128; 90, 180; 52, 312; 36, 432      |
| G2        | groups of a 1x1 convolution of c channels | g 1, 2, 4, 8 with c 128, 180, 256, 360   |
| G3        | 1x1 convolutions in series or in parallel | 1, 2, 4 of them with c 128, 90, 64       |
| G4        | ReLU and shortcut of a bottleneck         | all four combinations                    |
"""

from __future__ import annotations

import keras

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, depthwise

# Convolutions of a block and their arrangement; dlnotes figure 2.26 a to e.
FRAGMENTS = {
    "one": (1, "series"),
    "two_series": (2, "series"),
    "four_series": (4, "series"),
    "two_parallel": (2, "parallel"),
    "four_parallel": (4, "parallel"),
}


def width_probe(common, *, widths=(128, 128), blocks=10, side=56):
    """Pairs of 1x1 convolutions: c1 to c2 channels and back.

    Args:
        widths: c1, the channels of the input too, and c2.
        blocks: number of pairs.
        side: height and width of the input where no `input_shape` is given.

    Raises:
        ValueError: an argument out of its range, or an input of other than c1 channels.
    """
    if len(widths) != 2:
        raise ValueError(f"`widths` must be two numbers, c1 and c2, not {widths!r}")
    start = x = _start(common, widths[0], side, blocks, widths[1])
    for block in range(1, blocks + 1):
        for number, filters in enumerate((widths[1], widths[0]), 1):
            x = _pointwise(x, filters, f"block{block}_{number}_conv")
    return common.pooled(start, x)


def group_probe(common, *, groups=1, channels=128, filters=None, blocks=10, side=56):
    """1x1 convolutions in groups, one behind the other.

    Args:
        groups: of every convolution.
        channels: of the input.
        filters: of every convolution; None for as many as `channels`. Where it is another number,
            every second convolution goes back to `channels`.
        blocks: number of convolutions.
        side: height and width of the input where no `input_shape` is given.

    Raises:
        ValueError: an argument out of its range, groups that do not divide the channels, or an
            input of other than `channels` channels.
    """
    filters = channels if filters is None else filters
    start = x = _start(common, channels, side, blocks, filters, groups)
    if channels % groups or filters % groups:
        raise ValueError(f"`groups`: {groups} must divide {channels} and {filters} channels")
    for block in range(1, blocks + 1):
        x = _pointwise(x, filters if block % 2 else channels, f"block{block}_conv", groups=groups)
    return common.pooled(start, x)


def fragment_probe(common, *, fragments="one", channels=None, blocks=10, side=56):
    """1x1 convolutions, one, two or four in a block, behind or beside each other.

    Those beside each other see the same input and are added.

    Args:
        fragments: `"one"`, `"two_series"`, `"four_series"`, `"two_parallel"` or
            `"four_parallel"`.
        channels: of the input and of every convolution; None for 128, 90 or 64, so that blocks of
            one, two or four convolutions cost the same.
        blocks: number of blocks.
        side: height and width of the input where no `input_shape` is given.

    Raises:
        ValueError: an argument out of its range, or an input of other than `channels` channels.
    """
    number, arrangement = FRAGMENTS[check_choice("fragments", fragments, FRAGMENTS)]
    channels = {1: 128, 2: 90, 4: 64}[number] if channels is None else channels
    start = x = _start(common, channels, side, blocks)
    for block in range(1, blocks + 1):
        names = [f"block{block}_{branch}_conv" for branch in range(1, number + 1)]
        if arrangement == "series":
            for name in names:
                x = _pointwise(x, channels, name)
        else:
            parts = [_pointwise(x, channels, name, scale=1 / number) for name in names]
            x = keras.layers.Add(name=f"block{block}_add")(parts)
    return common.pooled(start, x)


def element_wise_probe(
    common, *, relu=True, shortcut=True, separable=False, channels=32, blocks=10, side=56
):
    """Bottlenecks: 1x1 to a quarter of the channels, 3x3, 1x1 back.

    Args:
        relu: whether ReLU follows each convolution, the last behind the addition.
        shortcut: whether the input of a bottleneck is added to its output.
        separable: whether the 3x3 convolution is depthwise.
        channels: inner channels; the input and the output of a bottleneck have four times as many.
        blocks: number of bottlenecks.
        side: height and width of the input where no `input_shape` is given.

    Raises:
        ValueError: an argument out of its range, or an input of other than `4 * channels` channels.
    """
    check_positive_integer("channels", channels)
    start = x = _start(common, 4 * channels, side, blocks)

    scale = 2 if relu else 1

    def activate(x, name):
        return keras.layers.Activation("relu", name=name)(x) if relu else x

    for block in range(1, blocks + 1):
        name = f"block{block}"
        y = activate(_pointwise(x, channels, f"{name}_1_conv", scale=scale), f"{name}_1_act")
        if separable:
            y = depthwise(y, 3, f"{name}_2_conv")
        else:
            y = conv(y, channels, 3, f"{name}_2_conv")
        y = activate(y, f"{name}_2_act")
        y = _pointwise(y, 4 * channels, f"{name}_3_conv", scale=scale)
        if shortcut:
            y = keras.layers.Add(name=f"{name}_add")([x, y])
        x = activate(y, f"{name}_out")
    return common.pooled(start, x)


def _start(common, channels, side, *others):
    """The input, of `channels` channels; all numbers must be positive integers."""
    for number in (channels, side, *others):
        check_positive_integer("channels, groups, blocks and side", number)
    start = common.start(default=(side, side, channels), minimum=1)
    if start.shape[-1] != channels:
        raise ValueError(
            f"`input_shape` must have {channels} channels, those of the first convolution, not "
            f"{start.shape[-1]}"
        )
    return start


def _pointwise(x, filters, name, *, scale=1.0, **options):
    """1x1 convolution whose output has `scale` times the variance of its input."""
    initializer = keras.initializers.VarianceScaling(scale)
    return conv(x, filters, 1, name, kernel_initializer=initializer, **options)


def _probe(generic, name, summary, *ledger):
    return building.variant(
        generic,
        name,
        summary,
        building.Provenance(
            "Ma et al. 2018, section 2; dlnotes 2.5.2.",
            ledger,
            "hand arithmetic",
            (
                "No stem, normalisation or bias: the convolutions of the guideline and a "
                "classifier alone.",
            ),
        ),
        classes=10,
    )


WidthProbe = _probe(
    width_probe,
    "WidthProbe",
    "Guideline G1: pairs of 1x1 convolutions whose widths have a ratio.",
    "A2.5-6",
)
GroupProbe = _probe(
    group_probe, "GroupProbe", "Guideline G2: 1x1 convolutions in groups.", "A2.5-7"
)
FragmentProbe = _probe(
    fragment_probe,
    "FragmentProbe",
    "Guideline G3: the five arrangements of 1x1 convolutions.",
    "M2.5i",
    "A2.5-8",
)
ElementWiseProbe = _probe(
    element_wise_probe,
    "ElementWiseProbe",
    "Guideline G4: bottlenecks with and without ReLU and shortcut.",
    "A2.5-9",
)
