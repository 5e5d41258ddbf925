"""Layers that the books need and Keras lacks."""

from kerasref.layers.grouped_conv2d import GroupedConv2D
from kerasref.layers.local_response_normalization import LocalResponseNormalization
from kerasref.layers.normalization import normalization
from kerasref.layers.sparse_conv2d import LENET5_C3, SparseConv2D
from kerasref.layers.trainable_subsampling import TrainableSubsampling

__all__ = [
    "LENET5_C3",
    "GroupedConv2D",
    "LocalResponseNormalization",
    "SparseConv2D",
    "TrainableSubsampling",
    "normalization",
]
