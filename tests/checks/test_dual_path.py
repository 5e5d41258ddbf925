"""The identities of dlnotes 1.7 hold under their conditions and fail without them."""

import pytest

from kerasref.checks import dual_path

TINY = 1e-10


def test_convolution_of_a_concatenation_is_a_sum():
    found = dual_path.concatenation()
    assert found["error_1x1"] < TINY
    assert found["error_3x3"] < TINY
    assert found["relu_error"] > 0.1


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_resnet_is_a_densenet_with_tied_weights(depth):
    found = dual_path.residual_is_tied_dense(depth=depth, channels=4)
    assert found["error"] < TINY
    assert found["untied_difference"] > 1e-3
    assert found["weights_dense"] == 16 * depth * (depth + 1) / 2
    assert found["weights_residual"] == 16 * depth


def test_resnet_with_shared_blocks_is_an_rnn():
    found = dual_path.shared_residual_is_rnn(depth=5)
    assert found["error"] < TINY
    assert found["unshared_difference"] > 1e-3
    assert found["weights_residual"] == 5 * found["weights_rnn"]


def test_densenet_is_a_hornn_only_without_its_sharing():
    found = dual_path.dense_is_free_hornn(depth=4)
    assert found["free_error"] < TINY
    assert found["shared_error"] < TINY
    assert found["sharing_difference"] > 1e-3


def test_dual_path_contains_both():
    assert max(dual_path.dual_path().values()) < TINY


def test_costs_of_dpn92_by_hand():
    """Positions times channels in times channels out, block by block."""
    found = dual_path.costs()
    stages = [(3, 56, 96, 256, 16), (4, 28, 192, 512, 32), (20, 14, 384, 1024, 24)]
    stages.append((3, 7, 768, 2048, 128))
    reduce = grouped = weights = values = kept = wide = 0
    seen, before = 64, 56
    for blocks, side, width, residual, growth in stages:
        for block in range(1, blocks + 1):
            reduce += (before if block == 1 else side) ** 2 * seen * width
            grouped += side**2 * 9 * width**2 * 31 // 32
            weights += 9 * width**2 * 31 // 32
            seen = residual + (block + 2) * growth
            values += side**2 * seen
            kept += side**2 * residual
            wide += side**2 * residual * (block + 3)
        before = side
    assert found["macs"] == 6_501_684_224
    assert found["separate_macs"] == reduce
    assert found["ungrouped_macs"] == grouped
    assert found["ungrouped_params"] == weights
    assert (found["map_values"], found["residual_values"]) == (values, kept)
    assert found["wide_map_values"] == wide
