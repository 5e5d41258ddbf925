"""Counts against hand arithmetic, and against keras.applications' published ones."""

import math
import resource

import keras
import pytest
import tensorflow as tf
from keras import layers

from kerasref.analysis import counts
from kerasref.models import AlexNet, LeNet5


def macs(layer, *shapes, **arguments):
    inputs = [keras.Input(shape) for shape in shapes]
    return counts.count(keras.Model(inputs, layer(*inputs, **arguments))).macs


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Conv1D(4, 3), (10, 2), 8 * 3 * 2 * 4),
        (layers.Conv2D(8, 3, padding="same"), (5, 6, 4), 30 * 9 * 4 * 8),
        (layers.Conv2D(8, (3, 5), strides=2), (9, 9, 4), 4 * 3 * 15 * 4 * 8),
        (layers.Conv2D(8, 3, groups=4, padding="same"), (5, 6, 4), 30 * 9 * 1 * 8),
        (layers.Conv2D(8, 3, dilation_rate=2), (7, 7, 1), 9 * 9 * 8),
        (layers.Conv2D(8, 3, data_format="channels_first"), (4, 5, 6), 12 * 9 * 4 * 8),
        (layers.Conv3D(2, 2), (3, 3, 3, 1), 8 * 8 * 2),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (5, 5, 4), 9 * 9 * 8),
        (layers.SeparableConv2D(8, 3), (5, 5, 4), 9 * (9 * 4 + 4 * 8)),
        (layers.Conv2DTranspose(8, 3, strides=2), (5, 6, 4), 30 * 9 * 4 * 8),
        (layers.Dense(7), (5,), 35),
        (layers.Dense(7), (3, 5), 105),
        (layers.EinsumDense("abc,cde->abde", (3, 4, 5)), (3, 6), 3 * 6 * 20),
        (layers.EinsumDense("...x,xy->...y", 4), (2, 3, 6), 6 * 6 * 4),
        (layers.SimpleRNN(5), (7, 3), 7 * (3 * 5 + 5 * 5)),
        (layers.LSTM(5), (7, 3), 7 * 4 * (3 * 5 + 5 * 5)),
        (layers.GRU(5, return_sequences=True), (7, 3), 7 * 3 * (3 * 5 + 5 * 5)),
        (layers.Bidirectional(layers.LSTM(5)), (7, 3), 2 * 7 * 4 * (3 * 5 + 5 * 5)),
        (layers.TimeDistributed(layers.Dense(4)), (7, 3), 7 * 12),
        (layers.BatchNormalization(), (5, 6, 4), 0),
        (layers.Embedding(100, 8), (7,), 0),
        (layers.MaxPooling2D(), (6, 6, 4), 0),
    ],
    ids=lambda value: value.__class__.__name__ if isinstance(value, keras.Layer) else str(value),
)
def test_macs_of_one_layer(layer, shape, expected):
    assert macs(layer, shape) == expected


def test_macs_of_attention():
    # 5 queries of 8, 7 values of 6, 7 keys of 3; 2 heads of 3 (keys) and 4 (values)
    layer = layers.MultiHeadAttention(2, 3, value_dim=4)
    projections = 5 * 8 * 6 + 7 * 3 * 6 + 7 * 6 * 8
    expected = projections + 2 * 5 * 7 * (3 + 4) + 5 * 8 * 8
    assert macs(layer, (5, 8), (7, 6), (7, 3)) == expected


def test_macs_of_self_attention():
    x = keras.Input((5, 8))
    model = keras.Model(x, layers.MultiHeadAttention(2, 4)(query=x, value=x))
    assert counts.count(model).macs == 4 * 5 * 8 * 8 + 2 * 2 * 5 * 5 * 4


@pytest.mark.parametrize(
    ("builder", "params", "gmacs"),
    [
        ("VGG16", 138_357_544, 15.4703),
        ("ResNet50", 25_636_712, 3.85797),
        ("MobileNetV2", 3_538_984, 0.300774),
        ("Xception", 22_910_480, 8.3574),
    ],
)
def test_counts_of_keras_applications(builder, params, gmacs):
    """Counted independently of this module from instantiated models (model_counts.csv)."""
    with tf.Graph().as_default():
        total = counts.count(getattr(keras.applications, builder)(weights=None))
    assert total.params == params
    assert total.macs / 1e9 == pytest.approx(gmacs, rel=1e-5)


