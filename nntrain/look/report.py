"""What there is to see of a data set, as facts and as tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nntrain.data import Dataset, Split
from nntrain.look import examples
from nntrain.look.moments import moments
from nntrain.specs import ClassAndBox, Image, Labels, LabelSet, Located, Targets, Values, Video
from nntrain.tables import Table

MOST_ROWS = 24  # of a table of classes or features
EXAMPLES = 5
Facts = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """A data set, looked at."""

    facts: Facts
    examples: list[tuple[str, str]]

    def tables(self) -> list[Table]:
        facts = self.facts
        train, unit = facts["splits"]["train"], facts["unit"]
        sizes = tuple((name, f"{part['examples']:,}", _lengths(part)) for name, part in facts["splits"].items())
        return [
            Table(facts["data"], ("", "found"), (("inputs", facts["inputs"]), ("targets", facts["targets"]))),
            Table("parts", ("part", "examples", "length"), sizes),
            *_class_table(facts),
            *_missing_table(facts),
            *_number_table("inputs of the training set", unit, train.get("inputs")),
            *_number_table("targets of the training set", "value", train.get("targets")),
            Table("examples", ("inputs", "target"), tuple(self.examples)),
        ]


def look(name: str, data: Dataset) -> Report:
    """Goes over all parts of a data set once."""
    known = data.learned.facts
    features = known.get("features", ())
    splits = {part: _part(split, data.targets, features) for part, split in _parts(data).items()}
    first = next(data.train.sample(EXAMPLES, 0).in_order())
    shown = examples.rows(first, data.inputs, data.targets, EXAMPLES)
    unit = "channel" if isinstance(data.inputs, Image | Video) else "feature"
    described: Facts = {"data": name, "inputs": str(data.inputs), "targets": str(data.targets), "unit": unit}
    if "missing" in known:
        described["missing"] = known["missing"]
    return Report({**described, "splits": splits, "first": [list(row) for row in shown]}, shown)


def _parts(data: Dataset) -> dict[str, Split]:
    """The parts that there are; a dev set that serves as a test set counts once."""
    parts = {name: part for name in ("train", "dev", "test") if (part := data.split(name)) is not None}
    if parts.get("test") is parts.get("dev"):
        parts.pop("test", None)
    return parts


def _part(split: Split, targets: Targets, features: Sequence[str]) -> Facts:
    """What is to be known of one part; `features` are the names of its inputs, where they have some."""
    facts: Facts = {"examples": len(split)}
    numbers = moments(batch.inputs for batch in split.in_order())
    if numbers is not None:
        facts["inputs"] = numbers.by_name()
        for name, row in zip(features, facts["inputs"], strict=False):
            row["name"] = name
    lengths = [found for batch in split.in_order() if (found := examples.lengths(batch.inputs)) is not None]
    if lengths:
        facts["lengths"] = _quantiles(torch.cat(lengths))
    if isinstance(targets, Values):
        values = moments(batch.targets for batch in split.in_order())
        named = values.by_name() if values is not None else []
        facts["targets"] = [{"name": name, **row} for name, row in zip(targets.names, named, strict=True)]
    if isinstance(targets, Labels | LabelSet | ClassAndBox | Located):
        facts["classes"] = dict(zip(targets.names, _counts(split, targets).tolist(), strict=True))
    return facts


def _counts(split: Split, targets: Labels | LabelSet | ClassAndBox | Located) -> Tensor:
    """How many labels (of masks, pixels) or objects are of each class; of sets, how many examples have each."""
    if isinstance(targets, LabelSet):
        return torch.stack([(batch.targets == 1).sum(dim=0).cpu() for batch in split.in_order()]).sum(0)
    labels = (_labels(batch.targets, targets) for batch in split.in_order())
    counts = [torch.bincount(some[some >= 0].cpu(), minlength=len(targets.names)) for some in labels]
    return torch.stack(counts).sum(0)


def _labels(found: Any, targets: Labels | ClassAndBox | Located) -> Tensor:
    if isinstance(targets, Located):
        return found.labels
    return targets.strata(found) if isinstance(targets, ClassAndBox) else found


def _quantiles(lengths: Tensor) -> Facts:
    return {"least": int(lengths.min()), "median": int(lengths.median()), "greatest": int(lengths.max())}


def _lengths(part: Mapping[str, Any]) -> str:
    if "lengths" not in part:
        return "-"
    return "{least} to {greatest}, half up to {median}".format(**part["lengths"])


def _class_table(facts: Facts) -> Iterator[Table]:
    """The classes, the most frequent first, with their share of each part."""
    parts = {name: part["classes"] for name, part in facts["splits"].items() if "classes" in part}
    if not parts:
        return
    ranked = sorted(parts["train"], key=lambda name: -parts["train"][name])
    rows = tuple((_visible(name), *(_share(part[name], part) for part in parts.values())) for name in _some(ranked))
    yield Table(f"{len(ranked)} classes", ("class", *parts), _with_gap(rows, len(ranked)))


def _missing_table(facts: Facts) -> Iterator[Table]:
    """How many values of the training set are missing, which others stand for in the inputs."""
    if facts.get("missing"):
        rows = tuple((name, f"{count:,}") for name, count in facts["missing"].items())
        yield Table("missing values", ("column", "rows of the training set"), rows)


def _visible(name: str) -> str:
    """A class's name; one that would not be seen, such as a blank, as Python writes it."""
    return name if name.strip() else repr(name)


def _share(count: int, counts: Mapping[str, int]) -> str:
    return f"{count:,} ({count / max(sum(counts.values()), 1):.1%})"


def _number_table(title: str, column: str, numbers: Sequence[Mapping[str, Any]] | None) -> Iterator[Table]:
    """Least, mean, deviation, greatest and missing numbers of each feature."""
    if not numbers:
        return
    columns = ("least", "mean", "deviation", "greatest", "missing")
    rows = tuple(
        (str(number.get("name", i)), *(f"{number[key]:.5g}" for key in columns))
        for i, number in _some(list(enumerate(numbers)))
    )
    yield Table(title, (column, *columns), _with_gap(rows, len(numbers)))


def _some(entries: list[Any]) -> list[Any]:
    """The first and the last of many."""
    return entries if len(entries) <= MOST_ROWS else entries[: MOST_ROWS // 2] + entries[-MOST_ROWS // 2 :]


def _with_gap(rows: tuple[tuple[str, ...], ...], count: int) -> tuple[tuple[str, ...], ...]:
    """A row that says how many are left out between the first and the last."""
    if count == len(rows):
        return rows
    gap = (f"... {count - len(rows):,} more", *("" for _ in rows[0][1:]))
    return (*rows[: MOST_ROWS // 2], gap, *rows[MOST_ROWS // 2 :])
