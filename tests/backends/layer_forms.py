"""Forms in which each layer is tried on every backend: shape of its input, then its arguments."""

LAYERS = {
    "BatchNormFromScratch": [
        ((4, 3, 5), {}),
        ((6,), {"momentum": 0.5, "virtual_batch": 2, "affine": False}),
        ((6,), {"center": False}),
        ((6,), {"divide": False}),
    ],
    "BatchWhitening": [((4, 3, 6), {"group_size": 3})],
    "ChannelShuffle": [((5, 4, 6), {"groups": 3}), ((8,), {"groups": 2})],
    "ChannelSplit": [((5, 4, 6), {"channels": 2})],
    "GroupedConv2D": [
        ((7, 6, 4), {"filters": 6, "kernel_size": 3, "groups": 2, "padding": "same"}),
        ((7, 6, 4), {"filters": 4, "kernel_size": (3, 2), "groups": 4, "dilation_rate": 2}),
        ((9, 8, 2), {"filters": 4, "kernel_size": 3, "groups": 2, "strides": 2, "use_bias": False}),
    ],
    "IndexChannels": [((5, 4, 6), {"indices": [5, 0, 5, 2]})],
    "IndexedGroupConv2D": [
        ((5, 4, 6), {"filters": 4, "groups": 2, "condensation": 2}),
        ((5, 4, 6), {"filters": 3, "groups": 3, "condensation": 2, "use_bias": True}),
    ],
    "LearnedGroupConv2D": [
        ((5, 4, 6), {"filters": 4, "groups": 2, "condensation": 2}),
        ((5, 4, 6), {"filters": 3, "groups": 3, "condensation": 3, "use_bias": True}),
    ],
    "LocalResponseNormalization": [((3, 4, 7), {}), ((5,), {"k": 1.0, "n": 3, "alpha": 0.5})],
    "Maxout": [((4,), {"units": 3, "pieces": 2})],
    "PadChannels": [((3, 4, 2), {"channels": 5})],
    "SparseConv2D": [
        ((6, 5, 3), {"connections": [[0, 2], [1]], "kernel_size": 3, "activation": "tanh"}),
        ((6, 5, 3), {"connections": [[2, 1, 0]], "kernel_size": 3, "padding": "same"}),
    ],
    "SqueezeExcitation": [
        ((5, 4, 6), {"ratio": 2}),
        ((5, 4, 6), {"ratio": 3, "squeeze": "regions", "hidden": 2, "use_bias": True}),
        ((5, 4, 6), {"squeeze": "flatten", "hidden": 0}),
    ],
    "TrainableSubsampling": [((6, 5, 3), {"pool_size": 2})],
}
