"""Functional builders of the books' networks, one file per family."""

from kerasref.models.alexnet import AlexNet, AlexNetBN, AlexNetSmall
from kerasref.models.lenet import LeNet5, LeNet5Keras

__all__ = ["AlexNet", "AlexNetBN", "AlexNetSmall", "LeNet5", "LeNet5Keras"]
