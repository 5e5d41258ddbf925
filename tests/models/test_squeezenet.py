"""SqueezeNet's own arguments, and equality with the book's listings."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.models import SqueezeNet, SqueezeNetSmall


def structure(builder=SqueezeNet, **arguments):
    with tf.Graph().as_default():
        return builder(**arguments)


def names(model):
    return [layer.name for layer in model.layers]


def images(shape, batch=2):
    return np.random.default_rng(0).normal(size=(batch, *shape)).astype("float32")


def listing(shape, classes):
    """The book's two listings in today's Keras: fire module and network, without softmax."""

    def fire(x, squeeze, expand1, expand3):
        x = keras.layers.Conv2D(squeeze, 1, padding="same", activation="relu")(x)
        one = keras.layers.Conv2D(expand1, 1, padding="same", activation="relu")(x)
        three = keras.layers.Conv2D(expand3, 3, padding="same", activation="relu")(x)
        return keras.layers.Concatenate()([one, three])

    image = keras.Input(shape)
    x = keras.layers.Conv2D(96, 7, strides=2, padding="same", activation="relu")(image)
    x = keras.layers.MaxPooling2D()(x)
    x = fire(x, 16, 64, 64)
    x = fire(x, 16, 64, 64)
    x = fire(x, 32, 128, 128)
    x = keras.layers.MaxPooling2D()(x)
    x = fire(x, 32, 128, 128)
    x = fire(x, 48, 192, 192)
    x = fire(x, 48, 192, 192)
    x = fire(x, 64, 256, 256)
    x = keras.layers.MaxPooling2D()(x)
    x = fire(x, 64, 256, 256)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Conv2D(classes, 1, padding="same", activation="relu")(x)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


def test_computes_what_the_books_listing_does():
    keras.utils.set_random_seed(0)
    shape = (37, 50, 3)
    theirs = listing(shape, 12)
    ours = SqueezeNet(
        input_shape=shape, classes=12, stem_padding="keras", classifier_activation=None
    )
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    rng = np.random.default_rng(0)
    for weight in theirs.weights:
        if weight.path.endswith("bias"):
            weight.assign(rng.normal(scale=0.1, size=weight.shape))
    ours.set_weights(theirs.get_weights())
    x = images(shape)
    assert np.ptp(theirs(x)) > 0.1
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


def test_a_softmax_follows_the_class_maps():
    model = structure()
    assert names(model)[-4:] == ["dropout", "conv10", "gap", "predictions"]
    assert model.get_layer("conv10").activation is keras.activations.relu
    assert structure(SqueezeNetSmall).get_layer("conv10").activation is keras.activations.linear


@pytest.mark.parametrize(
    ("downsampling", "pools"),
    [("late", ["pool1", "pool4", "pool8"]), ("early", ["pool1", "pool3", "pool5"])],
)
def test_poolings_follow_the_layers_named(downsampling, pools):
    model = structure(downsampling=downsampling)
    assert [name for name in names(model) if name.startswith("pool")] == pools
    sources = [model.get_layer(pool).input._keras_history.operation.name for pool in pools[1:]]
    assert sources == [pool.replace("pool", "fire") for pool in pools[1:]]


def test_the_papers_form_has_the_papers_maps():
    model = structure(pool="overlapping", stem_padding="valid", input_shape=(227, 227, 3))
    sides = {"conv1": 111, "pool1": 55, "fire4": 55, "pool4": 27, "pool8": 13, "conv10": 13}
    for name, side in sides.items():
        assert model.get_layer(name).output.shape[1:3] == (side, side)


@pytest.mark.parametrize(
    ("bypass", "around"),
    [(None, []), ("simple", [3, 5, 7, 9]), ("complex", [2, 3, 4, 5, 6, 7, 8, 9])],
)
def test_bypasses_lie_around_the_modules_of_the_paper(bypass, around):
    model = structure(bypass=bypass)
    added = [name for name in names(model) if name.endswith("_add")]
    assert added == [f"fire{number}_add" for number in around]
    for number in around:
        shortcut, module = model.get_layer(f"fire{number}_add").input
        entered = model.get_layer(f"fire{number}_squeeze").input
        assert module._keras_history.operation.name == f"fire{number}"
        if bypass == "complex" and number % 2 == 0:
            layer = shortcut._keras_history.operation
            assert (layer.kernel_size, layer.activation) == ((1, 1), keras.activations.linear)
            shortcut = layer.input
        assert shortcut is entered


@pytest.mark.parametrize("bypass", ["simple", "complex"])
def test_a_module_that_gives_nothing_passes_its_input_on(bypass):
    keras.utils.set_random_seed(0)
    model = SqueezeNetSmall(bypass=bypass, expand=(32, 32), input_shape=(14, 14, 1))
    for kernel in ("1", "3"):
        for weight in model.get_layer(f"fire3_expand{kernel}").weights:
            weight.assign(np.zeros(weight.shape))
    add = model.get_layer("fire3_add")
    inner = keras.Model(model.input, [model.get_layer("fire3_squeeze").input, add.output])
    entered, left = inner(images((14, 14, 1)))
    np.testing.assert_array_equal(entered, left)


def test_shares_and_ratios_set_the_channels():
    model = structure(squeeze_ratio=0.25, share_3x3=0.25, width=0.5)
    filters = {name: model.get_layer(name).filters for name in names(model) if "fire8_" in name}
    assert filters == {"fire8_squeeze": 64, "fire8_expand1": 192, "fire8_expand3": 64}
    for share, kernel in ((0, "1"), (1, "3")):
        alone = structure(share_3x3=share)
        expansions = [name for name in names(alone) if "_expand" in name]
        assert expansions == [f"fire{number}_expand{kernel}" for number in range(2, 10)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bypass": "simpel"}, "did you mean 'simple'"),
        ({"downsampling": "latest"}, "did you mean 'late'"),
        ({"pool": "2x2"}, "`pool` cannot be '2x2'; known: 'overlapping', 'non_overlapping'"),
        ({"stem_padding": "full"}, "`stem_padding` cannot be 'full'"),
        ({"share_3x3": 1.5}, "`share_3x3` must be from 0 to 1, not 1.5"),
        ({"squeeze_ratio": 0}, "`squeeze_ratio` must be positive, not 0"),
        ({"expand": (128, 0)}, "`expand` must be a positive integer, not 0"),
        ({"stem": (96, 7)}, "`stem` must be filters, window and stride"),
        ({"input_shape": (8, 8, 3)}, "`input_shape` must be at least"),
        ({"weights": "imagenet"}, "none are published"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SqueezeNet(**arguments)
