"""What all families share: named variants as data, image input, classifier head, weights."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models.transplant import transplant


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a builder comes from.

    Attributes:
        reference: the paper or book it follows.
        ledger: ids of the ledger rows it builds.
        counts: where its expected counts are published.
        deviations: what it does differently from `reference`, one sentence each.
    """

    reference: str
    ledger: tuple[str, ...]
    counts: str
    deviations: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Twin:
    """The network of `keras.applications` that has the same architecture.

    Attributes:
        builder: its name there.
        layers: the name of its layer for the name of a layer of ours.
        classifier: our layer for its `predictions`.
        predictions: the name of its classifier, where it is another.
        arguments: those of ours that it has too, for each value of which it has weights.
        sides: of the square images for which it has weights of their own.
    """

    builder: str
    layers: Callable[[str], str] = str
    classifier: str = "fc"
    predictions: str = "predictions"
    arguments: tuple[str, ...] = ()
    sides: tuple[int, ...] = ()

    def names(self, name: str) -> str:
        """The name of its layer for the name of a layer of ours, the classifier included."""
        return self.predictions if name == self.classifier else self.layers(name)

    def load(self, model: keras.Model, common: Common, given: Mapping[str, Any]) -> None:
        """Fill `model` with the weights that Keras publishes, downloaded or from its cache.

        Args:
            model: ours, built.
            common: what it was built from.
            given: the family's own arguments, likewise.

        Raises:
            ValueError: another number of classes with the top than the 1,000 of ImageNet.
            OSError: the weights can neither be found nor downloaded.
        """
        if common.include_top and common.classes != 1000:
            raise ValueError(
                f"`weights='imagenet'` has 1000 classes with the top, not {common.classes!r}"
            )
        function = getattr(keras.applications, self.builder)
        height, width = model.input_shape[1:3]
        if height == width and height in self.sides:
            shape = (height, width, 3)
        else:
            shape = None if common.include_top else (None, None, 3)
        shared = {name: given[name] for name in self.arguments}
        try:
            source = function(
                include_top=common.include_top, weights="imagenet", input_shape=shape, **shared
            )
        except Exception as error:  # keras.utils.get_file raises a bare Exception
            reason = str(error).splitlines()[0]
            raise OSError(f"no ImageNet weights for {self.builder}: {reason}") from error
        transplant(source, model, self.names)


@dataclasses.dataclass(frozen=True)
class Common:
    """The arguments that every image builder shares, as in `keras.applications`.

    Attributes:
        include_top: whether to end in the classifier, or in the last feature map.
        weights: None for random ones, the path of a `.weights.h5` or `.keras` file, or
            `"imagenet"` where keras.applications has the same network; its `preprocess_input`
            then makes the images.
        input_tensor: Keras tensor to build on, instead of a new input.
        input_shape: `(height, width, channels)` of the input.
        pooling: without the top, None for the 4-D feature map, or `"avg"` or `"max"` for its
            global average or maximum.
        classes: number of classes.
        classifier_activation: of the output; None gives logits.
        name: of the model.
    """

    include_top: bool = True
    weights: str | os.PathLike | None = None
    input_tensor: Any = None
    input_shape: tuple[int | None, int | None, int] | None = None
    pooling: str | None = None
    classes: int = 1000
    classifier_activation: Any = "softmax"
    name: str = ""

    def start(self, *, default: tuple[int, int, int], minimum: int) -> Any:
        """The tensor on which a network starts.

        Height and width must be known with the top, as its dense layers need.

        Args:
            default: shape where neither `input_shape` nor `input_tensor` is given.
            minimum: smallest height and width that leave something after the last pooling.

        Raises:
            ValueError: a shape that is not one of an image, too small, of unknown size where a
                size is needed, `weights` that are no file, or Keras set to `channels_first`.
        """
        if self.weights is not None and not os.path.exists(self.weights):
            raise ValueError(
                f"`weights` must be None or the path of a weights file, not "
                f"{os.fspath(self.weights)!r}"
                + ("; none are published for this network" if self.weights == "imagenet" else "")
            )
        if keras.config.image_data_format() != "channels_last":
            raise ValueError(
                "image_data_format is 'channels_first'; these builders need 'channels_last'"
            )
        tensor = self.input_tensor
        shape = tuple(self.input_shape or default) if tensor is None else tuple(tensor.shape[1:])
        if len(shape) != 3 or not shape[2]:
            raise ValueError(f"`input_shape` must be (height, width, channels), not {shape}")
        for side in shape[:2]:
            if side is None and self.include_top:
                raise ValueError(
                    f"`input_shape` must state height and width with the top, not {shape}"
                )
            if side is not None and side < minimum:
                raise ValueError(f"`input_shape` must be at least {minimum}x{minimum}, not {shape}")
        return keras.layers.Input(shape, name="image") if tensor is None else tensor

    def classifier(
        self,
        x: Any,
        name: str,
        kernel_initializer: Any = "glorot_uniform",
        output: str = "predictions",
    ) -> Any:
        """Dense layer `name`, then the activation as layer `output`."""
        check_positive_integer("classes", self.classes)
        x = keras.layers.Dense(self.classes, kernel_initializer=kernel_initializer, name=name)(x)
        return self.predictions(x, output)

    def predictions(self, scores: Any, name: str = "predictions") -> Any:
        """Layer `name`: the activation of `scores`, `(batch, classes)`.

        It is computed in the type of the variables: float32 under mixed precision.
        """
        wide = keras.config.dtype_policy().variable_dtype
        return keras.layers.Activation(self.classifier_activation, dtype=wide, name=name)(scores)

    def features(self, start: Any, x: Any) -> keras.Model:
        """The model without its top, from `start` to the feature map `x` or its pooling."""
        check_choice("pooling", self.pooling, [None, "avg", "max"])
        if self.pooling == "avg":
            x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        elif self.pooling == "max":
            x = keras.layers.GlobalMaxPooling2D(name="max_pool")(x)
        return self.model(start, x)

    def pooled(
        self,
        start: Any,
        x: Any,
        *,
        dropout: float = 0.0,
        name: str = "fc",
        auxiliary: Iterable[Any] = (),
    ) -> keras.Model:
        """`features`, or with the top average pooling, dropout and the classifier `name` on `x`.

        With `auxiliary` outputs, those come after the predictions.
        """
        if not self.include_top:
            return self.features(start, x)
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name="dropout")(x)
        x = self.classifier(x, name)
        return self.model(start, [x, *auxiliary] if auxiliary else x)

    def model(self, start: Any, x: Any) -> keras.Model:
        """The model from `start` to `x`, with its weights."""
        (image,) = keras.utils.get_source_inputs(start)
        model = keras.Model(image, x, name=self.name)
        if self.weights is not None:
            model.load_weights(self.weights)
        return model


