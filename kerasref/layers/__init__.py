"""Layers that the books need and Keras lacks."""

from kerasref.layers.batch_norm_from_scratch import BatchNormFromScratch
from kerasref.layers.batch_whitening import BatchWhitening
from kerasref.layers.channel_shuffle import ChannelShuffle
from kerasref.layers.channel_split import ChannelSplit
from kerasref.layers.grouped_conv2d import GroupedConv2D
from kerasref.layers.index_channels import IndexChannels
from kerasref.layers.indexed_group_conv2d import IndexedGroupConv2D
from kerasref.layers.learned_group_conv2d import LearnedGroupConv2D
from kerasref.layers.local_response_normalization import LocalResponseNormalization
from kerasref.layers.maxout import Maxout
from kerasref.layers.normalization import normalization
from kerasref.layers.pad_channels import PadChannels
from kerasref.layers.sparse_conv2d import LENET5_C3, SparseConv2D
from kerasref.layers.squeeze_excitation import SqueezeExcitation
from kerasref.layers.trainable_subsampling import TrainableSubsampling

__all__ = [
    "LENET5_C3",
    "BatchNormFromScratch",
    "BatchWhitening",
    "ChannelShuffle",
    "ChannelSplit",
    "GroupedConv2D",
    "IndexChannels",
    "IndexedGroupConv2D",
    "LearnedGroupConv2D",
    "LocalResponseNormalization",
    "Maxout",
    "PadChannels",
    "SparseConv2D",
    "SqueezeExcitation",
    "TrainableSubsampling",
    "normalization",
]
