"""The checks of Inception: right on the networks, and able to fail."""

import keras
import pytest

from kerasref.checks import inception
from kerasref.models.inception_modules import KINDS, Conv, split

BODY = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(1, 5)])
SMALL = {"width": 0.25, "stages": (2,), "input_shape": (32, 32, 1)}


def test_modules_are_counted_on_the_layers():
    # Module 3a, a quarter of the width, on 48 channels: by hand.
    found = inception.modules("GoogLeNetD2L", ["inception3a"], SMALL)
    assert found == {
        "inception3a.params": 49 * 16 + 49 * 24 + 217 * 32 + 49 * 4 + 101 * 8 + 49 * 8,
        "inception3a.convolutions": 6,
        "inception3a.channels": 64,
        "inception3a.side": 4,
        "inception3a.paths": 4,
    }
    with pytest.raises(ValueError, match="no module 'inception9'"):
        inception.modules("GoogLeNetD2L", ["inception9"], SMALL)


def test_wiring_of_a_network():
    found = inception.wiring("GoogLeNetD2L", {**SMALL, "module": "v2"})
    assert found["depth"] == 3 + 2 * 3 + 1  # the path with two 3x3 is the longest
    assert found["convolutions"] == 3 + 2 * 7
    assert found["concatenations"] == 2
    assert inception.wiring("InceptionSmall", {"residual": True})["additions"] == 3


def test_module_sizes_follow_the_formulas():
    found = inception.module_sizes()
    for c in (1, 16):
        assert found[f"naive_{c}"] == 140 * c + 12
        assert found[f"v1_{c}"] == 16 * c + 568
        assert found[f"v2_{c}"] == 16 * c + 460
        assert found[f"v3_{c}"] == 16 * c + 288
    assert found["conv_16"] == 2320


def test_reduction_and_growth():
    found = inception.reduction()
    assert (found["path2_direct"], found["path2"]) == (221_312, 129_248)
    assert (found["path3_direct"], found["path3"]) == (153_632, 15_920)
    assert (found["module_direct"], found["module"]) == (393_472, 163_696)
    assert inception.growth(count=3, channels=4)["naive_growth"] == 4**3


def test_receptive_field_is_measured(monkeypatch):
    assert set(inception.path_receptive_field().values()) == {5}
    seven = lambda *widths: split(Conv(1), Conv(1), (Conv(1, (7, 3)), Conv(1, 3)))  # noqa: E731
    monkeypatch.setitem(KINDS, "v2", seven)
    changed = inception.path_receptive_field()
    assert (changed["v2_height"], changed["v2_width"]) == (9, 5)


def test_vgg_receptive_fields_are_the_books():
    found = inception.vgg_receptive_fields()
    assert [found[f"vgg16_{k}x{k}"] for k in (1, 3, 5)] == [196, 228, 260]
    assert [found[f"spread_{stage}"] for stage in range(1, 6)] == [4, 8, 16, 32, 64]


def test_topology_tells_networks_apart():
    found = inception.topology()
    assert all(found[part] for part in ("a", "b", "c", "reduction_a", "reduction_b"))
    assert found["stem"] == found["same_widths"] == 0
    scaled = inception.topology("InceptionResNetV2", "InceptionResNetV2Slim")
    assert scaled["a"] == 0  # the released modules scale their sums
    assert scaled["reduction_a"] == 1


def test_smallest_input_does_not_believe_the_builder(monkeypatch):
    assert inception.smallest_input("InceptionMNIST") == {"side": 4, "refused": 1}
    monkeypatch.setattr(inception, "_unallocated", lambda builder, arguments=None: BODY)
    assert inception.smallest_input("InceptionMNIST") == {"side": 5, "refused": 0}


def test_residual_scaling_is_the_formula(monkeypatch):
    found = inception.residual_scaling()
    assert found["error"] < 1e-5
    assert found["effect"] > 0.1
    rescaling = keras.layers.Rescaling
    monkeypatch.setattr(keras.layers, "Rescaling", lambda s, name: rescaling(2 * s, name=name))
    assert inception.residual_scaling()["error"] > 0.1


def test_auxiliary_losses_add_to_the_gradient():
    found = inception.auxiliary_gradient(seed=0, examples=4)
    assert found["ratio"] == pytest.approx(found["with_heads"] / found["without"])
    assert inception.auxiliary_gradient(seed=0, weight=0.0, examples=4)["ratio"] == 1