def test_table_of_lenet():
    rows = {row.name: row for row in counts.layer_table(LeNet5())}
    assert list(rows) == ["c1", "s2", "c3", "s4", "flatten", "c5", "f6", "output", "predictions"]
    assert rows["c3"] == counts.LayerRow(
        "c3", "SparseConv2D", (None, 10, 10, 16), 1516, 1516, 150_000, 1600
    )
    assert rows["s2"] == counts.LayerRow(
        "s2", "TrainableSubsampling", (None, 14, 14, 6), 12, 12, 0, 0
    )


def test_frozen_and_moving_values_are_not_trainable():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization()])
    model.layers[0].trainable = False
    assert counts.count(model) == counts.Counts(27, 6, 21, 12, 3)


def test_a_layer_called_twice_counts_its_weights_once_and_its_work_twice():
    one, two, layer = keras.Input((4,)), keras.Input((4,)), layers.Dense(3, name="shared")
    model = keras.Model([one, two], layer(one) + layer(two))
    (row,) = (row for row in counts.layer_table(model) if row.name == "shared")
    assert (row.params, row.macs, row.activations) == (15, 24, 6)
    assert counts.count(model).params == 15


def test_calls_outside_the_model_do_not_count():
    x, layer = keras.Input((4,)), layers.Dense(3)
    model = keras.Model(x, layer(x))
    layer(keras.Input((4,)))
    assert counts.count(model).macs == 12


def test_nested_models_are_expanded():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="hidden")], name="inner")
    x = keras.Input((4,))
    outer = keras.Model(x, layers.Dense(2, name="out")(inner(x)))
    assert [(row.name, row.macs) for row in counts.layer_table(outer)] == [
        ("inner/hidden", 12),
        ("out", 6),
    ]
    assert counts.count(outer).params == 23


def test_models_larger_than_memory_are_counted_without_allocation():
    def resident():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    before = resident()
    with tf.Graph().as_default():
        x = keras.Input((200_000,))
        total = counts.count(keras.Model(x, layers.Dense(1_000_000)(x)))
    assert total.params == 200_001_000_000
    assert total.macs == 200_000_000_000
    assert resident() - before < 200e6


def test_connections_include_biases():
    assert counts.connections(LeNet5()) == {
        # LeCun et al. 1998, section II.B; the output layer is the book's softmax
        "c1": 122_304,
        "s2": 5_880,
        "c3": 151_600,
        "s4": 2_000,
        "c5": 48_120,
        "f6": 10_164,
        "output": 850,
    }


def test_activations_of_alexnet():
    with tf.Graph().as_default():
        rows = counts.layer_table(AlexNet())
    activations = {row.name: row.activations for row in rows if row.activations}
    assert list(activations.values()) == [
        290_400,
        186_624,
        64_896,
        64_896,
        43_264,
        4_096,
        4_096,
        1_000,
    ]


@keras.saving.register_keras_serializable(package="tests")
class Bilinear(keras.Layer):
    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], input_shape[-1]))

    def call(self, inputs):
        return keras.ops.sum((inputs @ self.kernel) * inputs, axis=-1, keepdims=True)


class CountedBilinear(Bilinear):
    def count_macs(self, input_shape, output_shape):
        return math.prod(input_shape[1:]) * (input_shape[-1] + 1)


def test_a_layer_with_weights_states_its_macs_or_is_refused():
    assert macs(CountedBilinear(), (4,)) == 20
    with pytest.raises(ValueError, match="Bilinear needs count_macs"):
        macs(Bilinear(), (4,))


def test_products_outside_layers_are_refused():
    with pytest.raises(ValueError, match="product outside a layer"):
        macs(lambda a, b: a @ b, (3, 4), (4, 5))
    with pytest.raises(ValueError, match="Attention needs count_macs"):
        macs(lambda a, b: layers.Attention()([a, b]), (3, 4), (5, 4))
    with pytest.raises(ValueError, match="ConvLSTM1D needs count_macs"):
        macs(layers.ConvLSTM1D(2, 3), (3, 4, 5))


def test_an_unknown_size_is_refused():
    with pytest.raises(ValueError, match="state `input_shape`"):
        macs(layers.Conv2D(3, 3), (None, None, 3))


def test_an_unbuilt_model_is_refused():
    with pytest.raises(ValueError, match="no built functional"):
        counts.count(keras.Sequential([layers.Dense(3)]))
