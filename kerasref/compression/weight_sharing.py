"""Weight sharing: all weights of a kernel take one of a few values, which are then trained.

Han, Mao, Dally: Deep compression, 2016, section 3. The values are the centroids of k-means that
starts from evenly spaced ones (linear initialisation, the paper's best), and a centroid's gradient
is the sum of those of the weights that share it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from kerasref.compression.pruning import kernels
from kerasref.layers.arguments import check_positive_integer

ITERATIONS = 200


@dataclasses.dataclass(frozen=True)
class Shared:
    """A kernel as labels and a codebook.

    Attributes:
        labels: for each weight 0 if it is zero, else i for `codebook[i - 1]`; integers in the
            kernel's shape.
        codebook: the shared values, float32.
    """

    labels: np.ndarray
    codebook: np.ndarray

    def values(self) -> np.ndarray:
        """The kernel, float32."""
        return np.concatenate([np.zeros(1, "float32"), self.codebook])[self.labels]


def share(weights: np.ndarray, bits: int) -> Shared:
    """Cluster the weights that are not zero.

    A label must fit `bits` bits and zero needs one of them, so there are at most `2**bits - 1`
    shared values; fewer where fewer are different.

    Args:
        weights: a kernel.
        bits: of a label, 1 to 16.

    Raises:
        ValueError: `bits` out of its range.
    """
    check_positive_integer("bits", bits)
    if bits > 16:
        raise ValueError(f"`bits` must be 16 at most, not {bits!r}")
    flat = np.asarray(weights, "float32").ravel()
    labels = np.zeros(flat.size, "int32")
    places = np.flatnonzero(flat)
    if not places.size:
        return Shared(labels.reshape(weights.shape), np.zeros(0, "float32"))
    codebook, clusters = cluster(flat[places], 2**bits - 1)
    labels[places] = clusters + 1
    return Shared(labels.reshape(weights.shape), codebook)


def cluster(values: np.ndarray, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """k-means of numbers, from centroids spaced evenly between the smallest and the largest.

    Args:
        values: one or more numbers, `(n,)`.
        clusters: largest number of centroids. Those that end with no value are left out; where
            there are no more different values than that, each is its own centroid.

    Returns:
        The centroids in ascending order, float32, and the index of each value's one, `(n,)`.
    """
    distinct, inverse = np.unique(values, return_inverse=True)
    if distinct.size <= clusters:
        return distinct.astype("float32"), inverse
    ordered = np.sort(values.astype("float64"))
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centroids = np.linspace(ordered[0], ordered[-1], clusters)
    for _ in range(ITERATIONS):
        ends = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2)
        edges = np.concatenate([[0], ends, [ordered.size]])
        counts = np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(counts, 1)
        moved = np.where(counts > 0, means, centroids)
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    centroids = centroids[counts > 0]
    nearest = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, values.astype("float64"))
    used, nearest = np.unique(nearest, return_inverse=True)
    return centroids[used].astype("float32"), nearest


def share_kernels(model: keras.Model, bits: int) -> dict[str, Shared]:
    """Cluster every kernel of a model and set its weights to their shared values.

    Args:
        model: changed in place; zero weights stay zero.
        bits: as in `share`.

    Returns:
        The labels and codebook of each kernel by path.

    Raises:
        ValueError: as `share`.
    """
    shared = {
        path: share(ops.convert_to_numpy(kernel), bits) for path, kernel in kernels(model).items()
    }
    for path, kernel in kernels(model).items():
        kernel.assign(shared[path].values())
    return shared


class SharedWeights(keras.Model):
    """A model that computes what another one does with kernels looked up in trainable codebooks.

    Trained, it trains the codebooks and, in place, all other variables of the model, such as
    biases and moving statistics. The model's own kernels rest, and are not trainable, until
    `write_back`.

    Input and output: those of the model.

    Args:
        model: built.
        shared: labels and codebook of each of its kernels, by path.
    """

    def __init__(self, model: keras.Model, shared: Mapping[str, Shared], **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self._kernels = kernels(model)
        self._labels = {path: shared[path].labels for path in self._kernels}
        self._codebooks = {
            path: self._codebook(number, shared[path].codebook)
            for number, path in enumerate(self._kernels)
        }
        for kernel in self._kernels.values():
            kernel.trainable = False
        self.model = model

    def _codebook(self, number, values):
        variable = self.add_weight(shape=values.shape, name=f"codebook_{number}")
        variable.assign(values)
        return variable

    def call(self, inputs, training=None):
        replaced = [(kernel, self._look_up(path)) for path, kernel in self._kernels.items()]
        with keras.StatelessScope(state_mapping=replaced) as scope:
            outputs = self.model(inputs, training=training)
        for variable in self.model.non_trainable_variables:
            value = scope.get_current_value(variable)
            if value is not None and variable.path not in self._kernels:
                variable.assign(value)
        return outputs

    def _look_up(self, path):
        codebook = ops.convert_to_tensor(self._codebooks[path])
        table = ops.concatenate([ops.zeros(1), codebook])
        # TensorFlow's gradient of a lookup is sparse; that of the reshape makes it dense.
        return ops.take(ops.reshape(table, (-1,)), self._labels[path], axis=0)

    def write_back(self) -> dict[str, Shared]:
        """Give the model kernels of what the codebooks have become; they are trainable again.

        Returns:
            Labels and codebook of each kernel by path. A shared value that has become zero keeps
            its label.
        """
        shared = {
            path: Shared(labels, ops.convert_to_numpy(self._codebooks[path]))
            for path, labels in self._labels.items()
        }
        for path, kernel in self._kernels.items():
            kernel.assign(shared[path].values())
            kernel.trainable = True
        return shared
