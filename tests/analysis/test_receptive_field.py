"""Receptive fields against the book's ladder of VGG-16 and against gradients."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.analysis.receptive_field import receptive_field
from kerasref.layers import LENET5_C3, SparseConv2D, TrainableSubsampling
from kerasref.models import VGG16

LADDER = {  # dlnotes 1.2 and 1.3: VGG-16
    "block1_conv1": 3,
    "block1_conv2": 5,
    "block1_pool": 6,
    "block2_conv1": 10,
    "block2_conv2": 14,
    "block2_pool": 16,
    "block3_conv1": 24,
    "block3_conv2": 32,
    "block3_conv3": 40,
    "block3_pool": 44,
    "block4_conv1": 60,
    "block4_conv2": 76,
    "block4_conv3": 92,
    "block4_pool": 100,
    "block5_conv1": 132,
    "block5_conv2": 164,
    "block5_conv3": 196,
}


@pytest.fixture(scope="module")
def vgg16():
    with tf.Graph().as_default():
        return VGG16()


@pytest.mark.parametrize("layer", LADDER)
def test_vgg16s_ladder_is_the_books(vgg16, layer):
    assert receptive_field(vgg16, layer).size == LADDER[layer]


def test_jumps_double_at_every_pooling(vgg16):
    jumps = [receptive_field(vgg16, f"block{block}_pool").jump for block in range(1, 6)]
    assert jumps == [2, 4, 8, 16, 32]


@pytest.mark.parametrize(("kernel", "size"), [(1, 196), (3, 228), (5, 260)])
def test_one_more_convolution_behind_vgg16(kernel, size):
    with tf.Graph().as_default():
        body = VGG16(include_top=False)
        x = body.get_layer("block5_conv3").output
        x = keras.layers.Conv2D(4, kernel, padding="same", name="next")(x)
        model = keras.Model(body.input, x)
    assert receptive_field(model, "next") == (size, 16)


def test_dense_layers_see_everything(vgg16):
    assert receptive_field(vgg16, "flatten").size == math.inf
    assert receptive_field(vgg16, "fc1").size == math.inf


def seen(model, name, axis):
    """Side of what a middle output pixel depends on, by gradient."""
    layer = keras.Model(model.input, model.get_layer(name).output)
    x = tf.constant(np.random.default_rng(0).uniform(1, 2, (1, *model.input_shape[1:])), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        middle = y[0, y.shape[1] // 2, y.shape[2] // 2]
    gradient = tape.gradient(middle, x)[0].numpy()
    touched = np.flatnonzero(np.abs(gradient).sum(axis=(1 - axis, 2)))
    return touched[-1] - touched[0] + 1


STACKS = {
    "strided": lambda: [
        keras.layers.Conv2D(2, 3, strides=2),
        keras.layers.Conv2D(2, 3, padding="same"),
    ],
    "dilated": lambda: [
        keras.layers.Conv2D(2, 3, dilation_rate=2),
        keras.layers.AveragePooling2D(2, 1),
    ],
    "wide": lambda: [
        keras.layers.Conv2D(2, (1, 7), padding="same"),
        keras.layers.Conv2D(2, (3, 1)),
    ],
    "depthwise": lambda: [
        keras.layers.DepthwiseConv2D(5),
        keras.layers.SeparableConv2D(2, 3, strides=2),
    ],
    "padded": lambda: [keras.layers.ZeroPadding2D(3), keras.layers.Conv2D(2, 7, strides=2)],
    "pooled": lambda: [keras.layers.AveragePooling2D(3, 2), keras.layers.BatchNormalization()],
    "lenet": lambda: [
        TrainableSubsampling(2),
        keras.layers.Conv2D(6, 3),
        SparseConv2D(LENET5_C3, 5),
    ],
}


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("axis", [0, 1])
def test_recursion_agrees_with_gradients(stack, axis):
    layers = STACKS[stack]()
    image = keras.Input((40, 40, 1))
    x = image
    for layer in layers:
        x = layer(x)
    model = keras.Model(image, x)
    assert receptive_field(model, layers[-1].name, axis).size == seen(model, layers[-1].name, axis)


def two_paths(first, second, merge):
    image = keras.Input((32, 32, 1))
    return keras.Model(image, merge([first(image), second(image)]))


def test_the_longest_path_counts():
    model = two_paths(
        keras.layers.Conv2D(2, 1),
        keras.layers.Conv2D(2, 5, padding="same"),
        keras.layers.Concatenate(name="both"),
    )
    assert receptive_field(model, "both") == (5, 1)


def test_gates_computed_from_the_whole_image_see_it():
    model = two_paths(
        keras.layers.Conv2D(2, 3, padding="same"),
        keras.layers.GlobalAveragePooling2D(keepdims=True),
        keras.layers.Multiply(name="gated"),
    )
    assert receptive_field(model, "gated") == (math.inf, 1)


def test_a_layer_states_its_own_window():
    class Whole(keras.layers.Layer):
        receptive_window = (math.inf, 1)

        def call(self, x):
            return x - keras.ops.mean(x, axis=(1, 2), keepdims=True)

    image = keras.Input((8, 8, 1))
    model = keras.Model(image, Whole(name="whole")(image))
    assert receptive_field(model, "whole").size == math.inf


def test_paths_of_different_strides_are_refused():
    model = two_paths(
        keras.layers.Conv2D(2, 1, strides=2),
        lambda x: keras.layers.Conv2D(2, 17)(x),
        keras.layers.Concatenate(name="both"),
    )
    with pytest.raises(ValueError, match=r"both: paths of strides \[1, 2\] meet"):
        receptive_field(model, "both")


@pytest.mark.parametrize(
    "layer",
    [keras.layers.UpSampling2D(name="up"), keras.layers.Conv2DTranspose(1, 2, 2, name="up")],
)
def test_what_enlarges_maps_is_refused(layer):
    image = keras.Input((8, 8, 1))
    with pytest.raises(ValueError, match=r"up: .* has no known window"):
        receptive_field(keras.Model(image, layer(image)), "up")


def test_unknown_layer_is_named(vgg16):
    with pytest.raises(ValueError, match="did you mean 'block5_conv3'"):
        receptive_field(vgg16, "block5_conv33")
