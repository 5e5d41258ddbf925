"""CondenseNet: dense connectivity with learned group convolution.

Huang, Liu, van der Maaten, Weinberger: CondenseNet: an efficient DenseNet using learned group
convolutions, 2018; the authors' code. Parameters are trainable ones of the test form, operations
as the authors count them: multiply-accumulates, one for each output of a ReLU, each input of a
pooling and each bias.

| network            | layers per block | growth             | C = G | parameters | operations  |
|--------------------|------------------|--------------------|-------|------------|-------------|
| 50 (CIFAR)         | 8, 8, 8          | 8, 16, 32          | 4     | 216,506    | 28,641,834  |
| 74 (CIFAR)         | 12, 12, 12       | 8, 16, 32          | 4     | 405,466    | 51,897,066  |
| 86 (CIFAR)         | 14, 14, 14       | 8, 16, 32          | 4     | 520,202    | 65,816,394  |
| 98 (CIFAR)         | 16, 16, 16       | 8, 16, 32          | 4     | 648,442    | 81,263,530  |
| 110 (CIFAR)        | 18, 18, 18       | 8, 16, 32          | 4     | 790,186    | 98,238,474  |
| 122 (CIFAR)        | 20, 20, 20       | 8, 16, 32          | 4     | 945,434    | 116,741,226 |
| 182 (CIFAR)        | 30, 30, 30       | 12, 24, 48         | 4     | 4,221,946  | 512,671,594 |
| 74 (ImageNet)      | 4, 6, 8, 10, 8   | 8, 16, 32, 64, 128 | 4     | 4,773,944  | 529,328,264 |
| 74 (ImageNet)      | 4, 6, 8, 10, 8   | 8, 16, 32, 64, 128 | 8     | 2,935,416  | 274,233,480 |
"""

from __future__ import annotations

import math

import keras

from kerasref.layers import ChannelShuffle, IndexedGroupConv2D, LearnedGroupConv2D
from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, norm_act
from kerasref.models.densenet import transition
from kerasref.regularizers import GroupLasso

POINTWISE = ("learned", "grouped", "shuffled", "dense")
FORMS = ("train", "test")


