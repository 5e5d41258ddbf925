"""Regularizers that the books need and Keras lacks."""

from kerasref.regularizers.group_lasso import GroupLasso

__all__ = ["GroupLasso"]
