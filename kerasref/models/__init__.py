"""Functional builders of the books' networks, one file per family."""

from kerasref.models.alexnet import AlexNet, AlexNetBN, AlexNetD2L, AlexNetSmall
from kerasref.models.anynet import AnyNet, RegNetX32, RegNetY32
from kerasref.models.bn_lenet import BNLeNet
from kerasref.models.condensenet import (
    CondenseNet74,
    CondenseNet86CIFAR,
    CondenseNet182CIFAR,
    CondenseNetSmall,
)
from kerasref.models.densenet import (
    DenseMLP,
    DenseNet,
    DenseNet121,
    DenseNet169,
    DenseNet201,
    DenseNet264,
    DenseNetCIFAR,
    DenseNetD2L,
    DenseNetMNIST,
)
from kerasref.models.dpn import DPN92, DPN98, DPN131, DPNSmall
from kerasref.models.googlenet import GoogLeNet, GoogLeNetD2L, SEInception
from kerasref.models.guidelines import ElementWiseProbe, FragmentProbe, GroupProbe, WidthProbe
from kerasref.models.inception_mnist import ConvMNIST, InceptionMNIST, InceptionSmall
from kerasref.models.inception_v3 import InceptionV3
from kerasref.models.inception_v4 import (
    InceptionResNetV1,
    InceptionResNetV2,
    InceptionResNetV2Slim,
    InceptionV4,
)
from kerasref.models.lenet import LeNet5, LeNet5D2L, LeNet5Keras
from kerasref.models.maxout_mlp import MaxoutMLP
from kerasref.models.mobilenet import MobileNet, MobileNetSmall
from kerasref.models.mobilenet_book import MobileNetV2Book, SimpleMobileNetV1, SimpleNaiveConvNet
from kerasref.models.mobilenet_v2 import MobileNetV2, MobileNetV2Small
from kerasref.models.nin import NIN, NiND2L, NINLeNet, NINLeNetBook, NiNSmall
from kerasref.models.resnet import (
    ResNet18,
    ResNet18D2L,
    ResNet18V2,
    ResNet34,
    ResNet34V2,
    ResNet50,
    ResNet50V2,
    ResNet101,
    ResNet101V2,
    ResNet152,
    ResNet152V2,
    ResNeXt50,
    ResNeXt101,
    SEResNet50,
)
from kerasref.models.resnet_cifar import ResNetCIFAR, ResNetV1MNIST, ResNetV2MNIST
from kerasref.models.resnext import ResNeXtCIFAR
from kerasref.models.shufflenet import ShuffleNet
from kerasref.models.shufflenet_v2 import ShuffleNetV2
from kerasref.models.squeezenet import SqueezeNet, SqueezeNetSmall
from kerasref.models.vgg import (
    VGG11,
    VGG11D2L,
    VGG11LRN,
    VGG13,
    VGG16,
    VGG16C,
    VGG19,
    VGG11SlimD2L,
    VGGSmall,
)
from kerasref.models.xception import Xception, XceptionSmall

__all__ = [
    "DPN92",
    "DPN98",
    "DPN131",
    "NIN",
    "VGG11",
    "VGG11D2L",
    "VGG11LRN",
    "VGG13",
    "VGG16",
    "VGG16C",
    "VGG19",
    "AlexNet",
    "AlexNetBN",
    "AlexNetD2L",
    "AlexNetSmall",
    "AnyNet",
    "BNLeNet",
    "CondenseNet74",
    "CondenseNet86CIFAR",
    "CondenseNet182CIFAR",
    "CondenseNetSmall",
    "ConvMNIST",
    "DPNSmall",
    "DenseMLP",
    "DenseNet",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "DenseNet264",
    "DenseNetCIFAR",
    "DenseNetD2L",
    "DenseNetMNIST",
    "ElementWiseProbe",
    "FragmentProbe",
    "GoogLeNet",
    "GoogLeNetD2L",
    "GroupProbe",
    "InceptionMNIST",
    "InceptionResNetV1",
    "InceptionResNetV2",
    "InceptionResNetV2Slim",
    "InceptionSmall",
    "InceptionV3",
    "InceptionV4",
    "LeNet5",
    "LeNet5D2L",
    "LeNet5Keras",
    "MaxoutMLP",
    "MobileNet",
    "MobileNetSmall",
    "MobileNetV2",
    "MobileNetV2Book",
    "MobileNetV2Small",
    "NINLeNet",
    "NINLeNetBook",
    "NiND2L",
    "NiNSmall",
    "RegNetX32",
    "RegNetY32",
    "ResNeXt50",
    "ResNeXt101",
    "ResNeXtCIFAR",
    "ResNet18",
    "ResNet18D2L",
    "ResNet18V2",
    "ResNet34",
    "ResNet34V2",
    "ResNet50",
    "ResNet50V2",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "ResNetCIFAR",
    "ResNetV1MNIST",
    "ResNetV2MNIST",
    "SEInception",
    "SEResNet50",
    "ShuffleNet",
    "ShuffleNetV2",
    "SimpleMobileNetV1",
    "SimpleNaiveConvNet",
    "SqueezeNet",
    "SqueezeNetSmall",
    "VGG11SlimD2L",
    "VGGSmall",
    "WidthProbe",
    "Xception",
    "XceptionSmall",
]
