"""The types that settings have in component signatures: ranges, durations, components inside components."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, overload

from annotated_types import Ge, Gt, Le, Lt

from nntrain.clock import PATTERN, Duration, parse_duration, parse_interval


@dataclass(frozen=True)
class Choice:
    """Metadata of a setting that is a component of this kind: `{type: NAME, ...}` or just `NAME`.

    `implied` are types that may be left out, by the setting that tells them: `{from: ...}` is a checkpoint.
    """

    kind: str
    implied: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Parsed:
    """Metadata of a setting that is written as text (or a number) and turned into a value.

    `parse` raises ValueError for anything it does not take; `expected` says what that is, and `pattern`, a regular
    expression that all of it matches, where there is one.
    """

    parse: Callable[[object], Any]
    expected: str
    pattern: str = ".*"


@dataclass(frozen=True)
class Place:
    """Metadata of a setting that is a file or folder.

    A relative path is taken from the folder of the config that says it (on the command line: from the current
    one) and kept as an absolute one, so that a run's config names the same place from anywhere.
    """


@dataclass(frozen=True)
class Partial:
    """Metadata of a setting that is a part of the whole config, to be merged over it."""


Section = TypeVar("Section", bound=type)


def section(cls: Section) -> Section:
    """Marks a class whose keyword settings form a section of fixed type, without `type:`."""
    cls.is_section = True  # type: ignore[attr-defined]
    return cls


def varying(cls: Section) -> Section:
    """Marks a section that takes any settings of the component that it is for, beside its own.

    They need not be given; those that are come before the others, as a mapping.
    """
    cls.varies = True  # type: ignore[attr-defined]
    return section(cls)


def _parse_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip(". ") or set(value) & set("/\\\0\n"):
        raise ValueError("")
    if len(value) > 100:
        raise ValueError("more than 100 letters")
    return value


ASSUMED_SIZE = 32  # of batches, as long as none was found


@overload
def assumed(size: int | Literal["auto"]) -> int: ...
@overload
def assumed(size: int | Literal["auto", "all"]) -> int | Literal["all"]: ...
def assumed(size: int | Literal["auto", "all"]) -> int | Literal["all"]:
    """The size of batches that a data set begins with: `fit` puts a number in the place of auto before it trains."""
    return ASSUMED_SIZE if size == "auto" else size


def _parse_percentage(value: object) -> float:
    match = re.fullmatch(_PERCENTAGE, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("")
    share = float(match[1]) / 100
    if not 0 < share < 1:
        raise ValueError("it must be greater than 0 and less than 100%")
    return share


_PERCENTAGE = r"\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*"
Percentage = Annotated[float, Parsed(_parse_percentage, "a share such as 0.1%", _PERCENTAGE)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Finite = Annotated[float, Ge(-1e30), Le(1e30)]
Probability = Annotated[float, Ge(0), Lt(1)]
Share = Annotated[float, Gt(0), Lt(1)]
Factor = Annotated[float, Ge(0), Le(1)]
Multiple = Annotated[float, Ge(1)]
Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]

BatchSize = Count | Literal["auto"]  # `assumed` makes a number of it

Length = Annotated[Duration, Parsed(parse_duration, "a duration such as 20 epochs, 2000 steps or 10%", PATTERN)]
Interval = Annotated[
    Duration, Parsed(parse_interval, "a duration such as 1 epoch, 500 steps, 5% or 10 minutes", PATTERN)
]
Name = Annotated[str, Parsed(_parse_name, "the name of a folder, without slashes")]
PathText = Annotated[str, Place()]
Auto = Literal["auto"]
Stage = Annotated[dict[str, Any], Partial()]

Model = Annotated[Any, Choice("model")]
Data = Annotated[Any, Choice("data")]
Sampler = Annotated[Any, Choice("sampler")]
Tokenizer = Annotated[Any, Choice("tokenizer")]
Task = Annotated[Any, Choice("task")]
Loss = Annotated[Any, Choice("loss")]
Optimizer = Annotated[Any, Choice("optimizer")]
Scheduler = Annotated[Any, Choice("scheduler")]
Regularizer = Annotated[Any, Choice("regularizer")]
Metric = Annotated[Any, Choice("metric")]
Initializer = Annotated[Any, Choice("initializer", implied=(("from", "checkpoint"),))]
Scaling = Annotated[Any, Choice("scaling")]
Clip = Annotated[Any, Choice("clip")]
Average = Annotated[Any, Choice("average")]
Remedy = Annotated[Any, Choice("remedy")]
Augmentation = Annotated[Any, Choice("augmentation")]
Mixture = Annotated[Any, Choice("mixture")]
Block = Annotated[Any, Choice("block")]
Normalization = Annotated[Any, Choice("normalization")]
Form = Annotated[Any, Choice("form")]
Position = Annotated[Any, Choice("position")]
Attention = Annotated[Any, Choice("attention")]
GraphLayer = Annotated[Any, Choice("graph_layer")]
Coder = Annotated[Any, Choice("coder")]
Adversary = Annotated[Any, Choice("adversary")]
Storage = Annotated[Any, Choice("storage")]
