"""The schedule of learned group convolution."""

from __future__ import annotations

import keras

from kerasref.layers import LearnedGroupConv2D


class Condense(keras.callbacks.Callback):
    """Condenses every `LearnedGroupConv2D` of the model: C - 1 condensing stages, then the rest.

    The first half of the M epochs is divided into C - 1 equal condensing stages of M / (2 (C - 1))
    epochs; after each, 1/C of the features of each group are masked. The second half, the
    optimisation stage, trains what remains. Each layer goes by its own factor C. A stage that ends
    within an epoch condenses at the end of that epoch.

    The callback remembers nothing: what is masked stands in the weights, and how often a layer
    should have condensed follows from the number of the epoch. A resumed run goes on as an
    uninterrupted one.

    Raises:
        ValueError: when training begins, the model has no such layer, or fewer epochs than the
            stages need: 2 (C - 1).

    Source: Huang et al. 2018, section 3.1; dlnotes 2.6, ledger M2.6a, A2.6-3.
    """

    def on_train_begin(self, logs=None):
        layers = self._layers()
        if not layers:
            raise ValueError(f"Condense: {self.model.name} has no LearnedGroupConv2D")
        needed = 2 * (max(layer.condensation for layer in layers) - 1)
        if self.params["epochs"] < needed:
            raise ValueError(
                f"Condense: the condensing stages need at least {needed} epochs, not "
                f"{self.params['epochs']}"
            )

    def on_epoch_begin(self, epoch, logs=None):
        for layer in self._layers():
            last = layer.condensation - 1
            due = min(last, 2 * last * epoch // self.params["epochs"])
            while layer.stage < due:
                layer.condense()

    def _layers(self):
        layers = self.model._flatten_layers(include_self=False)
        return [layer for layer in layers if isinstance(layer, LearnedGroupConv2D)]
