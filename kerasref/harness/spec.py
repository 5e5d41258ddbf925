"""Experiments, claims and books: YAML files as validated objects.

Every message names the file, the line, the key and the nearest right spelling.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    model_validator,
)

from kerasref.harness import yaml_lines
from kerasref.harness.errors import ConfigError, did_you_mean

PROFILES = ("smoke", "laptop", "paper")
DEFAULT_PROFILE = "laptop"

Profile = Literal["smoke", "laptop", "paper"]
Number = int | float


class Strict(BaseModel):
    """Base of every configuration object: unknown keys and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Source(Strict):
    """Where the question comes from. `data` names the data set that the book used."""

    book: str
    section: str
    ledger: list[str] = Field(min_length=1)
    papers: list[str] = []
    data: str | None = None


class _Claim(Strict):
    """What all claims share.

    `id` is the ledger row; `note` says what the reader should know, such as why this setting
    tests the claim or what the book got wrong.
    """

    id: str
    note: str = ""


class OpenClaim(_Claim):
    """What the book says and nothing here can measure; `open` says why. Verdict `open`."""

    open: str = Field(min_length=1)

    profile: ClassVar[None] = None
    variants: ClassVar[tuple[str, ...]] = ()


class CitationClaim(_Claim):
    """A number that the book quotes: `prints` is what the source `cites` has, `book` the book.

    Nothing is measured. Verdict `match`, or `erratum` where the two differ.
    """

    cites: str = Field(min_length=1)
    prints: Number
    book: Number

    profile: ClassVar[None] = None
    variants: ClassVar[tuple[str, ...]] = ()


class MeasuredClaim(_Claim):
    """A claim about `metric` of the runs.

    `profile: paper` marks a claim that only the full-scale setting can test. `failing: true` marks
    one for which networks that did not learn are evidence, such as that something keeps them from
    learning; see `verdicts.did_not_learn`.
    """

    metric: str
    profile: Profile | None = None
    failing: bool = False

    @property
    def variants(self) -> tuple[str, ...]:
        raise NotImplementedError


class EqualsClaim(MeasuredClaim):
    """`metric` of one variant equals a number from outside; `book` is what the book prints.

    Verdict `match`, `mismatch`, or `erratum` where the measurement agrees with `equals`
    but the book prints another number.
    """

    of: str
    equals: Number
    within: float = Field(0.0, ge=0)
    book: Number | None = None

    @property
    def variants(self) -> tuple[str, ...]:
        return (self.of,)


class BoundClaim(MeasuredClaim):
    """`metric` of one variant is at least, or at most, a number; at the end, or at one epoch.

    Statistical (decided by the 95 % interval over seeds) unless `exact`.
    """

    of: str
    at_least: float | None = None
    at_most: float | None = None
    exact: bool = False
    epochs: Annotated[int, Field(ge=1)] | None = None

    @property
    def variants(self) -> tuple[str, ...]:
        return (self.of,)

    @model_validator(mode="after")
    def _one_bound(self) -> BoundClaim:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of at_least and at_most")
        return self


class CompareClaim(MeasuredClaim):
    """`metric` is higher (or lower) for one variant `than` for another, by at least `by`.

    Variants are paired by seed. With `epochs: every` the claim must hold at every epoch of
    the per-epoch metric; with a number, at that epoch; otherwise at the end of the run.
    Statistical (decided by the 95 % interval of the differences) unless `exact`: then it must
    hold for every seed, and one is enough.
    """

    higher: str | None = None
    lower: str | None = None
    than: str
    by: float = Field(0.0, ge=0)
    exact: bool = False
    epochs: Literal["every"] | Annotated[int, Field(ge=1)] | None = None

    @property
    def subject(self) -> str:
        return self.higher or self.lower or ""

    @property
    def variants(self) -> tuple[str, ...]:
        return (self.subject, self.than)

    @model_validator(mode="after")
    def _two_arms(self) -> CompareClaim:
        if (self.higher is None) == (self.lower is None):
            raise ValueError("give exactly one of higher and lower")
        if self.subject == self.than:
            raise ValueError(f"compares {self.than!r} with itself")
        if self.exact and self.epochs is not None:
            raise ValueError("an exact claim is about the end of the run, not epochs")
        return self


