"""Configuration that several tasks share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from kerasref import data
from kerasref.harness.errors import did_you_mean
from kerasref.harness.spec import Strict


class Named(Strict):
    """A Keras object by class name; every other key is an argument of its constructor."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class ModelConfig(Strict):
    """`builder` names a function of `kerasref.models`; every other key is an argument of it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    builder: str

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class DataConfig(Strict):
    """Which images, how many, and how they enter the network.

    `fallback` names sources to use, in order, where `source` cannot be had; a run on one of
    them says so wherever its numbers are shown.
    """

    source: str
    fallback: list[str] = []
    train: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)
    image_size: int | None = Field(None, ge=4)
    channels: Literal[1, 3] | None = None
    scale: Literal["raw", "unit", "signed", "standard"] = "unit"
    batch_size: int = Field(128, ge=1)

    @field_validator("fallback", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("source", "fallback")
    @classmethod
    def _known(cls, value: str | list[str]) -> str | list[str]:
        for name in [value] if isinstance(value, str) else value:
            if name not in data.SOURCES:
                raise ValueError(f"no data source {name!r}" + did_you_mean(name, data.SOURCES))
        return value

    def alternatives(self) -> list[DataConfig]:
        """This configuration with `source`, then with each fallback in its place.

        A fallback with fewer examples than asked for gives all it has.
        """
        return [
            self.model_copy(update={"source": self.source, "fallback": []}),
            *(self._with_fallback(data.SOURCES[name]) for name in self.fallback),
        ]

    def _with_fallback(self, source: data.Source) -> DataConfig:
        sizes = {
            split: asked and min(asked, getattr(source, split))
            for split, asked in (("train", self.train), ("test", self.test))
        }
        return self.model_copy(update={"source": source.name, "fallback": [], **sizes})


class TrainConfig(Strict):
    """How to train. The batch size stands under `data`; `optimizer` and `callbacks` are Keras's.

    `top_k` adds the metrics `train_top_k_accuracy` and `test_top_k_accuracy`. `auxiliary_weight`
    is that of the loss of each auxiliary output, where the network has any.
    """

    epochs: int = Field(ge=1)
    optimizer: Named = Named(name="SGD", learning_rate=0.01)
    callbacks: list[Named] = []
    top_k: int | None = Field(None, ge=1)
    auxiliary_weight: float = Field(0.3, ge=0)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
