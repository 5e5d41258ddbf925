"""Configuration that several tasks share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from kerasref import data
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


class AugmentConfig(Strict):
    """How training images vary.

    Attributes:
        sides: smallest and largest length in pixels; the shorter side is resized to a length
            between them, and a random crop of `image_size` is taken.
        test_side: length of test images, of which the central crop is taken; the middle of `sides`
            by default.
        pad: zeros around the image, of which a random crop of its size is taken.
        flip: whether to mirror half of the images.
    """

    sides: list[int] | None = Field(None, min_length=2, max_length=2)
    test_side: int | None = None
    pad: int = Field(0, ge=0)
    flip: bool = False

    @property
    def evaluation_side(self) -> int:
        return self.test_side or (self.sides[0] + self.sides[1]) // 2

    @model_validator(mode="after")
    def _sides_in_order(self) -> AugmentConfig:
        if self.sides is None and self.test_side is not None:
            raise ValueError("test_side needs sides")
        if self.sides and self.sides[0] > self.sides[1]:
            raise ValueError(f"sides {self.sides} are a smallest and a largest length")
        return self


class DataConfig(Strict):
    """Which images, how many, and how they enter the network.

    `fallback` names sources to use, in order, where `source` cannot be had; a run on one of
    them says so wherever its numbers are shown. ImageNet is cropped and mirrored also without
    `augment`.
    """

    source: str
    fallback: list[str] = []
    train: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)
    image_size: int | None = Field(None, ge=4)
    channels: Literal[1, 3] | None = None
    scale: Literal["raw", "unit", "signed", "standard"] = "unit"
    batch_size: int = Field(128, ge=1)
    augment: AugmentConfig | None = None

    @model_validator(mode="after")
    def _crop_fits(self) -> DataConfig:
        if self.augment and self.augment.sides:
            if self.image_size is None:
                raise ValueError("augment.sides needs image_size, the side of the crop")
            if self.image_size > min(self.augment.sides[0], self.augment.evaluation_side):
                raise ValueError(f"crops of {self.image_size} are larger than the sides of augment")
        if self.augment and self.augment.pad and data.SOURCES[self.source].kind == "stream":
            raise ValueError(f"{self.source} is read without augment.pad")
        return self

    @field_validator("fallback", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("source", "fallback")
    @classmethod
    def _known(cls, value: str | list[str]) -> str | list[str]:
        for name in [value] if isinstance(value, str) else value:
            data.find_source(name)
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
    is that of the loss of each auxiliary output, where the network has any. `label_smoothing` is
    the part of the target that is spread over all classes, in the test loss too.
    """

    epochs: int = Field(ge=1)
    optimizer: Named = Named(name="SGD", learning_rate=0.01)
    callbacks: list[Named] = []
    top_k: int | None = Field(None, ge=1)
    auxiliary_weight: float = Field(0.3, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