class SameClaim(MeasuredClaim):
    """`metric` of variant `same` is that of variant `as_`, to `within` (equivalence).

    Reproduced when the whole 95 % interval of the difference lies inside the margin, refuted
    when it lies outside.
    """

    same: str
    as_: str = Field(alias="as")
    within: float = Field(gt=0)

    @property
    def variants(self) -> tuple[str, ...]:
        return (self.same, self.as_)

    @model_validator(mode="after")
    def _two_arms(self) -> SameClaim:
        if self.same == self.as_:
            raise ValueError(f"compares {self.same!r} with itself")
        return self


# Tags of the kinds of claim; pydantic puts them into the keys of errors, so no key looks like one.
_CLAIMS = {
    "(equals)": (EqualsClaim, ("equals",)),
    "(bound)": (BoundClaim, ("at_least", "at_most")),
    "(compare)": (CompareClaim, ("higher", "lower")),
    "(same)": (SameClaim, ("same",)),
    "(open)": (OpenClaim, ("open",)),
    "(cites)": (CitationClaim, ("cites",)),
}


def _claim_kind(raw: Any) -> str | None:
    """The tag of a claim; None if it is not of exactly one kind."""
    stated = raw if isinstance(raw, dict) else ()
    kinds = [tag for tag, (_, keys) in _CLAIMS.items() if any(key in stated for key in keys)]
    return kinds[0] if len(kinds) == 1 else None


Claim = Annotated[
    Annotated[EqualsClaim, Tag("(equals)")]
    | Annotated[BoundClaim, Tag("(bound)")]
    | Annotated[CompareClaim, Tag("(compare)")]
    | Annotated[SameClaim, Tag("(same)")]
    | Annotated[OpenClaim, Tag("(open)")]
    | Annotated[CitationClaim, Tag("(cites)")],
    Discriminator(
        _claim_kind,
        custom_error_type="claim_kind",
        custom_error_message="a claim is a mapping with exactly one of equals, at_least/at_most, "
        "higher/lower, same, cites or open, such as "
        "{id: A1, metric: test_accuracy, higher: bn, than: none}",
    ),
]


class Table(Strict):
    """The book's table, regenerated: a row per variant, a column per metric.

    `book` holds the numbers that the book prints: variant -> metric -> number or text.
    """

    caption: str
    columns: list[str] = Field(min_length=1)
    book: dict[str, dict[str, Number | str]] = {}


class Figure(Strict):
    """A metric of every variant: by epoch (`learning_curve`) or at the end.

    At the end as `bars` of means, or as `cdf`, the share of runs up to each value.
    """

    kind: Literal["learning_curve", "bars", "cdf"]
    metric: str
    caption: str = ""
    variants: list[str] | None = None
    log: bool = False


class Experiment(Strict):
    """One YAML file: a question, the variants that answer it, the claims, the book's numbers.

    `needs: paper` marks an experiment that means nothing at a smaller scale: at `laptop` it
    plans no run and its claims stand as `needs-scale`.
    """

    id: str
    title: str
    title_zh: str = ""
    source: Source
    question: str
    why: str = Field("", description="why this setting tests the claims; written before looking")
    takes: str = ""
    task: str
    needs: Profile | None = None
    base: dict[str, Any] = {}
    variants: dict[str, dict[str, Any] | None] = Field(min_length=1)
    profiles: dict[Profile, dict[str, Any] | None] = {}
    claims: list[Claim] = []
    table: Table | None = None
    figures: list[Figure] = []

    _document: yaml_lines.Document = PrivateAttr()

    @property
    def section_id(self) -> str:
        """`dlnotes/1.1`."""
        return self.id.rsplit("/", 1)[0]

    @cached_property
    def ledger_ids(self) -> tuple[str, ...]:
        """Ledger rows this experiment speaks of: those of `source` and of the claims, in order."""
        return tuple(dict.fromkeys([*self.source.ledger, *(claim.id for claim in self.claims)]))

    def where(self, *key: str) -> str:
        """`file:line` of a key of this experiment's file."""
        return self._document.where(key)

    def error(self, message: str, *key: str) -> ConfigError:
        return ConfigError(message, key, self.where(*key))

    @model_validator(mode="after")
    def _variants_exist(self) -> Experiment:
        named = [
            (("claims", str(number)), variant)
            for number, claim in enumerate(self.claims)
            for variant in claim.variants
        ]
        named += [(("table", "book", v), v) for v in (self.table.book if self.table else ())]
        named += [
            (("figures", str(number)), variant)
            for number, figure in enumerate(self.figures)
            for variant in figure.variants or ()
        ]
        for key, variant in named:
            if variant not in self.variants:
                hint = did_you_mean(variant, self.variants)
                raise _At(key, f"variant {variant!r} does not exist{hint}")
        return self


