"""AnyNet's wiring and arguments."""

import keras
import numpy as np
import pytest

from kerasref.layers import GroupedConv2D, SqueezeExcitation
from kerasref.models import AnyNet, RegNetX32, RegNetY32

SMALL = {"depths": (1, 2), "widths": (16, 32), "input_shape": (16, 16, 1), "classes": 10}


def built(**arguments):
    return AnyNet(**{**SMALL, "stem_channels": 8, **arguments})


def test_each_stage_halves_the_maps_in_its_first_block():
    model = built()
    shapes = [layer.output.shape[1:] for layer in model.layers if layer.name.endswith("_out")]
    assert shapes == [(4, 4, 16), (2, 2, 32), (2, 2, 32)]
    assert model.get_layer("stem_conv").output.shape[1:] == (8, 8, 8)
    shortcuts = [layer.name for layer in model.layers if layer.name.endswith("_0_conv")]
    assert shortcuts == ["stage1_block1_0_conv", "stage2_block1_0_conv"]


def test_ratio_and_group_width_of_each_stage():
    model = built(bottleneck_ratios=(1, 4), group_widths=(8, 4))
    sizes = [
        (model.get_layer(f"stage{stage}_block1_2_conv").filters, groups(model, stage))
        for stage in (1, 2)
    ]
    assert sizes == [(16, 2), (8, 2)]


def groups(model, stage):
    layer = model.get_layer(f"stage{stage}_block1_2_conv")
    assert isinstance(layer, GroupedConv2D)
    return layer.groups


def test_a_block_adds_its_input_to_its_branch():
    model = built(depths=(2,), widths=(16,))
    before = model.get_layer("stage1_block1_out").output
    branch = model.get_layer("stage1_block2_3_bn").output
    both = keras.Model(model.input, [before, branch, model.get_layer("stage1_block2_out").output])
    x, y, out = both(np.random.default_rng(0).normal(size=(2, 16, 16, 1)))
    np.testing.assert_allclose(out, np.maximum(x + y, 0), rtol=1e-5, atol=1e-6)


def test_resnet_blocks_are_two_ordinary_convolutions():
    model = built(block="resnet")
    kernels = [
        layer.kernel.shape
        for layer in model.layers
        if layer.name.startswith("stage2_block2") and layer.name.endswith("conv")
    ]
    assert kernels == [(3, 3, 32, 32)] * 2


@pytest.mark.parametrize("block", ["resnext", "resnet"])
def test_squeeze_and_excitation_is_in_every_block(block):
    gates = [x for x in built(block=block, se_ratio=4).layers if isinstance(x, SqueezeExcitation)]
    assert [gate.name for gate in gates] == [
        "stage1_block1_se",
        "stage2_block1_se",
        "stage2_block2_se",
    ]
    assert all(gate.ratio == 4 for gate in gates)


def test_gates_stand_before_the_last_convolution():
    names = [layer.name for layer in built(se_ratio=4).layers]
    start = names.index("stage2_block2_2_conv")
    assert [name.removeprefix("stage2_block2_") for name in names[start : start + 5]] == [
        "2_conv",
        "2_bn",
        "2_act",
        "se",
        "3_conv",
    ]


def test_regnet_of_d2l_has_32_layers_and_y_is_x_with_gates():
    def plain(model):
        return [layer.name for layer in model.layers if not layer.name.endswith("_se")]

    shape = {"input_shape": (16, 16, 1)}
    x, y = RegNetX32(**shape), RegNetY32(**shape)
    weighted = [
        name for name in plain(x) if name == "fc" or (name.endswith("conv") and "_0_" not in name)
    ]
    assert len(weighted) == 32
    assert plain(x) == plain(y)
    assert len(y.layers) - len(x.layers) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depths": ()}, "`depths` must name"),
        ({"depths": (1, 0)}, "`depths` must be a positive"),
        ({"widths": (16,)}, r"`widths` must have 2 numbers"),
        ({"widths": (16, 20)}, r"`widths`: 20 is not a multiple of bottleneck ratio 1 x group wid"),
        ({"bottleneck_ratios": 3}, r"`widths`: 16 is not a multiple of bottleneck ratio 3"),
        ({"group_widths": (8, 8, 8)}, r"`group_widths` must have 2 numbers"),
        ({"group_widths": 0}, "`group_widths` must be a positive"),
        ({"block": "resnet50"}, "`block` cannot be 'resnet50'; did you mean 'resnet'"),
        ({"se_ratio": 2.5}, "`ratio` must be a positive integer"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        built(**arguments)
