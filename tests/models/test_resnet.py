"""ResNet's own arguments: orders, shortcuts, and equality with the formulas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.models import (
    ResNet18,
    ResNet50,
    ResNet50V2,
    ResNetCIFAR,
    ResNetV1MNIST,
    ResNetV2MNIST,
    ResNeXt50,
)
from kerasref.models.resnet_units import Style, unit


def names(model):
    return [layer.name for layer in model.layers]


def structure(builder, **arguments):
    with tf.Graph().as_default():
        return builder(**arguments)


def one_unit(filters=4, strides=1, shape=(6, 6, 4), **style):
    keras.utils.set_random_seed(0)
    image = keras.Input(shape)
    x = unit(image, "unit", Style(**style), filters=filters, strides=strides)
    return keras.Model(image, x)


def maps(shape=(6, 6, 4)):
    return np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")


def residual_path(model):
    """The layers of a unit in order, through its residual."""
    found, layer = [], model.layers[-1]
    while not isinstance(layer, keras.layers.InputLayer):
        found.append(layer)
        inputs = layer.input[1] if isinstance(layer.input, list) else layer.input
        layer = inputs._keras_history.operation
    return found[::-1]


# dlnotes figure 1.39: W a convolution, B normalisation, R activation, + the addition
WIRING = {
    "original": "WBRWB+R",
    "bn_after_addition": "WBRW+BR",
    "relu_before_addition": "WBRWBR+",
    "relu_only_preactivation": "RWBRWB+",
    "preactivation": "BRWBRW+",
}


@pytest.mark.parametrize(("order", "expected"), WIRING.items())
def test_orders_are_those_of_the_figure(order, expected):
    model = one_unit(order=order)
    letters = {
        keras.layers.Conv2D: "W",
        keras.layers.BatchNormalization: "B",
        keras.layers.Activation: "R",
        keras.layers.Add: "+",
    }
    assert "".join(letters[type(layer)] for layer in residual_path(model)) == expected


def test_the_identity_shortcut_starts_at_the_raw_input():
    for order in WIRING:
        model = one_unit(order=order)
        assert model.get_layer("unit_add").input[0] is model.input


def by_formula(model, x, combine):
    """The unit's sum from its parts: shortcut input, residual and gate."""
    inside = [layer.name for layer in model.layers]
    wanted = {"residual": "unit_2_bn"}
    wanted |= {"gate": "unit_gate"} if "unit_gate" in inside else {}
    wanted |= {"projected": "unit_0_bn"} if "unit_0_bn" in inside else {}
    parts = keras.Model(model.input, {k: model.get_layer(n).output for k, n in wanted.items()})(x)
    return np.maximum(combine(x, **{k: np.asarray(v) for k, v in parts.items()}), 0)


@pytest.mark.parametrize(
    ("style", "combine"),
    [
        ({}, lambda x, residual: x + residual),
        (
            {"shortcut": "scaling", "scales": (0.5, 0.25)},
            lambda x, residual: 0.5 * x + 0.25 * residual,
        ),
        (
            {"shortcut": "exclusive_gating", "gate_bias": 0.3},
            lambda x, residual, gate: (1 - gate) * x + gate * residual,
        ),
        (
            {"shortcut": "shortcut_gating", "gate_bias": 0.3},
            lambda x, residual, gate: (1 - gate) * x + residual,
        ),
        ({"shortcut": "conv"}, lambda x, residual, projected: projected + residual),
        ({"shortcut": "dropout"}, lambda x, residual: x + residual),
        ({"shortcut": None}, lambda x, residual: residual),
    ],
)
def test_shortcuts_compute_what_the_table_says(style, combine):
    model = one_unit(**style)
    x = maps()
    np.testing.assert_allclose(model(x), by_formula(model, x, combine), rtol=1e-5, atol=1e-6)


def test_dropout_drops_the_shortcut_and_nothing_else():
    model = one_unit(shortcut="dropout", shortcut_dropout=0.5)
    dropout = model.get_layer("unit_0_dropout")
    assert dropout.rate == 0.5
    assert dropout.input is model.input


@pytest.mark.parametrize("bias", [0.0, -6.0])
def test_gates_start_at_their_bias(bias):
    model = one_unit(shortcut="exclusive_gating", gate_bias=bias)
    _, biases = model.get_layer("unit_gate").get_weights()
    assert (biases == bias).all()


def test_zero_padded_transition_has_no_parameters_and_sub_samples():
    model = one_unit(filters=6, strides=2, transition="zero_pad")
    x = maps()
    shortcut = keras.Model(model.input, model.get_layer("unit_0_pad").output)(x)
    np.testing.assert_array_equal(shortcut[..., :4], x[:, ::2, ::2])
    np.testing.assert_array_equal(shortcut[..., 4:], 0)
    assert not model.get_layer("unit_0_pad").weights


@pytest.mark.parametrize("shortcut", ["identity", "dropout"])
def test_residuals_of_zero_pass_their_input(shortcut):
    model = one_unit(order="preactivation", shortcut=shortcut)
    kernel = model.get_layer("unit_2_conv").kernel
    kernel.assign(np.zeros(kernel.shape))
    np.testing.assert_array_equal(model(maps()), maps())


def test_squeeze_excitation_scales_the_residual_before_the_addition():
    image = keras.Input((6, 6, 4))
    model = keras.Model(image, unit(image, "unit", Style(), filters=4, se={"ratio": 2}))
    shortcut, residual = model.get_layer("unit_add").input
    assert shortcut is image
    assert residual._keras_history.operation.name == "unit_se"


