"""Group lasso: whole groups of weights go to zero together."""

from __future__ import annotations

import keras
from keras import ops

from kerasref.layers.arguments import check_positive_integer


@keras.saving.register_keras_serializable(package="kerasref")
class GroupLasso(keras.regularizers.Regularizer):
    """`strength` times the sum of the Euclidean norms of groups of weights (2.12).

    A group is all weights from one input feature to one group of consecutive filters. The penalty
    makes the filters of a group agree on the features that they do without.

    Args:
        strength: factor of the penalty, at least 0.
        groups: G, groups of filters; the last axis of the weights must be a multiple of it.

    The gradient of a group that is zero is zero.

    Raises:
        ValueError: an argument out of its range, or weights that `groups` does not divide.

    Source: Yuan and Lin 2006; Huang et al. 2018, section 3.1; dlnotes 2.6, ledger A2.6-2.
    """

    def __init__(self, strength=1e-5, groups=4):
        if not strength >= 0:
            raise ValueError(f"`strength` must be at least 0, not {strength!r}")
        self.strength = float(strength)
        self.groups = check_positive_integer("groups", groups)

    def __call__(self, weights):
        *window, features, filters = weights.shape
        if filters % self.groups:
            raise ValueError(f"`groups` must divide {filters} filters, {self.groups} does not")
        grouped = ops.reshape(weights, (*window, features, self.groups, -1))
        squares = ops.sum(ops.square(grouped), axis=(*range(len(window)), -1))
        there = squares > 0
        norms = ops.where(there, ops.sqrt(ops.where(there, squares, 1.0)), 0.0)
        return self.strength * ops.sum(norms)

    def get_config(self):
        return {"strength": self.strength, "groups": self.groups}
