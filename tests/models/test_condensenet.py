"""CondenseNet's wiring, its two forms, and DenseNet with plain layers as its special case."""

import keras
import numpy as np
import pytest

from kerasref import models
from kerasref.layers import IndexedGroupConv2D, LearnedGroupConv2D
from kerasref.models.condensenet import condensed

SMALL = {"blocks": (1, 2), "growth_rate": 4, "input_shape": (8, 8, 2)}


def small(**arguments):
    keras.utils.set_random_seed(0)
    return models.CondenseNetSmall(**{**SMALL, **arguments})


def of_kind(model, kind):
    return [layer for layer in model.layers if type(layer) is kind]


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def condense(model):
    for layer in of_kind(model, LearnedGroupConv2D):
        for _ in range(layer.condensation - 1):
            layer.condense()


def written_out(x, model):
    """The network after Huang et al. 2018, from plain Keras layers, the last activation included.

    1x1 convolutions are written as one ordinary convolution per group of filters, on the features
    that its mask leaves it.
    """

    def normalise_and_cut(x, name):
        gamma, beta, mean, variance = model.get_layer(f"{name}_bn").get_weights()
        return np.maximum((x - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)

    def convolve(x, name, groups):
        kernel = model.get_layer(f"{name}_conv").get_weights()[0]
        parts = zip(np.split(x, groups, -1), np.split(kernel, groups, -1), strict=True)
        return np.concatenate([keras.ops.conv(*p, padding="same") for p in parts], -1)

    def learned(x, name):
        layer = model.get_layer(f"{name}_conv")
        parts = []
        for features, kernel in zip(
            np.asarray(layer.mask) > 0, np.split(np.asarray(layer.kernel)[0, 0], 4, -1), strict=True
        ):
            parts.append(x[..., features] @ kernel[features])
        return np.stack(parts, axis=-1).reshape(*x.shape[:-1], -1)  # first of each, second of each

    x = convolve(x, "conv1", 1)
    for block, layers in enumerate((1, 2), 2):
        if block > 2:
            x = x.reshape(len(x), 4, 2, 4, 2, -1).mean(axis=(2, 4))
        for layer in range(1, layers + 1):
            name = f"conv{block}_block{layer}"
            y = learned(normalise_and_cut(x, f"{name}_0"), f"{name}_1")
            y = convolve(normalise_and_cut(y, f"{name}_1"), f"{name}_2", 4)
            x = np.concatenate([x, y], axis=-1)
    return normalise_and_cut(x, "final")


def test_is_the_papers_network():
    model = small()
    rng = np.random.default_rng(1)
    for layer in of_kind(model, keras.layers.BatchNormalization):
        layer.set_weights([rng.uniform(0.5, 1.5, layer.gamma.shape) for _ in range(4)])
    condense(model)
    inside = keras.Model(model.input, model.get_layer("final_act").output)
    x = random(2, 8, 8, 2)
    np.testing.assert_allclose(inside(x), written_out(x, model), rtol=1e-4, atol=1e-5)


def test_growth_doubles_or_stays():
    def growth(**arguments):
        model = models.CondenseNetSmall(blocks=(1, 1, 1), **arguments)
        return [model.get_layer(f"conv{n}_block1_2_conv").filters for n in (2, 3, 4)]

    assert growth() == [8, 16, 32]
    assert growth(increasing=False) == [8, 8, 8]
    assert growth(growth_rate=12) == [12, 24, 48]


def test_without_connections_between_blocks_a_transition_compresses():
    model = small(fully_dense=False)
    assert model.get_layer("pool2_conv").filters == 4  # half of 12, down to a multiple of 4
    assert model.get_layer("pool2_pool").output.shape == (None, 4, 4, 4)
    assert "pool2_conv" not in [layer.name for layer in small().layers]


@pytest.mark.parametrize(
    ("pointwise", "learned", "shuffled", "groups"),
    [
        ("learned", True, True, 4),
        ("grouped", False, False, 4),
        ("shuffled", False, True, 4),
        ("dense", False, False, 1),
    ],
)
def test_pointwise_convolutions_are_as_asked(pointwise, learned, shuffled, groups):
    model = small(pointwise=pointwise)
    assert len(of_kind(model, LearnedGroupConv2D)) == 3 * learned
    assert any(layer.name.endswith("_shuffle") for layer in model.layers) == shuffled
    assert model.get_layer("conv3_block2_1_conv").groups == groups
    assert model.get_layer("conv3_block2_2_conv").groups == 4


def test_group_lasso_is_on_learned_convolutions_alone():
    model = small(group_lasso=0.1, classifier_condensation=2)
    assert len(model.losses) == 3
    assert small().losses == []
    assert small(group_lasso=0.1, form="test").losses == []


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"classifier_condensation": 2},
        {"groups": 2, "condensation": 4, "spatial_groups": 1, "fully_dense": False},
        {"groups": 4, "condensation": 2, "group_lasso": 0.1},
        {"include_top": False, "pooling": "avg"},
    ],
)
def test_condensed_has_equal_outputs_and_the_test_forms_weights(arguments, tmp_path):
    model = small(**arguments)
    condense(model)
    test = condensed(model)
    x = random(2, 8, 8, 2)
    np.testing.assert_allclose(test(x), model(x), rtol=1e-5, atol=1e-6)
    assert not of_kind(test, LearnedGroupConv2D)
    assert [layer.name for layer in test.layers] == [layer.name for layer in model.layers]
    test.save_weights(tmp_path / "test.weights.h5")
    form = small(form="test", weights=tmp_path / "test.weights.h5", **arguments)
    np.testing.assert_array_equal(form(x), test(x))
    assert len(of_kind(form, IndexedGroupConv2D)) == len(of_kind(model, LearnedGroupConv2D))


def test_condensed_is_a_copy():
    model = small()
    condense(model)
    x = random(2, 8, 8, 2)
    before = model(x).numpy()
    test = condensed(model)
    for weight in test.trainable_weights:
        weight.assign(weight * 2)
    np.testing.assert_array_equal(model(x), before)


def test_what_has_not_condensed_is_named():
    model = small()
    with pytest.raises(ValueError, match="conv2_block1_1_conv must condense 3 more times"):
        condensed(model)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("blocks", (), "at least one"),
        ("blocks", (1, 0), "positive integer"),
        ("growth_rate", 0, "positive integer"),
        ("pointwise", "learnd", "did you mean 'learned'"),
        ("form", "tset", "did you mean 'test'"),
        ("groups", 0, "positive integer"),
        ("condensation", 5, "5 does not divide 8"),
        ("spatial_groups", 1.5, "positive integer"),
        ("bottleneck", 0, "positive integer"),
        ("group_lasso", -1, "at least 0"),
        ("classifier_condensation", 3, "3 does not divide"),
        ("input_shape", (1, 8, 2), "at least 2x2"),
    ],
)
def test_wrong_arguments_are_named(argument, value, message):
    with pytest.raises(ValueError, match=message):
        small(**{argument: value})