def condensenet(
    common,
    *,
    blocks=(14, 14, 14),
    growth_rate=8,
    increasing=True,
    fully_dense=True,
    pointwise="learned",
    groups=4,
    condensation=4,
    spatial_groups=4,
    bottleneck=4,
    group_lasso=0.0,
    classifier_condensation=None,
    form="train",
    stem_strides=1,
    default_shape=(32, 32, 3),
):
    """Generic CondenseNet.

    A layer is batch normalisation, ReLU, 1x1 convolution to `bottleneck` times its growth,
    batch normalisation, ReLU and 3x3 convolution in groups. Between the two the channels of the
    1x1 convolution's groups are interleaved, so that each group of the 3x3 convolution sees all.

    Args:
        blocks: number of layers of each dense block; 2x2 average pooling stands between two.
        growth_rate: k0, the channels that each layer of the first block adds.
        increasing: whether the growth rate doubles from block to block, 2^(i - 1) k0 in block i,
            or is k0 in all.
        fully_dense: whether the layers of a block see those of all earlier blocks, pooled to their
            size, or only what DenseNet's transition (normalisation, ReLU, 1x1 convolution to half
            of the channels, down to a multiple of `groups` and `condensation`) makes of them.
        pointwise: the 1x1 convolutions: `"learned"` group convolution; `"grouped"`, standard
            group convolution, with no interleaving behind it; `"shuffled"`, the same with the
            interleaving, as in ShuffleNet; or `"dense"`, ordinary convolution. With `condensation`
            equal to `groups` the first three cost the same in the end.
        groups: G, of the 1x1 convolutions.
        condensation: C: 1/C of the weights of the learned group convolutions remain.
        spatial_groups: of the 3x3 convolutions.
        bottleneck: outputs of the 1x1 convolutions in multiples of the growth rate.
        group_lasso: strength of the group lasso on the learned group convolutions.
        classifier_condensation: C of a classifier that gives up features as well, as one group;
            None for an ordinary dense layer.
        form: `"train"`, learned group convolutions with masks, which
            `kerasref.callbacks.Condense` condenses; or `"test"`, what `condensed` makes of them:
            indices and standard group convolutions.
        stem_strides: of the first convolution.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, channels that the groups or the condensation
            factor do not divide, or an input too small for the poolings.
    """
    check_choice("pointwise", pointwise, POINTWISE)
    check_choice("form", form, FORMS)
    if not blocks:
        raise ValueError("`blocks` must name at least one dense block")
    for argument, numbers in (("blocks", blocks), ("growth_rate", [growth_rate])):
        for number in numbers:
            check_positive_integer(argument, number)
    for argument, number in (
        ("groups", groups),
        ("condensation", condensation),
        ("spatial_groups", spatial_groups),
        ("bottleneck", bottleneck),
    ):
        check_positive_integer(argument, number)
    learned = LearnedGroupConv2D if form == "train" else IndexedGroupConv2D

    def reduce(x, filters, name):
        if pointwise == "learned":
            sizes = {"groups": groups, "condensation": condensation}
            if form == "train" and group_lasso:
                sizes["kernel_regularizer"] = GroupLasso(group_lasso, groups)
            x = learned(filters, **sizes, name=f"{name}_conv")(x)
        else:
            x = conv(x, filters, 1, f"{name}_conv", groups=1 if pointwise == "dense" else groups)
        if pointwise in ("learned", "shuffled") and groups > 1:
            x = ChannelShuffle(groups, name=f"{name}_shuffle")(x)
        return x

    windows = [(3, stem_strides, "same"), *[(2, 2, "valid")] * (len(blocks) - 1)]
    start = common.start(default=default_shape, minimum=building.minimum_size(windows))
    x = conv(start, 2 * growth_rate, 3, "conv1_conv", strides=stem_strides)
    for stage, layers in enumerate(blocks, 2):
        if stage > 2 and fully_dense:
            x = keras.layers.AveragePooling2D(2, name=f"pool{stage - 1}_pool")(x)
        elif stage > 2:
            step = math.lcm(groups, condensation)
            kept = max(step, x.shape[-1] // 2 // step * step)
            x = transition(x, kept, f"pool{stage - 1}")
        growth = growth_rate << (stage - 2) if increasing else growth_rate
        for number in range(1, layers + 1):
            name = f"conv{stage}_block{number}"
            y = reduce(norm_act(x, f"{name}_0"), bottleneck * growth, f"{name}_1")
            y = norm_act(y, f"{name}_1")
            y = conv(y, growth, 3, f"{name}_2_conv", groups=spatial_groups)
            x = keras.layers.Concatenate(name=f"{name}_concat")([x, y])
    x = norm_act(x, "final")
    if classifier_condensation is None or not common.include_top:
        return common.pooled(start, x)

    check_positive_integer("classes", common.classes)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
    x = learned(
        common.classes,
        groups=1,
        condensation=classifier_condensation,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        name="fc",
    )(x)
    return common.model(start, common.predictions(keras.layers.Flatten(name="scores")(x)))


def condensed(model: keras.Model) -> keras.Model:
    """The test form of a trained network: indices and standard group convolutions, equal outputs.

    Args:
        model: functional model, each `LearnedGroupConv2D` of which has condensed C - 1 times, as
            `kerasref.callbacks.Condense` sees to.

    Returns:
        A new model with an `IndexedGroupConv2D` of the same name in place of each; the other
        layers and their weights are copied.

    Raises:
        ValueError: a layer that has not condensed C - 1 times; the message names it.

    Source: Huang et al. 2018, section 3.1; dlnotes 2.6, ledger A2.6-4.
    """

    def replace(layer):
        if not isinstance(layer, LearnedGroupConv2D):
            return type(layer).from_config(layer.get_config())
        layer.indices()
        config = layer.get_config()
        del config["kernel_regularizer"]
        return IndexedGroupConv2D.from_config(config)

    clone = keras.models.clone_model(model, clone_function=replace)
    for layer in model.layers:
        copy = clone.get_layer(layer.name)
        if not isinstance(layer, LearnedGroupConv2D):
            copy.set_weights(layer.get_weights())
            continue
        indices, kernel = layer.indices(), keras.ops.convert_to_numpy(layer.kernel)
        size = layer.filters // layer.groups
        kept = [
            kernel[:, :, chosen, group * size : (group + 1) * size]
            for group, chosen in enumerate(indices)
        ]
        copy.kernel.assign(keras.ops.concatenate(kept, axis=-1))
        copy.indices.assign(indices)
        if layer.use_bias:
            copy.bias.assign(layer.bias)
    return clone


_REFERENCE = "Huang et al. 2018 and the authors' code; dlnotes 2.6."
_DEVIATIONS = (
    "He-normal weights by the inputs of a kernel; the authors' by its outputs.",
    "The index stands behind normalisation and ReLU, in the authors' code before them.",
    "The group lasso stays on in the optimisation stage, in the authors' code it ends with C - 1.",
)


def _cifar(depth, parameters, growth_rate=8):
    return building.variant(
        condensenet,
        f"CondenseNet{depth}CIFAR",
        f"CondenseNet-{depth} for 32x32x3: {parameters} trainable parameters in the test form.",
        building.Provenance(
            reference=_REFERENCE,
            ledger=("M2.6a", "M2.6b", "M2.6c", "M2.6d", "M2.6e"),
            counts="the authors' README (rounded); hand arithmetic",
            deviations=_DEVIATIONS,
        ),
        fixed={"stem_strides": 1, "default_shape": (32, 32, 3)},
        blocks=((depth - 2) // 6,) * 3,
        growth_rate=growth_rate,
        classes=10,
    )


CondenseNet86CIFAR = _cifar(86, "520,202")
CondenseNet182CIFAR = _cifar(182, "4,221,946", growth_rate=12)

CondenseNet74 = building.variant(
    condensenet,
    "CondenseNet74",
    "CondenseNet-74 for 224x224x3: 4,773,944 trainable parameters in the test form.",
    building.Provenance(
        reference=_REFERENCE,
        ledger=("M2.6a", "M2.6b", "M2.6c", "M2.6d", "M2.6e"),
        counts="imgclsmob (both forms of C = G); the authors' README (rounded); hand arithmetic",
        deviations=_DEVIATIONS,
    ),
    fixed={"stem_strides": 2, "default_shape": (224, 224, 3)},
    blocks=(4, 6, 8, 10, 8),
    classifier_condensation=2,
)

CondenseNetSmall = building.variant(
    condensenet,
    "CondenseNetSmall",
    "CondenseNet for images of 14 to 32 pixels: three blocks of three layers.",
    building.Provenance(
        reference="kerasref; after Huang et al. 2018.",
        ledger=("M2.6a", "M2.6c", "M2.6d", "A2.6-1", "A2.6-5", "A2.6-6"),
        counts="hand arithmetic",
        deviations=("Blocks of three layers.", *_DEVIATIONS),
    ),
    fixed={"stem_strides": 1, "default_shape": (28, 28, 1)},
    blocks=(3, 3, 3),
    classes=10,
)
