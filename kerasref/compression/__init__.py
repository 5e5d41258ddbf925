"""Deep compression: pruning, weight sharing and Huffman coding, down to a file and back."""

from kerasref.compression.archive import ArchiveError, load, pack, save
from kerasref.compression.pruning import densities, kernels, magnitude_mask, masked, prune
from kerasref.compression.sizes import Sizes, sizes
from kerasref.compression.weight_sharing import Shared, SharedWeights, share, share_kernels

__all__ = [
    "ArchiveError",
    "Shared",
    "SharedWeights",
    "Sizes",
    "densities",
    "kernels",
    "load",
    "magnitude_mask",
    "masked",
    "pack",
    "prune",
    "save",
    "share",
    "share_kernels",
    "sizes",
]
