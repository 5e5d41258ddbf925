"""Residual, dense and dual paths as one family of recurrences (dlnotes 1.7).

Each identity is built twice, from layers of its own on either side, in float64. Below, h^k is the
k-th of `depth` states with `channels` channels, g a ReLU and a 3x3 convolution, and every f a 1x1
convolution without bias.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from kerasref.analysis import counts
from kerasref.analysis.weightless import weightless
from kerasref.models import DPN92

_DTYPE = "float64"


def concatenation(parts: int = 4, channels: int = 6, filters: int = 5) -> dict[str, float]:
    """A convolution of concatenated maps, and the sum of convolutions of the maps. Q1.27.

    Ledger A1.7-1.

    Returns:
        `error_1x1` and `error_3x3`: largest deviation between both; `relu_error`: the same where a
        ReLU follows each of the convolutions, for which it does not hold.
    """
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(parts, 2, 7, 5, channels))
    found = {}
    for size in (1, 3):
        kernel = rng.normal(size=(size, size, parts * channels, filters))
        whole = _apply(kernel, np.concatenate(maps, axis=-1))
        slices = np.split(kernel, parts, axis=2)
        each = [_apply(part, x) for part, x in zip(slices, maps, strict=True)]
        found[f"error_{size}x{size}"] = np.abs(whole - sum(each)).max()
        if size == 1:
            relu = sum(np.maximum(y, 0) for y in each)
            found["relu_error"] = np.abs(np.maximum(whole, 0) - relu).max()
    return found


def residual_is_tied_dense(depth: int = 6, channels: int = 8) -> dict[str, float]:
    """A DenseNet whose f^k_t is f_t for all k, and a ResNet. Q1.28 to Q1.30.

    Ledger A1.7-2, M1.7-3.

    The DenseNet concatenates all earlier states before each 1x1 convolution; the ResNet adds
    f(g(r)) to r.

    Returns:
        `error`: largest deviation of the last states; `untied_difference`: the same where the
        DenseNet's f^k_t are drawn separately; `weights_dense` and `weights_residual`: numbers of
        weights of all f.
    """
    f, g = _weights(depth, channels)
    tied = {(k, t): f[t] for k in range(1, depth + 1) for t in range(k)}
    free = _free(depth, channels)
    x = _start(channels)
    residual = _resnet(f, g, channels)
    return {
        "error": _deviation(_densenet(tied, g, channels), residual, x),
        "untied_difference": _deviation(_densenet(free, g, channels), residual, x),
        "weights_dense": sum(w.size for w in tied.values()),
        "weights_residual": sum(w.size for w in f),
    }


def shared_residual_is_rnn(depth: int = 6, channels: int = 8) -> dict[str, float]:
    """A ResNet whose blocks share their weights, and `keras.layers.RNN`. Ledger A1.7-3, M1.7-4.

    Returns:
        `error`: largest deviation of the last states; `unshared_difference`: the same where the
        ResNet's blocks are drawn separately; `weights_rnn` and `weights_residual`: numbers of
        weights, where the ResNet's are separate.
    """
    rng = np.random.default_rng(0)

    def draw():
        shapes = ((channels, 2 * channels), (2 * channels, channels))
        return [rng.normal(scale=0.3, size=shape) for shape in shapes]

    shared, separate = draw(), [draw() for _ in range(depth)]
    start = rng.normal(size=(4, channels))
    rnn = layers.RNN(_ResidualCell(channels, dtype=_DTYPE), dtype=_DTYPE)
    no_input = np.zeros((4, depth, 1))
    rnn(no_input, initial_state=[ops.convert_to_tensor(start)])
    rnn.set_weights(shared)
    last = _numpy(rnn(no_input, initial_state=[ops.convert_to_tensor(start)]))

    def resnet(blocks):
        r = image = keras.Input((channels,), dtype=_DTYPE)
        for widen, narrow in blocks:
            hidden = _dense(2 * channels, widen, layers.ReLU(dtype=_DTYPE)(r))
            r = layers.Add(dtype=_DTYPE)([r, _dense(channels, narrow, hidden)])
        return _numpy(keras.Model(image, r)(start))

    return {
        "error": np.abs(last - resnet([shared] * depth)).max(),
        "unshared_difference": np.abs(last - resnet(separate)).max(),
        "weights_rnn": sum(w.size for w in shared),
        "weights_residual": sum(w.size for block in separate for w in block),
    }


def dense_is_free_hornn(depth: int = 6, channels: int = 8) -> dict[str, float]:
    """The high-order recurrence Q1.25, and DenseNets. Ledger A1.7-4, M1.7-1, M1.7-2.

    The recurrence keeps the states in a buffer and sums f^k_t(h^t); with the sharing conditions of
    a HORNN, f depends on the lag k - t alone and g on nothing. The DenseNet concatenates.

    Returns:
        `free_error`: DenseNet and recurrence with weights for every k and t; `shared_error`: a
        DenseNet whose weights are tied by lag, and the HORNN; `sharing_difference`: DenseNet and
        HORNN where the DenseNet's weights are free.
    """
    _, g = _weights(depth, channels)
    by_lag, _ = _weights(depth, channels, seed=1)
    free, x = _free(depth, channels), _start(channels)
    tied = {(k, t): by_lag[k - t - 1] for k in range(1, depth + 1) for t in range(k)}
    same = [g[0]] * depth
    hornn = _recurrence(lambda k, t: by_lag[k - t - 1], lambda k: g[0], depth, x)
    unshared = _recurrence(lambda k, t: free[k, t], lambda k: g[k - 1], depth, x)
    dense, dense_tied = (_densenet(free, g, channels), _densenet(tied, same, channels))
    return {
        "free_error": np.abs(_numpy(dense(x)) - unshared).max(),
        "shared_error": np.abs(_numpy(dense_tied(x)) - hornn).max(),
        "sharing_difference": np.abs(_numpy(dense(x)) - hornn).max(),
    }


def dual_path(depth: int = 6, channels: int = 8) -> dict[str, float]:
    """Q1.31 to Q1.34, r = x + y, and the networks it contains. Ledger M1.7-5.

    x^k sums f^k_t(h^t) and y^k = y^(k-1) + v(h^(k-1)).

    Returns:
        `dense_error`: deviation from the DenseNet with weights f^k_t + v_t; `only_residual_error`:
        from a ResNet where every f is 0; `only_dense_error`: from a DenseNet where every v is 0.
    """
    v, g = _weights(depth, channels)
    free, x = _free(depth, channels), _start(channels)
    zero = np.zeros((channels, channels))
    both = {(k, t): weight + v[t] for (k, t), weight in free.items()}
    nothing = dict.fromkeys(free, zero)
    dual = _dual(free, v, g, x)
    return {
        "dense_error": np.abs(_numpy(_densenet(both, g, channels)(x)) - dual).max(),
        "only_residual_error": np.abs(
            _numpy(_resnet(v, g, channels)(x)) - _dual(nothing, v, g, x)
        ).max(),
        "only_dense_error": np.abs(
            _numpy(_densenet(free, g, channels)(x)) - _dual(free, [zero] * depth, g, x)
        ).max(),
    }


def costs() -> dict[str, float]:
    """What sharing and grouping save in DPN-92, and what a wide dense path costs.

    Ledger A1.7-7, A1.7-8.

    Returns:
        `macs` of DPN-92; what a 1x1 convolution for each path would add, `separate_macs`; what
        ungrouped 3x3 convolutions would add, `ungrouped_macs` and `ungrouped_params`;
        `map_values`: numbers in the maps that the blocks hand on, per image, of which
        `residual_values` are the residual path's; `wide_map_values` and `wide_params` with a
        growth as wide as the residual path.
    """
    network, ungrouped = weightless(DPN92), weightless(lambda: DPN92(groups=1))
    wide = weightless(lambda: DPN92(growth=(256, 512, 1024, 2048)))
    total, more = counts.count(network), counts.count(ungrouped)
    shared = [row.macs for row in counts.layer_table(network) if row.name.endswith("_reduce")]
    wide_params = wide.count_params()
    return {
        "macs": total.macs,
        "separate_macs": sum(shared),
        "ungrouped_macs": more.macs - total.macs,
        "ungrouped_params": more.params - total.params,
        "map_values": _values(network, "_output"),
        "residual_values": _values(network, "_add"),
        "wide_map_values": _values(wide, "_output"),
        "wide_params": wide_params,
    }


def _values(model, ending):
    shapes = [layer.output.shape[1:] for layer in model.layers if layer.name.endswith(ending)]
    return sum(int(np.prod(shape)) for shape in shapes)


def _weights(depth, channels, seed=0):
    """Kernels of f_0 .. f_(depth-1) and of g^1 .. g^depth."""
    rng = np.random.default_rng(seed)
    f = [rng.normal(scale=channels**-0.5, size=(channels, channels)) for _ in range(depth)]
    scale = (9 * channels) ** -0.5
    g = [rng.normal(scale=scale, size=(3, 3, channels, channels)) for _ in range(depth)]
    return f, g


def _free(depth, channels):
    """A kernel for every f^k_t."""
    rng = np.random.default_rng(2)
    pairs = [(k, t) for k in range(1, depth + 1) for t in range(k)]
    return {p: rng.normal(scale=channels**-0.5, size=(channels, channels)) for p in pairs}


def _start(channels):
    return np.random.default_rng(3).normal(size=(2, 6, 5, channels))


def _densenet(f, g, channels):
    """Concatenate, 1x1 convolution with the kernels f[k, t] one above the other, then g."""
    image = keras.Input((None, None, channels), dtype=_DTYPE)
    states = [image]
    for k in range(1, len(g) + 1):
        together = layers.Concatenate(dtype=_DTYPE)(states) if k > 1 else image
        kernel = np.concatenate([f[k, t] for t in range(k)], axis=0)
        states.append(_transform(_convolution(kernel[None, None], together), g[k - 1]))
    return keras.Model(image, states[-1])


def _resnet(f, g, channels):
    """r = f_0(h^0), then r + f_k(g^k(r)); the last state is g(r)."""
    image = keras.Input((None, None, channels), dtype=_DTYPE)
    r = _convolution(f[0][None, None], image)
    for k in range(1, len(g)):
        phi = _convolution(f[k][None, None], _transform(r, g[k - 1]))
        r = layers.Add(dtype=_DTYPE)([r, phi])
    return keras.Model(image, _transform(r, g[-1]))


def _recurrence(f, g, depth, x):
    """Q1.25 with f(k, t) and g(k): every state stays in a buffer."""
    states = [x]
    for k in range(1, depth + 1):
        total = sum(_apply(f(k, t)[None, None], h) for t, h in enumerate(states))
        states.append(_apply(g(k), np.maximum(total, 0)))
    return states[-1]


def _dual(f, v, g, x):
    """Q1.31 to Q1.34."""
    states, y = [x], 0.0
    for k in range(1, len(g) + 1):
        dense = sum(_apply(f[k, t][None, None], h) for t, h in enumerate(states))
        y = y + _apply(v[k - 1][None, None], states[-1])
        states.append(_apply(g[k - 1], np.maximum(dense + y, 0)))
    return states[-1]


def _transform(x, kernel):
    return _convolution(kernel, layers.ReLU(dtype=_DTYPE)(x))


def _convolution(kernel, x):
    size, filters = kernel.shape[0], kernel.shape[-1]
    layer = layers.Conv2D(filters, size, padding="same", use_bias=False, dtype=_DTYPE)
    y = layer(x)
    layer.set_weights([kernel])
    return y


def _dense(units, kernel, x):
    layer = layers.Dense(units, use_bias=False, dtype=_DTYPE)
    y = layer(x)
    layer.set_weights([kernel])
    return y


def _apply(kernel, x):
    return _numpy(ops.conv(x, kernel, padding="same", data_format="channels_last"))


def _numpy(x):
    return ops.convert_to_numpy(x)


def _deviation(one, other, x):
    return np.abs(_numpy(one(x)) - _numpy(other(x))).max()


class _ResidualCell(layers.Layer):
    """Recurrent cell without input: r + W2 relu(r) W1."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.state_size = self.output_size = units

    def build(self, input_shape):
        units = self.state_size
        self.widen = self.add_weight(shape=(units, 2 * units), name="widen")
        self.narrow = self.add_weight(shape=(2 * units, units), name="narrow")

    def call(self, inputs, states):
        (r,) = states
        r = r + ops.matmul(ops.matmul(ops.relu(r), self.widen), self.narrow)
        return r, [r]
