"""LeNet's sub-sampling and its convolution with a connection table."""

import keras
import numpy as np
import pytest

from kerasref.layers import LENET5_C3, SparseConv2D, TrainableSubsampling


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_subsampling_is_window_sum_times_coefficient_plus_bias():
    layer, x = TrainableSubsampling(), random(2, 6, 4, 3)
    layer.build(x.shape)
    coefficient, bias = np.array([0.5, -1, 2]), np.array([1, 0, -3])
    layer.set_weights([coefficient, bias])
    sums = x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]
    np.testing.assert_allclose(layer(x), sums * coefficient + bias, rtol=1e-5, atol=1e-5)


def test_subsampling_starts_as_average_pooling():
    x = random(2, 7, 9, 3)
    average = keras.layers.AveragePooling2D(3)(x)
    np.testing.assert_allclose(TrainableSubsampling(3)(x), average, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pool_size", [0, 1.5, True])
def test_subsampling_refuses_a_wrong_window(pool_size):
    with pytest.raises(ValueError, match="`pool_size` must be a positive integer"):
        TrainableSubsampling(pool_size)


def test_connection_table_is_the_papers():
    """Six maps see 3 adjacent inputs, six see 4, three see 4 not adjacent, and one sees all."""

    def adjacent(inputs):
        return any(set(inputs) == {(s + i) % 6 for i in range(len(inputs))} for s in range(6))

    assert [len(inputs) for inputs in LENET5_C3] == [3] * 6 + [4] * 9 + [6]
    assert [adjacent(inputs) for inputs in LENET5_C3] == [True] * 12 + [False] * 3 + [True]
    assert len(set(LENET5_C3)) == 16
    # Table I of the paper has ten crosses in each row.
    assert [sum(s in inputs for inputs in LENET5_C3) for s in range(6)] == [10] * 6


def test_sparse_convolution_holds_only_what_is_connected():
    layer = SparseConv2D(LENET5_C3, 5)
    layer.build((None, 14, 14, 6))
    assert layer.kernel.shape == (5, 5, 60)
    assert layer.count_params() == 1516


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_sparse_convolution_is_a_sum_of_single_convolutions(padding):
    table, x = ((1,), (0, 2), (2, 1, 0)), random(2, 8, 7, 3)
    layer = SparseConv2D(table, 3, padding=padding, activation="tanh")
    layer.build(x.shape)
    kernel, bias = random(3, 3, 6), np.array([0.1, 0.2, -0.3], "float32")
    layer.set_weights([kernel, bias])
    maps, connection = [], 0
    for inputs, b in zip(table, bias, strict=True):
        total = b
        for source in inputs:
            one = kernel[:, :, connection, None, None]
            total = total + keras.ops.conv(x[..., source : source + 1], one, padding=padding)
            connection += 1
        maps.append(np.tanh(total))
    y = layer(x)
    assert y.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(y, np.concatenate(maps, axis=-1), rtol=1e-4, atol=1e-5)


def test_full_table_equals_an_ordinary_convolution():
    keras.utils.set_random_seed(0)
    sparse = SparseConv2D([range(4)] * 5, 3)
    sparse.build((None, 6, 6, 4))
    keras.utils.set_random_seed(0)
    dense = keras.layers.Conv2D(5, 3)
    dense.build((None, 6, 6, 4))
    x = random(2, 6, 6, 4)
    np.testing.assert_allclose(sparse(x), dense(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("connections", [[(0,), ()], [(0,), (1, 1)], [(0,), (-1,)]])
def test_impossible_tables_name_the_map(connections):
    with pytest.raises(ValueError, match="output map 1"):
        SparseConv2D(connections, 3)


def test_table_for_more_maps_than_the_input_has():
    with pytest.raises(ValueError, match="input map 5, but the input has maps 0 to 3"):
        SparseConv2D(LENET5_C3, 5).build((None, 14, 14, 4))


def test_file_round_trip(tmp_path):
    image = keras.Input((14, 14, 6))
    output = SparseConv2D(LENET5_C3, 5, activation="relu")(TrainableSubsampling(2)(image))
    model = keras.Model(image, output)
    model.save(tmp_path / "model.keras")
    x = random(2, 14, 14, 6)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))
