"""ResNeXt for small images: CIFAR's 9n+2 layers with any cardinality.

Xie, Girshick, Dollar, Tu, He: Aggregated residual transformations for deep neural networks, 2017,
section 5.3; dlnotes 2.4. Three stages of n bottlenecks on maps of 32, 16 and 8 pixels, with 256,
512 and 1,024 channels and C paths of width d, 2d and 4d. Trainable parameters at 32x32x3, 10
classes:

| network    | C x d | parameters |
|------------|-------|------------|
| ResNeXt-29 | 8x64  | 34,426,698 |
| ResNeXt-29 | 16x64 | 68,155,210 |
| ResNeXt-20 | 1x64  | 3,446,602  |
| ResNeXt-20 | 16x4  | 1,995,082  |

The networks for ImageNet are in `resnet.py`.
"""

from __future__ import annotations

from kerasref.layers.arguments import check_positive_integer
from kerasref.models import building
from kerasref.models.resnet import resnet


def resnext_cifar(common, *, depth=29, cardinality=8, branch_width=64, width=64, form="C"):
    """Generic ResNeXt for small images.

    Args:
        depth: number of layers with weights beside projections, 9n+2.
        cardinality: C, number of paths of a unit; 1 makes it a ResNet.
        branch_width: d, channels of a path in the first stage; each further stage has twice those
            of the one before.
        width: filters of the first convolution; a unit of the first stage has four times as many.
        form: `"A"`: paths of 1x1, 3x3 and 1x1 convolutions, summed; `"B"`: paths of 1x1 and 3x3,
            concatenated before one 1x1; `"C"`: a grouped 3x3 convolution between two of 1x1. All
            compute the same.

    Raises:
        ValueError: an argument out of its range.
    """
    units, rest = divmod(check_positive_integer("depth", depth) - 2, 9)
    if rest or units < 1:
        raise ValueError(f"`depth` must be 9n+2 layers, not {depth!r}")
    for argument, value in (
        ("cardinality", cardinality),
        ("branch_width", branch_width),
        ("width", width),
    ):
        check_positive_integer(argument, value)
    return resnet(
        common,
        blocks=(units,) * 3,
        width=width,
        bottleneck=True,
        groups=cardinality,
        inner=cardinality * branch_width / width,
        form=form,
        stride_on="3x3",
        stem="cifar",
        default_shape=(32, 32, 3),
    )


ResNeXtCIFAR = building.variant(
    resnext_cifar,
    "ResNeXtCIFAR",
    "ResNeXt-29 (8x64d) for 32x32 images, or of another depth, cardinality and width.",
    building.Provenance(
        "Xie et al. 2017, section 5.3; dlnotes 2.4.",
        ("M2.4b", "M2.4c", "A2.4-1", "A2.4-2", "A2.4-3"),
        "Xie et al. 2017, table 7 (34.4M and 68.1M); imgclsmob",
    ),
    classes=10,
)
