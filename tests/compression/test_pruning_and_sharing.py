"""Masks, clusters and trainable codebooks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kerasref import compression
from kerasref.compression.weight_sharing import cluster

values = st.integers(-50, 50).map(lambda n: n / 8)
weights = arrays("float32", st.integers(1, 60), elements=values)


def network(seed=0):
    keras.utils.set_random_seed(seed)
    image = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="first")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.2, name="drop")(x)
    x = keras.layers.Conv2D(6, 3, activation="relu", name="second")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(3, activation="softmax", name="last")(x)
    return keras.Model(image, x, name="net")


def batch(number=16):
    rng = np.random.default_rng(0)
    return rng.normal(size=(number, 6, 6, 1)).astype("float32"), np.arange(number) % 3


@given(weights, st.floats(0.01, 1))
def test_the_largest_weights_are_kept(array, density):
    mask = compression.magnitude_mask(array, density)
    assert mask.sum() == int(np.ceil(round(density * array.size, 6)))
    if not mask.all():
        assert np.abs(array[mask]).min() >= np.abs(array[~mask]).max()


def test_masks_have_exact_sizes():
    """Iandola et al. 2016, table 1: 3,042 of 9,216 weights at 33 %, 102,400 of 512,000 at 20 %."""
    for size, density, kept in ((9216, 0.33, 3042), (512_000, 0.2, 102_400), (100, 0.07, 7)):
        assert compression.magnitude_mask(np.ones(size), density).sum() == kept


def test_densities_follow_patterns_of_layer_names():
    model = network()
    assert compression.densities(model, 0.5) == {
        "first/kernel": 0.5,
        "second/kernel": 0.5,
        "last/kernel": 0.5,
    }
    rules = {"last": 0.1, "*s*": 0.4}
    assert compression.densities(model, rules) == {
        "first/kernel": 0.4,
        "second/kernel": 0.4,
        "last/kernel": 0.1,
    }
    assert compression.densities(model, {"last": 0.1})["first/kernel"] == 1


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (0.0, "above 0 and at most 1, not 0.0"),
        (1.5, "above 0 and at most 1, not 1.5"),
        ({"lsat": 0.5}, "net has no kernel in a layer like 'lsat'"),
        ({"norm": 0.5}, "no kernel in a layer like 'norm'"),
        ({"last": 2}, "`density` of 'last' must be above 0"),
    ],
)
def test_wrong_densities_are_named(density, message):
    with pytest.raises(ValueError, match=message):
        compression.prune(network(), density)


def test_pruned_weights_stay_zero_while_the_others_train():
    model = network()
    masks = compression.prune(model, {"second": 0.25, "last": 0.5})
    before = {path: kernel.numpy() for path, kernel in compression.kernels(model).items()}
    x, y = batch()
    with compression.masked(model, masks):
        model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        model.fit(x, y, epochs=3, verbose=0)
    for path, kernel in compression.kernels(model).items():
        assert (kernel.numpy()[~masks[path]] == 0).all()
        assert (kernel.numpy()[masks[path]] != before[path][masks[path]]).all()
    assert masks["first/kernel"].all()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    assert (model.get_layer("second").kernel.numpy() != 0).all()


def test_a_kernels_own_constraint_still_holds_under_a_mask():
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(3, kernel_constraint=keras.constraints.NonNeg(), name="only")
    vector = keras.Input((5,))
    model = keras.Model(vector, layer(vector))
    own = layer.kernel.constraint
    masks = compression.prune(model, 0.4)
    with compression.masked(model, masks):
        model.compile(keras.optimizers.SGD(1.0), "mse")
        model.fit(np.ones((4, 5)), -np.ones((4, 3)), verbose=0)
    assert (layer.kernel.numpy() >= 0).all()
    assert (layer.kernel.numpy()[~masks["only/kernel"]] == 0).all()
    assert layer.kernel.constraint is own


# 0.125, 0.25 and -0.375 share their mean, 0: a value that is zero and yet has a label.
SHARE_ZERO = np.array([0.125, 0.25, 0.375, -0.375, 0.5, 0.625, 0.75, -3.75], "float32")


@given(weights, st.integers(1, 6))
@example(SHARE_ZERO, 3)
def test_every_weight_takes_its_nearest_shared_value(array, bits):
    shared = compression.share(array, bits)
    assert len(shared.codebook) <= 2**bits - 1
    np.testing.assert_array_equal(shared.labels == 0, array == 0)
    assert (shared.values()[array == 0] == 0).all()
    if (shared.codebook != 0).all():
        np.testing.assert_array_equal(shared.values() == 0, array == 0)
    nonzero = array[array != 0]
    if nonzero.size:
        nearest = np.abs(nonzero[:, None] - shared.codebook).min(axis=1)
        np.testing.assert_allclose(np.abs(shared.values() - array)[array != 0], nearest, atol=1e-5)


@given(weights)
def test_few_different_weights_are_kept_exactly(array):
    np.testing.assert_array_equal(compression.share(array, 16).values(), array)


def lloyd(numbers, clusters):
    """k-means of numbers from evenly spaced centroids, the plain way."""
    centroids = np.linspace(numbers.min(), numbers.max(), clusters)
    while True:
        nearest = np.abs(numbers[:, None] - centroids).argmin(axis=1)
        means = [
            numbers[nearest == i].mean() if (nearest == i).any() else centroid
            for i, centroid in enumerate(centroids)
        ]
        if np.allclose(means, centroids, rtol=0, atol=1e-12):
            return centroids[np.unique(nearest)]
        centroids = np.array(means)


@settings(max_examples=50)
@given(st.integers(0, 1000), st.integers(1, 7))
def test_centroids_are_those_of_k_means_from_an_even_start(seed, clusters):
    numbers = np.random.default_rng(seed).normal(size=40)
    centroids, nearest = cluster(numbers, clusters)
    np.testing.assert_allclose(centroids, lloyd(numbers, clusters), rtol=1e-6)
    for number, centroid in enumerate(centroids):
        np.testing.assert_allclose(numbers[nearest == number].mean(), centroid, rtol=1e-5)


@pytest.mark.parametrize("bits", [0, 17, 2.0])
def test_impossible_bits_are_refused(bits):
    with pytest.raises(ValueError, match="`bits` must be"):
        compression.share(np.ones(3), bits)


def shared_network():
    model = network()
    compression.prune(model, {"second": 0.3})
    return model, compression.share_kernels(model, 2)


def test_codebooks_compute_what_the_kernels_do():
    model, shared = shared_network()
    x, _ = batch()
    np.testing.assert_allclose(compression.SharedWeights(model, shared)(x), model(x), rtol=1e-6)


def test_a_codebooks_gradient_is_the_sum_over_the_weights_that_share_it():
    model, shared = shared_network()
    x, y = batch()
    loss = keras.losses.SparseCategoricalCrossentropy()
    with tf.GradientTape() as tape:
        value = loss(y, model(x))
    kernels = list(compression.kernels(model).items())
    by_weight = tape.gradient(value, [kernel.value for _, kernel in kernels])
    tied = compression.SharedWeights(model, shared)
    with tf.GradientTape() as tape:
        value = loss(y, tied(x))
    codebooks = [w for w in tied.trainable_variables if "codebook" in w.path]
    assert len(codebooks) == len(kernels)
    by_value = tape.gradient(value, [codebook.value for codebook in codebooks])
    for (path, _), each, gradient in zip(kernels, by_weight, by_value, strict=True):
        expected = [
            each.numpy()[shared[path].labels == label].sum()
            for label in range(1, len(shared[path].codebook) + 1)
        ]
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-7)


def test_tuning_moves_shared_values_biases_and_statistics_and_nothing_else():
    model, shared = shared_network()
    before = {weight.path: weight.numpy() for weight in model.weights}
    seeds = [v.numpy() for v in model.variables if "seed" in v.path]
    tied = compression.SharedWeights(model, shared)
    tied.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    tied.fit(*batch(), epochs=2, verbose=0)
    for path in shared:
        kernel = next(w for w in model.weights if w.path == path)
        np.testing.assert_array_equal(kernel, before[path])
    tuned = tied.write_back()
    for weight in model.weights:
        assert (weight.numpy() != before[weight.path]).any(), weight.path
    for path, kernel in compression.kernels(model).items():
        np.testing.assert_array_equal(tuned[path].labels, shared[path].labels)
        np.testing.assert_array_equal(kernel, tuned[path].values())
    assert (model.get_layer("second").kernel.numpy() == 0).mean() == pytest.approx(0.7, abs=0.01)
    assert set(compression.kernels(model)) == set(shared)
    moved = [v.numpy() for v in model.variables if "seed" in v.path]
    assert not np.array_equal(seeds, moved)
