"""NIN's and the Maxout perceptron's own arguments."""

import keras
import numpy as np
import pytest

from kerasref.layers import Maxout
from kerasref.models import NIN, MaxoutMLP, NINLeNet, NINLeNetBook, NiNSmall


def convolutions(model):
    return {
        layer.name: (layer.filters, layer.kernel_size[0], layer.strides[0])
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    }


def test_blocks_are_a_convolution_and_two_1x1():
    assert convolutions(NiNSmall()) == {
        "block1_conv": (24, 5, 2),
        "block1_mlp1": (24, 1, 1),
        "block1_mlp2": (24, 1, 1),
        "block2_conv": (64, 5, 1),
        "block2_mlp1": (64, 1, 1),
        "block2_mlp2": (64, 1, 1),
        "block3_conv": (96, 3, 1),
        "block3_mlp1": (96, 1, 1),
        "block3_mlp2": (96, 1, 1),
        "block4_conv": (10, 3, 1),
        "block4_mlp1": (10, 1, 1),
        "block4_mlp2": (10, 1, 1),
    }


@pytest.mark.parametrize(
    ("layers", "first", "last"),
    [
        (0, [192], [10]),
        (1, [192, 160], [192, 10]),
        (2, [192, 160, 96], [192, 192, 10]),
        (3, [192, 160, 96, 96], [192, 192, 192, 10]),
    ],
)
def test_mlp_layers_lengthen_every_block_and_keep_the_class_maps_last(layers, first, last):
    filters = {name: sizes[0] for name, sizes in convolutions(NIN(mlp_layers=layers)).items()}
    assert [v for name, v in filters.items() if name.startswith("block1_")] == first
    assert [v for name, v in filters.items() if name.startswith("block3_")] == last


def test_depths_repeat_blocks_before_a_pooling_without_their_stride():
    sizes = convolutions(NiNSmall(depths=(2, 1, 1)))
    assert sizes["block1_conv"] == (24, 5, 2)
    assert sizes["block2_conv"] == (24, 5, 1)
    assert sizes["block3_conv"] == (64, 5, 1)
    assert sizes["block5_conv"] == (10, 3, 1)


def test_narrowing_by_layer_keeps_the_width_up_to_the_last_layer():
    sizes = convolutions(NiNSmall(narrowing="layer"))
    assert [sizes[f"block4_{name}"][0] for name in ("conv", "mlp1", "mlp2")] == [96, 96, 10]


def test_mlp_kernel_reaches_all_layers_but_the_first_of_a_block():
    sizes = convolutions(NiNSmall(mlp_kernel=3))
    assert {size[1] for name, size in sizes.items() if "mlp" in name} == {3}
    assert sizes["block2_conv"][1] == 5


def test_probabilities_are_the_softmax_of_averaged_class_maps():
    keras.utils.set_random_seed(0)
    model = NiNSmall()
    x = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype("float32")
    maps = keras.Model(model.input, model.get_layer("block4_mlp2").output)(x).numpy()
    assert maps.min() >= 0
    np.testing.assert_allclose(model(x), keras.ops.softmax(maps.mean(axis=(1, 2))), rtol=1e-5)


def test_without_final_activation_logits_may_be_negative():
    keras.utils.set_random_seed(0)
    model = NiNSmall(final_activation=None, classifier_activation=None)
    x = np.random.default_rng(0).normal(size=(8, 28, 28, 1)).astype("float32")
    assert model(x).numpy().min() < 0


def test_fully_connected_head_stands_on_the_class_maps():
    average, dense = NiNSmall(), NiNSmall(head="fc")
    assert convolutions(average) == convolutions(dense)
    assert dense.get_layer("fc").count_params() == 2 * 2 * 10 * 10 + 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mlp_layers": -1}, "`mlp_layers` must be an integer of at least 0"),
        ({"mlp_kernel": 0}, "`mlp_kernel`"),
        ({"depths": (1, 1)}, "`depths` must have 3 numbers"),
        ({"depths": (1, 0, 1)}, "`depths`"),
        ({"head": "gab"}, "did you mean 'gap'"),
        ({"narrowing": "layers"}, "did you mean 'layer'"),
    ],
)
def test_impossible_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        NiNSmall(**arguments)


def test_book_listing_lays_a_dense_layer_out_as_a_map():
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in NINLeNetBook().layers}
    assert shapes["mlp1_1"] == (28, 28, 8)
    assert shapes["down1"] == (196,)
    assert shapes["map1"] == (14, 14, 1)
    assert shapes["mlp2_1"] == (14, 14, 16)


def test_lenets_1x1_convolutions_can_be_left_out():
    assert list(convolutions(NINLeNet(mlp_layers=0))) == ["conv1", "conv2"]
    assert list(convolutions(NINLeNet())) == ["conv1", "mlp1_1", "conv2", "mlp2_1"]


def test_lenets_average_pooling_head_has_no_dense_layer():
    model = NINLeNet(head="gap")
    assert not any(isinstance(layer, keras.layers.Dense) for layer in model.layers)
    assert model.get_layer("gap").output.shape == (None, 10)


def test_maxout_perceptron_and_its_relu_counterpart():
    maxout, relu = MaxoutMLP(units=(6, 4), pieces=3), MaxoutMLP(units=(6, 4), pieces=None)
    assert [type(maxout.get_layer(name)) for name in ("fc1", "fc2")] == [Maxout, Maxout]
    assert relu.get_layer("fc1").activation is keras.activations.relu
    for name in ("fc1", "fc2"):
        assert maxout.get_layer(name).count_params() == 3 * relu.get_layer(name).count_params()
    assert [layer.rate for layer in maxout.layers if hasattr(layer, "rate")] == [0.5, 0.5]
