"""BN-LeNet's own arguments."""

import itertools

import keras
import numpy as np
import pytest

from kerasref.models import BNLeNet


def order(model):
    return [layer.name for layer in model.layers[1:]]


def test_is_the_documented_stack():
    assert " ".join(order(BNLeNet())) == (
        "c1 c1_bn c1_act s2 c3 c3_bn c3_act s4 flatten "
        "c5 c5_bn c5_act f6 f6_bn f6_act output predictions"
    )
    shapes = {layer.name: layer.output.shape[1:] for layer in BNLeNet().layers}
    assert (shapes["c1"], shapes["s4"], shapes["flatten"]) == ((24, 24, 6), (4, 4, 16), (256,))


@pytest.mark.parametrize("norm", ["scratch", "virtual"])
def test_scratch_equals_concise_with_the_same_weights(norm):
    concise, scratch = BNLeNet(), BNLeNet(norm=norm)
    scratch.set_weights(concise.get_weights())
    x = np.random.default_rng(0).normal(size=(8, 28, 28, 1)).astype("float32")
    for training in (True, False):
        np.testing.assert_allclose(
            scratch(x, training=training), concise(x, training=training), rtol=1e-4, atol=1e-6
        )


def test_without_statistics_is_batch_norm_that_stays_in_prediction_mode():
    concise, without = BNLeNet(), BNLeNet(norm="without_statistics")
    without.set_weights(concise.get_weights())
    x = np.random.default_rng(0).normal(size=(4, 28, 28, 1)).astype("float32")
    np.testing.assert_allclose(without(x, training=True), concise(x, training=False), atol=1e-5)


def test_norm_goes_on_the_input_of_each_layer():
    names = order(BNLeNet(norm_position="input"))
    pairs = list(itertools.pairwise(names))
    assert all((f"{layer}_bn", layer) in pairs for layer in ("c1", "c3", "c5", "f6"))


def test_norm_goes_to_the_layers_named():
    normalised = {n for n in order(BNLeNet(norm_layers=["c3", "f6"])) if n.endswith("_bn")}
    assert normalised == {"c3_bn", "f6_bn"}
    assert order(BNLeNet(norm_layers=[])) == order(BNLeNet(norm=None))


def test_layer_norm_does_not_know_other_examples():
    model = BNLeNet(norm="layer")
    x = np.random.default_rng(0).normal(size=(4, 28, 28, 1)).astype("float32")
    np.testing.assert_allclose(
        model(x, training=True)[:1], model(x[:1], training=True), rtol=1e-4, atol=1e-6
    )


def test_whitening_trains():
    model = BNLeNet(norm="whitening")
    x = np.random.default_rng(0).normal(size=(32, 28, 28, 1)).astype("float32")
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    losses = [model.train_on_batch(x, np.arange(32) % 10) for _ in range(20)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norm": "wite"}, "`norm` cannot be"),
        ({"norm_position": "after"}, "`norm_position` cannot be"),
        ({"norm_layers": ["c2"]}, "`norm_layers` cannot be 'c2'"),
        ({"input_shape": (15, 16, 1)}, "at least 16x16"),
    ],
)
def test_impossible_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        BNLeNet(**arguments)


def test_dropout_follows_both_hidden_dense_layers():
    model = BNLeNet(dropout=0.3)
    assert [n for n in order(model) if n.startswith("dropout")] == ["dropout_c5", "dropout_f6"]
    assert model.get_layer("dropout_f6").rate == 0.3
