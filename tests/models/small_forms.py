"""Arguments that make builders small enough for a test; the others run in their default form."""

_DPN = {
    "blocks": (2,),
    "growth": (4,),
    "residual": 32,
    "input_shape": (32, 32, 3),
    "classes": 10,
}

_VGG = {"width": 0.0625, "input_shape": (32, 32, 3), "classes": 10}

_RESNET = {"blocks": (1, 1), "width": 8, "input_shape": (24, 24, 3), "classes": 10}

RUNNABLE = {
    "AlexNet": {"input_shape": (67, 67, 3), "classes": 10},
    "AlexNetBN": {"input_shape": (67, 67, 3)},
    "AnyNet": {
        "depths": (1, 1),
        "widths": (8, 16),
        "stem_channels": 8,
        "input_shape": (16, 16, 3),
        "classes": 10,
    },
    "RegNetX32": {"depths": (1, 1), "widths": (16, 32), "input_shape": (16, 16, 1)},
    "RegNetY32": {"depths": (1,), "widths": (16,), "input_shape": (16, 16, 1)},
    "AlexNetD2L": {"input_shape": (67, 67, 1)},
    # Class maps behind a ReLU may die, and then nothing fits one batch (D2L-X19).
    "NIN": {"width": 0.125, "input_shape": (16, 16, 3), "final_activation": None},
    "NiNSmall": {"width": 0.5, "final_activation": None},
    "NiND2L": {"width": 0.125, "input_shape": (75, 75, 1)},
    **{
        name: {"blocks": (1, 1), "growth_rate": 4, "input_shape": (33, 33, 3), "classes": 10}
        for name in ("DenseNet", "DenseNet121", "DenseNet169", "DenseNet201", "DenseNet264")
    },
    "DenseNetCIFAR": {"depth": 7, "growth_rate": 4, "input_shape": (16, 16, 3)},
    "DenseNetD2L": {
        "blocks": (2, 1),
        "growth_rate": 4,
        "stem_channels": 8,
        "input_shape": (33, 33, 1),
    },
    "DenseNetMNIST": {"blocks": (2, 1), "input_shape": (16, 16, 1)},
    "DPN92": {**_DPN, "width": 32},
    "DPN98": {**_DPN, "width": 40},
    "DPN131": {**_DPN, "width": 40},
    "DPNSmall": {"blocks": (1, 1), "growth": (4, 8), "input_shape": (16, 16, 1)},
    "VGG11": _VGG,
    "VGG11LRN": _VGG,
    "VGG13": _VGG,
    "VGG16": _VGG,
    "VGG16C": _VGG,
    "VGG19": _VGG,
    "VGG11D2L": {"width": 0.0625, "input_shape": (32, 32, 1)},
    "VGG11SlimD2L": {"width": 0.25, "input_shape": (32, 32, 1)},
    "ResNet18": _RESNET,
    "ResNet34": _RESNET,
    "ResNet50": _RESNET,
    "ResNet101": _RESNET,
    "ResNet152": _RESNET,
    "ResNet18V2": _RESNET,
    "ResNet34V2": _RESNET,
    "ResNet50V2": _RESNET,
    "ResNet101V2": _RESNET,
    "ResNet152V2": _RESNET,
    "SEResNet50": _RESNET,
    "ResNeXt50": {**_RESNET, "groups": 4},
    "ResNet18D2L": {**_RESNET, "input_shape": (24, 24, 1)},
    "ResNetCIFAR": {"depth": 8, "width": 8, "input_shape": (12, 12, 3)},
    "ResNetV1MNIST": {"width": 8, "input_shape": (10, 10, 1)},
    "ResNetV2MNIST": {"width": 8, "input_shape": (10, 10, 1)},
    "GoogLeNet": {"width": 0.125, "stages": (1,), "input_shape": (24, 24, 3), "classes": 10},
    "SEInception": {"width": 0.125, "stages": (1,), "input_shape": (24, 24, 3), "classes": 10},
    "GoogLeNetD2L": {"width": 0.125, "stages": (1,), "input_shape": (24, 24, 1)},
    "InceptionV3": {"blocks": (1,), "input_shape": (43, 43, 3), "classes": 10},
    "InceptionV4": {"blocks": (1,), "input_shape": (43, 43, 3), "classes": 10},
    "InceptionResNetV1": {"blocks": (1,), "input_shape": (43, 43, 3), "classes": 10},
    "InceptionResNetV2": {"blocks": (1,), "input_shape": (43, 43, 3), "classes": 10},
    "InceptionResNetV2Slim": {"blocks": (1,), "input_shape": (43, 43, 3), "classes": 10},
    "InceptionMNIST": {"input_shape": (12, 12, 1)},
    "ConvMNIST": {"input_shape": (12, 12, 1)},
    "InceptionSmall": {
        "maps": 16,
        "stages": (("conv", "inception"),),
        "input_shape": (12, 12, 1),
    },
}
