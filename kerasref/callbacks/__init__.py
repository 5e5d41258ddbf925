"""Callbacks that the books need and Keras lacks; experiments name them as they name Keras's."""

from kerasref.callbacks.condense import Condense

__all__ = ["Condense"]
