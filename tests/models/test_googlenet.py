"""GoogLeNet's own arguments."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.layers import LocalResponseNormalization, SqueezeExcitation
from kerasref.models import GoogLeNet, GoogLeNetD2L
from kerasref.models.googlenet import MODULES

SMALL = {"width": 0.125, "classes": 10, "input_shape": (65, 65, 3)}


def order(model):
    return [layer.name for layer in model.layers]


def test_the_stem_and_the_top_have_the_papers_order():
    names = [name for name in order(GoogLeNet(**SMALL)) if not name.endswith("_pad")]
    assert names[1:8] == ["conv1", "pool1", "norm1", "conv2_reduce", "conv2", "norm2", "pool2"]
    assert names[-4:] == ["avg_pool", "dropout", "fc", "predictions"]
    modules = [name for name in names if name.startswith("inception") and "_" not in name]
    assert [name.removeprefix("inception") for name in modules] == list(MODULES)


def test_maps_have_the_papers_sizes():
    with tf.Graph().as_default():
        model = GoogLeNet()
    sides = {name: model.get_layer(name).output.shape[1] for name in order(model)[1:-4]}
    for name, side in (
        ("conv1", 112),
        ("pool1", 56),
        ("conv2", 56),
        ("inception3b", 28),
        ("inception4e", 14),
        ("inception5b", 7),
    ):
        assert sides[name] == side


def test_auxiliary_classifiers_sit_on_4a_and_4d_and_follow_the_prediction():
    model = GoogLeNet(**SMALL, auxiliary=True)
    assert [output._keras_history.operation.name for output in model.outputs] == [
        "predictions",
        "aux1_predictions",
        "aux2_predictions",
    ]
    for number, module in ((1, "inception4a"), (2, "inception4d")):
        pool = model.get_layer(f"aux{number}_pool")
        assert pool.input._keras_history.operation.name == module
        assert (pool.pool_size, pool.strides, pool.padding) == ((5, 5), (3, 3), "valid")
        assert model.get_layer(f"aux{number}_dropout").rate == 0.7
    keras.utils.set_random_seed(0)
    for output in model(np.ones((2, 65, 65, 3), "float32")):
        np.testing.assert_allclose(np.sum(output, axis=1), 1, rtol=1e-5)


def test_auxiliary_classifiers_have_no_part_in_the_prediction():
    plain, headed = GoogLeNet(**SMALL), GoogLeNet(**SMALL, auxiliary=True)
    for layer in plain.layers:
        layer.set_weights(headed.get_layer(layer.name).get_weights())
    x = np.random.default_rng(0).uniform(size=(2, 65, 65, 3)).astype("float32")
    np.testing.assert_allclose(plain(x), headed(x)[0], rtol=1e-5)


def test_without_the_top_there_are_no_auxiliary_classifiers():
    body = GoogLeNet(**SMALL, include_top=False, auxiliary=True)
    assert len(body.outputs) == 1
    assert not [name for name in order(body) if name.startswith("aux")]


def test_normalisation():
    kinds = {
        norm: [type(layer) for layer in GoogLeNet(**SMALL, norm=norm).layers]
        for norm in ("lrn", "batch", None)
    }
    batch = keras.layers.BatchNormalization
    assert kinds["lrn"].count(LocalResponseNormalization) == 2
    assert kinds["batch"].count(batch) == 57
    for norm, absent in (("lrn", batch), ("batch", LocalResponseNormalization), (None, batch)):
        assert absent not in kinds[norm]
    assert LocalResponseNormalization not in kinds[None]


def test_d2l_form_leaves_out_what_the_paper_has_beside():
    kinds = {type(layer) for layer in GoogLeNetD2L(width=0.125).layers}
    assert not kinds & {
        LocalResponseNormalization,
        keras.layers.Dropout,
        keras.layers.BatchNormalization,
    }


def test_squeeze_and_excitation_follows_every_module():
    model = GoogLeNet(**SMALL, se={"ratio": 4})
    gates = [layer for layer in model.layers if isinstance(layer, SqueezeExcitation)]
    assert len(gates) == 9
    for layer in gates:
        assert layer.ratio == 4
        assert f"{layer.input._keras_history.operation.name}_se" == layer.name


@pytest.mark.parametrize(("module", "kernel"), [("v1", (5, 5)), ("v2", (3, 3)), ("v3", (5, 1))])
def test_the_kind_of_module_is_an_argument(module, kernel):
    model = GoogLeNetD2L(module=module, width=0.125, stages=(1,))
    assert model.get_layer("inception3a_b3_2").kernel_size == kernel


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norm": "bacth"}, "`norm`.*did you mean 'batch'"),
        ({"module": "naiv"}, "`module`.*did you mean 'naive'"),
        ({"stages": (2, 5, 2, 1)}, "`stages` must be one to three"),
        ({"stages": (0,)}, "`stages` must be a positive integer"),
        ({"stages": (1,), "auxiliary": True}, "`auxiliary` needs modules 4a and 4d"),
        ({"auxiliary": True, "input_shape": (64, 80, 3)}, "`input_shape` must be at least 65x65"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        GoogLeNet(**{**SMALL, **arguments})
