"""Parameters, multiply-accumulates (MACs), activations and connections of a Keras model.

Everything is per example and follows from shapes alone, so that models that `weightless` built,
which allocates nothing, can be counted at any size.

MACs are those of products with weights and of attention: convolutions, dense layers, attention
and recurrent steps. Normalisation, bias, activation and pooling are left out. A layer of one's
own states its MACs in a method `count_macs(input_shape, output_shape)`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import layers

Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """One layer.

    `kind` is its class, `output_shape` includes the batch (None), `params` and `trainable` are
    numbers of parameters, `activations` the outputs of a layer that has MACs and 0 otherwise.
    Names of layers in nested models are `model/layer`.
    """

    name: str
    kind: str
    output_shape: Shape
    params: int
    trainable: int
    macs: int
    activations: int


@dataclasses.dataclass(frozen=True)
class Counts:
    """A whole model; shared weights count once, repeated calls every time."""

    params: int
    trainable: int
    non_trainable: int
    macs: int
    activations: int


def layer_table(model: keras.Model) -> list[LayerRow]:
    """One row per layer of a functional or sequential model, nested models expanded.

    A layer called several times has one row, with the MACs and activations of all calls.

    Raises:
        ValueError: a layer with weights whose MACs nobody states, or an unknown image size.
    """
    rows: dict[int, LayerRow] = {}
    for name, layer, inputs, output, node in _calls(model):
        macs = _macs(layer, inputs, output, node)
        activations = math.prod(output[1:]) if macs else 0
        seen = rows.get(id(layer))
        rows[id(layer)] = LayerRow(
            name=seen.name if seen else name,
            kind=type(layer).__name__,
            output_shape=seen.output_shape if seen else output,
            params=_size(layer.weights),
            trainable=_size(layer.trainable_weights),
            macs=macs + (seen.macs if seen else 0),
            activations=activations + (seen.activations if seen else 0),
        )
    return list(rows.values())


def count(model: keras.Model) -> Counts:
    """Totals of `layer_table`.

    Raises:
        ValueError: as `layer_table`.
    """
    rows = layer_table(model)
    params, trainable = _size(model.weights), _size(model.trainable_weights)
    return Counts(
        params=params,
        trainable=trainable,
        non_trainable=params - trainable,
        macs=sum(row.macs for row in rows),
        activations=sum(row.activations for row in rows),
    )


@dataclasses.dataclass(frozen=True)
class MemoryAccess:
    """Numbers that the layers with MACs move in a forward pass.

    `activations` are their inputs and outputs, per example; `weights` are read once per batch.
    """

    activations: int
    weights: int


def memory_access(model: keras.Model) -> MemoryAccess:
    """What the book's chapter 2 calls MAC, the memory access cost, of a whole model.

    Layers without MACs (normalisation, activation, pooling, addition) are taken to cost nothing, as
    if they were fused with their neighbours: a lower bound.

    Raises:
        ValueError: as `layer_table`.
    """
    moved, weights = 0, {}
    for _, layer, inputs, output, node in _calls(model):
        if _macs(layer, inputs, output, node):
            moved += sum(math.prod(shape[1:]) for shape in inputs) + math.prod(output[1:])
            weights[id(layer)] = _size(layer.weights)
    return MemoryAccess(moved, sum(weights.values()))


def connections(model: keras.Model) -> dict[str, int]:
    """Connections of each layer as LeCun et al. 1998 count them: every input and bias of a unit.

    Layers without connections are left out. A layer of one's own may state them in a method
    `count_connections(input_shape, output_shape)`.

    Raises:
        ValueError: as `layer_table`.
    """
    table: dict[str, int] = {}
    for name, layer, inputs, output, node in _calls(model):
        if hasattr(layer, "count_connections"):
            number = layer.count_connections(inputs[0], output)
        else:
            number = _macs(layer, inputs, output, node)
            if number and getattr(layer, "bias", None) is not None:
                number += math.prod(output[1:])
        if number:
            table[name] = table.get(name, 0) + number
    return table


def _size(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _calls(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, Any, list, Shape, Any]]:
    """(name, layer, input shapes, output shape, node) of each call, in order of computation."""
    if not isinstance(model, keras.Model) or not getattr(model, "_nodes_by_depth", None):
        if isinstance(model, keras.Sequential) and model.built:
            model = model._functional
        else:
            raise ValueError(f"{model.name} is no built functional or sequential model")
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            layer = node.operation
            if type(layer).__name__ in _PRODUCTS:
                raise ValueError(f"{layer.name}: a product outside a layer has no known MACs")
            if not isinstance(layer, keras.Layer) or node.is_input:
                continue
            if isinstance(layer, keras.Model):
                yield from _calls(layer, f"{prefix}{layer.name}/")
                continue
            inputs = [tuple(tensor.shape) for tensor in node.input_tensors]
            yield prefix + layer.name, layer, inputs, tuple(node.outputs[0].shape), node


def _macs(layer: Any, inputs: list[Shape], output: Shape, node: Any = None) -> int:
    try:
        if hasattr(layer, "count_macs"):
            return layer.count_macs(inputs[0], output)
        if isinstance(layer, layers.MultiHeadAttention):
            return _attention(layer, *_attention_inputs(node), output)
        for kinds, rule in _RULES:
            if isinstance(layer, kinds):
                return rule(layer, inputs[0], output)
    except TypeError:
        if None in (*inputs[0][1:], *output[1:]):
            raise ValueError(
                f"{layer.name}: {inputs[0]} has no size; state `input_shape`"
            ) from None
        raise
    if isinstance(layer, _ATTENTION) or (layer.weights and not isinstance(layer, _WITHOUT_MACS)):
        kind = type(layer).__name__
        raise ValueError(f"{layer.name}: {kind} needs count_macs(input_shape, output_shape)")
    return 0


def _positions(layer: Any, shape: Shape) -> int:
    return math.prod(shape[1:-1] if layer.data_format == "channels_last" else shape[2:])


def _convolution(layer: Any, inputs: Shape, output: Shape) -> int:
    return _positions(layer, output) * math.prod(layer.kernel.shape)


def _transposed(layer: Any, inputs: Shape, output: Shape) -> int:
    return _positions(layer, inputs) * math.prod(layer.kernel.shape)


def _separable(layer: Any, inputs: Shape, output: Shape) -> int:
    weights = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
    return _positions(layer, output) * weights


def _dense(layer: Any, inputs: Shape, output: Shape) -> int:
    return math.prod(output[1:]) * inputs[-1]


def _einsum(layer: Any, inputs: Shape, output: Shape) -> int:
    # Every output element sums over the kernel's labels that the output lacks.
    source, result = layer.equation.replace(" ", "").split("->")
    labels = source.split(",")[1]
    summed = [
        size for label, size in zip(labels, layer.kernel.shape, strict=True) if label not in result
    ]
    return math.prod(output[1:]) * math.prod(summed)


def _recurrent(layer: Any, inputs: Shape, output: Shape) -> int:
    cell = layer.cell
    return inputs[1] * (math.prod(cell.kernel.shape) + math.prod(cell.recurrent_kernel.shape))


def _both_directions(layer: Any, inputs: Shape, output: Shape) -> int:
    return sum(
        _macs(inner, [inputs], output) for inner in (layer.forward_layer, layer.backward_layer)
    )


def _each_step(layer: Any, inputs: Shape, output: Shape) -> int:
    return inputs[1] * _macs(layer.layer, [(inputs[0], *inputs[2:])], (output[0], *output[2:]))


def _attention_inputs(node: Any) -> tuple[Shape, Shape, Shape]:
    arguments = dict(zip(("query", "value", "key"), node.arguments.args, strict=False))
    arguments.update(node.arguments.kwargs)
    key = arguments.get("key")
    given = (arguments["query"], arguments["value"], arguments["value"] if key is None else key)
    query, value, key = (tuple(tensor.shape) for tensor in given)
    return query, value, key


def _attention(layer: Any, query: Shape, value: Shape, key: Shape, output: Shape) -> int:
    targets, sources = math.prod(query[1:-1]), math.prod(value[1:-1])
    wide_key = layer.num_heads * layer.key_dim
    wide_value = layer.num_heads * layer.value_dim
    projections = targets * query[-1] * wide_key + sources * (
        key[-1] * wide_key + value[-1] * wide_value
    )
    matmuls = targets * sources * (wide_key + wide_value)
    return projections + matmuls + math.prod(output[1:]) * wide_value


# The first match counts: subclasses before their bases.
_RULES: tuple[tuple[Any, Callable[[Any, Shape, Shape], int]], ...] = (
    ((layers.SeparableConv1D, layers.SeparableConv2D), _separable),
    ((layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), _transposed),
    ((layers.Conv1D, layers.Conv2D, layers.Conv3D), _convolution),
    ((layers.DepthwiseConv1D, layers.DepthwiseConv2D), _convolution),
    (layers.Dense, _dense),
    (layers.EinsumDense, _einsum),
    (layers.Bidirectional, _both_directions),
    (layers.TimeDistributed, _each_step),
    ((layers.SimpleRNN, layers.GRU, layers.LSTM), _recurrent),
)

_WITHOUT_MACS = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.Normalization,
    layers.UnitNormalization,
    layers.Embedding,
    layers.PReLU,
)

# Products that no rule covers, with or without weights: refused rather than counted as nothing.
_ATTENTION = (layers.Attention, layers.AdditiveAttention, layers.Dot)
_PRODUCTS = ("Conv", "Dot", "DotProductAttention", "Einsum", "Matmul", "Tensordot")