class _At(ValueError):
    """A validation error that knows its key better than pydantic does."""

    def __init__(self, key: tuple[str, ...], message: str):
        super().__init__(message)
        self.key = key


class SectionTitle(Strict):
    zh: str
    en: str


class Book(Strict):
    """`book.yaml`: titles in both languages, sections in the book's order."""

    title: SectionTitle
    author: str
    sections: dict[str, SectionTitle]


def load_experiment(path: Path, root: Path) -> Experiment:
    """Read and validate `experiments/<book>/<section>/<name>.yaml` under `root`.

    Raises:
        ConfigError: with file, line, key and the nearest right spelling.
    """
    document = yaml_lines.read(path, root)
    experiment = validate(Experiment, document)
    experiment._document = document
    expected = path.relative_to(root / "experiments").with_suffix("").as_posix()
    if experiment.id != expected:
        raise experiment.error(f"is {experiment.id!r}; the file's place says {expected!r}", "id")
    if experiment.source.book != expected.split("/")[0]:
        raise experiment.error(
            f"is {experiment.source.book!r}; the file's place says {expected.split('/')[0]!r}",
            "source",
            "book",
        )
    return experiment


def load_book(path: Path, root: Path) -> Book:
    """Read and validate one `book.yaml`."""
    return validate(Book, yaml_lines.read(path, root))


def validate(model: type[BaseModel], document: yaml_lines.Document) -> Any:
    """Validate a document's data, turning the first pydantic error into a ConfigError."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        failure = explain(error, model, document.data)
        raise ConfigError(failure.message, failure.key, document.where(failure.key)) from None


def explain(error: ValidationError, model: type[BaseModel], data: Any) -> ConfigError:
    """The first error of a pydantic validation of `data` as one line with a key.

    Unknown keys come first: a misspelt key is also a missing one.
    """
    first, *others = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    key, kind = _key(first, data), first["type"]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, _At):
        return ConfigError(str(cause), (*key, *cause.key))
    if kind == "extra_forbidden":
        known = _known_keys(model, first["loc"][:-1])
        return ConfigError(f"unknown key {key[-1]!r}" + did_you_mean(key[-1], known), key)
    if kind == "missing":
        return ConfigError(f"the key {key[-1]!r} is missing", key)
    alternatives = [first, *(other for other in others if _key(other, data) == key)]
    messages = dict.fromkeys(_plain(alternative["msg"]) for alternative in alternatives)
    message = " or ".join(messages).replace(" or should be ", " or ")
    value = first["input"]
    if isinstance(value, str | int | float | bool) or value is None:
        message += f" (got {value!r})"
    return ConfigError(message, key)


def _plain(message: str) -> str:
    """A message of pydantic's in the words of a YAML file."""
    message = message.removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    for python, words in (
        ("^input should", "should"),
        (r"a valid dictionary( or instance of \w+)?", "a mapping of keys to values"),
        ("a valid string", "text"),
        ("a valid integer", "a whole number"),
    ):
        message = re.sub(python, words, message)
    return message


def _key(error: Any, data: Any) -> tuple[str, ...]:
    """Where in `data` an error is: its location without tags of claims and members of unions."""
    key = []
    for part in error["loc"]:
        indices = data if isinstance(data, dict) else range(len(data) if type(data) is list else 0)
        if part in indices:
            data = data[part]
            key.append(str(part))
    if error["type"] == "missing":
        key.append(str(error["loc"][-1]))
    return tuple(key)


def _known_keys(model: type[BaseModel], loc: tuple[Any, ...]) -> set[str]:
    """Field names valid at a pydantic error location."""
    candidates: list[Any] = [model]
    for part in loc:
        found: list[Any] = []
        for candidate in candidates:
            fields = getattr(candidate, "model_fields", {})
            if part in fields:
                found += _models_in(fields[part].annotation)
            elif part not in _CLAIMS or candidate is _CLAIMS[part][0]:  # a tag, index or name
                found.append(candidate)
        candidates = found
    return {
        field.alias or name
        for candidate in candidates
        for name, field in getattr(candidate, "model_fields", {}).items()
    }


def _models_in(annotation: Any) -> list[Any]:
    """Every pydantic model that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
