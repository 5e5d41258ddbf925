"""Archives: what comes back, what they measure, and what damage does to them."""

import os

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasref import compression
from kerasref.compression.archive import Streams


def network(seed=0, units=5, dense=True):
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(12, 3, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(units, name="dense")(x) if dense else x
    return keras.Model(image, x, name="net")


def compressed(density=0.2, bits=4):
    model = network()
    compression.prune(model, density)
    return model, compression.share_kernels(model, bits)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    model, shared = compressed()
    path = tmp_path_factory.mktemp("archive") / "model.krdc"
    compression.save(path, model, shared, 3)
    return model, path


@pytest.mark.parametrize(
    ("density", "bits", "index_bits"), [(0.2, 4, 3), (1.0, 16, 1), (0.01, 1, 16)]
)
def test_a_new_model_gets_every_weight_bit_for_bit(tmp_path, density, bits, index_bits):
    model, shared = compressed(density, bits)
    for weight in model.get_layer("norm").weights:
        weight.assign(np.random.default_rng(0).uniform(0.5, 2, weight.shape))
    compression.save(tmp_path / "model.krdc", model, shared, index_bits)
    other = network(seed=9)
    compression.load(tmp_path / "model.krdc", other)
    for ours, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    x = np.random.default_rng(1).normal(size=(4, 8, 8, 1))
    np.testing.assert_array_equal(model(x), other(x))


def test_weights_that_are_not_shared_come_back_too(tmp_path):
    model = network()
    compression.save(tmp_path / "model.krdc", model, {}, 4)
    other = network(seed=9)
    compression.load(tmp_path / "model.krdc", other)
    for ours, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_file_is_small(archive):
    model, path = archive
    plain = path.with_suffix(".weights.h5")
    model.save_weights(plain)
    assert path.stat().st_size < 0.5 * 4 * model.count_params()
    assert path.stat().st_size < 0.2 * plain.stat().st_size


def test_sizes_by_hand():
    """12 x 9 and 5 x 432 kernel weights; 12 + 4 x 12 + 5 others."""
    model, shared = compressed(density={"dense": 0.2}, bits=4)
    sizes = compression.sizes(model, shared, label_bits=4, index_bits=8)
    assert sizes.params == 108 + 2160 + 65
    assert sizes.kept == 108 + 432 + 65
    assert sizes.dense == 32 * sizes.params
    assert len(Streams.of(shared["dense/kernel"], 8).steps) == 432
    assert sizes.pruned == 32 * 108 + (32 + 8) * 432 + 32 * 65
    codebooks = sum(len(kernel.codebook) for kernel in shared.values())
    assert sizes.shared == 4 * 108 + (4 + 8) * 432 + 32 * codebooks + 32 * 65


@pytest.mark.parametrize("kept", [0, 3, 5, 40, 0.5, -1])
def test_a_file_that_is_cut_off_says_so_and_changes_nothing(archive, tmp_path, kept):
    _, whole = archive
    content = whole.read_bytes()
    path = tmp_path / "cut.krdc"
    path.write_bytes(content[: int(kept * len(content)) if kept == 0.5 else kept])
    model = network(seed=9)
    before = model.get_weights()
    with pytest.raises(compression.ArchiveError, match=r"cut\.krdc: is (no archive|damaged)") as e:
        compression.load(path, model)
    assert "\n" not in str(e.value)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_is_noticed(archive, tmp_path, data):
    content = bytearray(archive[1].read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "bad.krdc").write_bytes(content)
    with pytest.raises(compression.ArchiveError):
        compression.load(tmp_path / "bad.krdc", network(seed=9))


def test_an_archive_of_another_model_names_the_weight(archive):
    with pytest.raises(
        compression.ArchiveError,
        match=r"has dense/kernel \[432, 5\] where net has dense/kernel \[432, 6\]",
    ):
        compression.load(archive[1], network(units=6))
    with pytest.raises(compression.ArchiveError, match="has 8 weights, net has 6"):
        compression.load(archive[1], network(dense=False))
    with pytest.raises(OSError, match="absent"):
        compression.load(archive[1].with_name("absent.krdc"), network())


def test_a_failed_write_leaves_the_older_file(archive, tmp_path, monkeypatch):
    model, shared = compressed()
    path = tmp_path / "model.krdc"
    compression.save(path, model, shared, 3)
    older = path.read_bytes()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        compression.save(path, model, {}, 3)
    assert path.read_bytes() == older
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_arguments_are_named(tmp_path):
    model, shared = compressed()
    with pytest.raises(ValueError, match="`index_bits` must be 16 at most"):
        compression.pack(model, shared, 17)
    with pytest.raises(ValueError, match="net has no weight 'other/kernel'"):
        compression.pack(model, {"other/kernel": shared["dense/kernel"]}, 4)