def test_squeeze_excitation_goes_to_the_stages_that_ask_for_it():
    model = structure(ResNet18, se=[{"ratio": 4}, None, {"ratio": 8}, None])
    gates = [name for name in names(model) if name.endswith("_se")]
    assert gates == [f"conv{stage}_block{block}_se" for stage in (2, 4) for block in (1, 2)]
    assert model.get_layer("conv4_block1_se").ratio == 8
    everywhere = structure(ResNet18, se={"ratio": 16})
    assert sum(name.endswith("_se") for name in names(everywhere)) == 8
    with pytest.raises(ValueError, match="`se` has 3 entries for 4 stages"):
        structure(ResNet18, se=[None] * 3)


def test_stages_halve_the_maps_and_double_the_filters():
    model = structure(ResNet18)
    shapes = [
        model.get_layer(f"conv{stage}_block2_out_act").output.shape[1:] for stage in (2, 3, 4, 5)
    ]
    assert shapes == [(56, 56, 64), (28, 28, 128), (14, 14, 256), (7, 7, 512)]
    projections = [name for name in names(model) if name.endswith("_0_conv")]
    assert projections == [f"conv{stage}_block1_0_conv" for stage in (3, 4, 5)]


@pytest.mark.parametrize(("stride_on", "strided"), [("1x1", "1"), ("3x3", "2")])
def test_stride_is_on_the_convolution_named(stride_on, strided):
    model = structure(ResNet50, stride_on=stride_on, blocks=(1, 1))
    for number in "123":
        strides = model.get_layer(f"conv3_block1_{number}_conv").strides
        assert strides == ((2, 2) if number == strided else (1, 1))


def test_v2_halves_in_the_last_unit_of_a_stage():
    model = structure(ResNet50V2, blocks=(2, 2, 1))
    strided = [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.strides == (2, 2)
    ]
    assert strided == [
        "conv1_conv",
        "conv2_block2_2_conv",
        "conv3_block2_2_conv",
    ]
    biased = {
        layer.name.rsplit("_", 2)[-2]
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.use_bias
    }
    assert biased == {"conv1", "3", "0"}


def test_resnext_groups_the_3x3_convolutions():
    model = structure(ResNeXt50, blocks=(1,))
    kernel = model.get_layer("conv2_block1_2_conv").kernel
    assert tuple(kernel.shape) == (3, 3, 4, 128)


@pytest.mark.parametrize(
    ("depth", "bottleneck", "units"), [(8, False, 1), (20, False, 3), (29, True, 3)]
)
def test_depth_is_the_number_of_layers(depth, bottleneck, units):
    model = structure(ResNetCIFAR, depth=depth, bottleneck=bottleneck)
    weighted = [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]
    assert sum(not name.endswith("_0_conv") for name in weighted) == depth
    assert f"conv4_block{units}_add" in names(model)
    assert f"conv4_block{units + 1}_add" not in names(model)


@pytest.mark.parametrize("shortcut", [None, "identity"])
def test_plain_and_residual_networks_differ_by_the_additions_alone(shortcut):
    model = structure(ResNetCIFAR, depth=14, shortcut=shortcut)
    assert sum(name.endswith("_add") for name in names(model)) == (0 if shortcut is None else 6)
    assert model.count_params() == structure(ResNetCIFAR, depth=14).count_params()


def test_preactivation_starts_both_paths_of_the_first_unit_behind_it():
    model = structure(ResNetCIFAR, depth=8, order="preactivation")
    assert names(model)[1:4] == ["conv1_conv", "conv2_block1_preact_bn", "conv2_block1_preact_act"]
    start = model.get_layer("conv2_block1_add").input[0]._keras_history.operation.name
    assert start == "conv2_block1_preact_act"
    assert names(model)[-5:] == ["post_bn", "post_act", "avg_pool", "fc", "predictions"]


def test_the_books_networks_are_its_listings():
    first, second = structure(ResNetV1MNIST), structure(ResNetV2MNIST)
    assert names(first)[1:3] == ["conv1_conv", "conv1_act"]
    assert names(first)[-4:] == ["conv2_block2_out_act", "flatten", "fc", "predictions"]
    assert names(second)[-5:] == ["conv2_block2_add", "post_bn", "flatten", "fc", "predictions"]
    raw = second.get_layer("conv2_block2_0_conv").input._keras_history.operation.name
    assert raw == "conv2_block1_add"
    for model in (first, second):
        assert model.get_layer("conv2_block2_add").output.shape[1:] == (28, 28, 32)


@pytest.mark.parametrize(
    ("builder", "arguments", "message"),
    [
        (ResNetCIFAR, {"depth": 21}, r"`depth` must be 6n\+2 layers, not 21"),
        (ResNetCIFAR, {"depth": 2}, r"`depth` must be 6n\+2"),
        (ResNetCIFAR, {"depth": 20, "bottleneck": True, "shortcut": "cnv"}, "did you mean 'conv'"),
        (ResNetCIFAR, {"depth": 22, "bottleneck": True}, r"9n\+2"),
        (ResNetCIFAR, {"order": "preactivaton"}, "did you mean 'preactivation'"),
        (ResNetCIFAR, {"transition": "zeropad"}, "did you mean 'zero_pad'"),
        (ResNetCIFAR, {"shortcut": "scaling", "scales": (0, 1)}, "`scales` must be two numbers"),
        (ResNet50, {"stride_on": "5x5"}, "`stride_on` cannot be '5x5'"),
        (ResNet18, {"blocks": (2, 0)}, "positive integer"),
        (ResNet18, {"norm": "bacth"}, "did you mean 'batch'"),
        (ResNet18, {"weights": "imagenet"}, "none are published"),
    ],
)
def test_wrong_arguments_are_named(builder, arguments, message):
    with pytest.raises(ValueError, match=message):
        builder(**arguments)