def variant(
    generic: Callable[..., keras.Model],
    name: str,
    summary: str,
    provenance: Provenance,
    /,
    *,
    fixed: dict[str, Any] | None = None,
    takes: tuple[Any, ...] = (),
    twin: Twin | None = None,
    **defaults: Any,
) -> Callable[..., keras.Model]:
    """A named builder made from a family's generic one.

    Assign it to `name` in the module of `generic`; then it has a signature and docstring of its
    own and pickles like any function: the arguments of `Common`, then the family's own by
    keyword. The docstring of `generic` lists the latter under "Args:" and the errors under
    "Raises:".

    Args:
        generic: builder of the family. Takes a `Common`, then the family's own arguments by
            keyword.
        name: of the new builder.
        summary: first line of its docstring.
        provenance: kept as the builder's attribute of that name.
        fixed: arguments of `generic` that this builder sets and does not offer. In `generic` they
            need no default.
        takes: for a `generic` that passes `**options` on: the builder which it passes them to, then
            the names of those that are offered.
        twin: where keras.applications has the same network; kept likewise. `weights="imagenet"`
            works with it.
        defaults: arguments, common or the family's, that it offers with another default.

    Raises:
        TypeError: `fixed` or `defaults` names an argument that there is not.
    """
    fixed = fixed or {}
    shared = inspect.signature(Common).parameters
    own = _own_parameters(generic, takes)
    known = {*shared, *(parameter.name for parameter in own)}
    for argument in (*fixed, *defaults):
        if argument not in known:
            raise TypeError(f"{name}: {generic.__name__} has no argument {argument!r}")
    defaults.setdefault("name", name.lower())
    parameters = [
        parameter.replace(default=defaults.get(parameter.name, parameter.default))
        for parameter in (*shared.values(), *own)
        if parameter.name not in fixed
    ]
    signature = inspect.Signature(parameters, return_annotation=keras.Model)

    def build(*args, **kwargs):
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        bound.apply_defaults()
        given = bound.arguments
        common = Common(**{argument: given.pop(argument) for argument in shared})
        if twin is None or common.weights != "imagenet":
            return generic(common, **given, **fixed)
        model = generic(dataclasses.replace(common, weights=None), **given, **fixed)
        twin.load(model, common, given)
        return model

    build.__name__ = build.__qualname__ = name
    build.__module__ = generic.__module__
    build.__signature__ = signature
    build.__doc__ = _docstring(generic, takes, summary, provenance, fixed)
    build.provenance = provenance
    build.twin = twin
    return build


def _own_parameters(generic, takes) -> list[inspect.Parameter]:
    _, *own = inspect.signature(generic).parameters.values()
    own = [parameter for parameter in own if parameter.kind is not parameter.VAR_KEYWORD]
    if takes:
        passed_to, *names = takes
        own += [inspect.signature(passed_to).parameters[name] for name in names]
    return own


def _documented(generic) -> tuple[dict[str, str], str]:
    """The arguments in the docstring of `generic`, by name, and its errors."""
    _, _, sections = inspect.getdoc(generic).partition("Args:\n")
    own, _, errors = sections.partition("Raises:\n")
    entries: dict[str, list[str]] = {}
    for line in own.rstrip().splitlines():
        if not line.startswith("     "):
            name = line.strip().partition(":")[0]
            entries[name] = []
        entries[name].append(line)
    return {name: "\n".join(lines) for name, lines in entries.items()}, errors.rstrip()


def _docstring(generic, takes, summary: str, provenance: Provenance, fixed: Iterable[str]) -> str:
    shared = inspect.getdoc(Common).partition("Attributes:\n")[2].rstrip()
    entries, errors = _documented(generic)
    if takes:
        passed_to, *names = takes
        del entries["options"]
        entries |= {name: _documented(passed_to)[0][name] for name in names}
    offered = [entry for name, entry in entries.items() if name not in fixed]
    source = f"{provenance.reference} Ledger: {', '.join(provenance.ledger)}."
    parts = [summary, f"Reference: {source}"]
    if provenance.deviations:
        parts.append("Deviations:\n" + "\n".join(f"    - {d}" for d in provenance.deviations))
    parts.append("\n".join(["Args:", shared, *offered]))
    parts.append(
        "Returns:\n    A functional `keras.Model`, images `(batch, height, width, channels)` in."
    )
    parts.append("Raises:\n" + errors)
    return "\n\n".join(parts) + "\n"


def minimum_size(windows: Iterable[tuple[int, int, str]]) -> int:
    """Smallest input side that leaves one pixel after windows of `(size, stride, padding)`."""
    side = 1
    for size, stride, padding in reversed(list(windows)):
        side = (side - 1) * stride + (size if padding == "valid" else 1)
    return side
