"""The normalisation that a builder's `norm` names."""

import keras
import numpy as np
import pytest

from kerasref.layers import LocalResponseNormalization, normalization


def test_none_changes_nothing():
    x = np.ones((1, 2))
    assert normalization(None, "norm1")(x) is x


def test_kinds_give_named_layers():
    batch, lrn = normalization("batch", "norm1"), normalization("lrn", "norm2")
    assert isinstance(batch, keras.layers.BatchNormalization)
    assert (batch.momentum, batch.epsilon, batch.name) == (0.9, 1e-5, "norm1")
    assert isinstance(lrn, LocalResponseNormalization)
    assert lrn.name == "norm2"


@pytest.mark.parametrize(
    ("kind", "hint"), [("lnr", "did you mean 'lrn'"), (3, "known: None, 'batch', 'lrn'")]
)
def test_unknown_kind_gets_the_nearest(kind, hint):
    with pytest.raises(ValueError, match=f"`norm` cannot be .*{hint}"):
        normalization(kind, "norm1")
