"""What a trained model is worth, or several as one: the numbers, as JSON and as tables."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nntrain.ensemble import as_one
from nntrain.evaluate import Measured, Numbers
from nntrain.measure import measure
from nntrain.members import Asked, Say
from nntrain.tables import Table

NAMES = {
    "--ensemble average": "mean of predictions",
    "--ensemble vote": "vote",
    "--average weights": "mean of weights",
}


@dataclass(frozen=True)
class Worth:
    """What one model is worth."""

    path: Path
    split: str
    measured: Measured

    def facts(self) -> dict[str, Any]:
        found = {"checkpoint": str(self.path.resolve()), "split": self.split, "examples": self.measured.examples}
        return {**found, "metrics": self.measured.numbers}

    def tables(self) -> list[Table]:
        rows = tuple((name, f"{value:.6g}") for name, value in self.measured.numbers.items())
        return [Table(_title(self.split, self.measured), ("metric", "value"), rows), *self.measured.tables]


@dataclass(frozen=True)
class WorthTogether:
    """What several models are worth as one, and each by itself."""

    way: str
    paths: list[Path]
    split: str
    measured: Measured
    members: list[Measured]

    def facts(self) -> dict[str, Any]:
        option, value = self.way.removeprefix("--").split()
        paths = [str(path.resolve()) for path in self.paths]
        each = zip(paths, self.members, strict=True)
        return {
            "checkpoint": paths,
            "split": self.split,
            "examples": self.measured.examples,
            option: value,
            "metrics": self.measured.numbers,
            "members": [{"checkpoint": path, "metrics": member.numbers} for path, member in each],
        }

    def tables(self) -> list[Table]:
        metrics = self.members[0].numbers
        models = [(NAMES[self.way], self.measured), *zip(_short(self.paths), self.members, strict=True)]
        rows = tuple((name, *(_said(measured.numbers, metric) for metric in metrics)) for name, measured in models)
        return [Table(_title(self.split, self.measured), ("model", *metrics), rows), *self.measured.tables]


def worth(asked: Asked, way: str | None, split: str, say: Say) -> Worth | WorthTogether:
    """Measures one model, or several made one in some way."""
    members, parts = as_one(asked, way, say)
    measured = measure(parts, split)
    if way is None:
        return Worth(members[0].path, split, measured)
    each = [measure(member.parts, split) for member in members]
    return WorthTogether(way, [member.path for member in members], split, measured, each)


def _title(split: str, measured: Measured) -> str:
    return f"{split} set, {measured.examples:,} examples"


def _short(paths: Sequence[Path]) -> list[str]:
    """The paths from the folder on that they have in common; a run's best model is called as the run."""
    whole = [path.resolve() for path in paths]
    common = os.path.commonpath([path.parent for path in whole])
    return [os.path.relpath(path, common).removesuffix("/checkpoints/best.safetensors") for path in whole]


def _said(numbers: Numbers, metric: str) -> str:
    return f"{numbers[metric]:.6g}" if metric in numbers else "-"
