"""What the user says of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nntrain.data import Learned
from nntrain.data.column_types import ColumnType
from nntrain.data.columns import Columns
from nntrain.data.encoding import Imputation
from nntrain.data.table_files import TableFiles
from nntrain.errors import UnfitError, UserError
from nntrain.suggest import did_you_mean
from nntrain.words import show


@dataclass(frozen=True)
class Plan:
    """Files, roles and pins. `own` are the files of the parts, dev and test, that have one beside `path`."""

    path: str
    own: Mapping[str, str]
    files: TableFiles
    target: str | list[str]
    group: str | None
    time: str | None
    weight: str | None
    columns: Mapping[str, ColumnType]
    impute: Imputation
    flag_missing: bool

    def __post_init__(self) -> None:
        roles = self.roles
        for setting, name in roles.items():
            if list(roles.values()).count(name) > 1:
                raise UnfitError(f"'{name}' has two roles: {', '.join(s for s in roles if roles[s] == name)}", setting)
            if name in self.columns and setting in ("group", "time", "weight"):
                raise UnfitError(f"'{name}' is the {setting} column, and no input", f"columns.{name}")
        if not self.targets:
            raise UnfitError("names no column", "target")
        dividing = "group" if self.group else "time"
        if self.group and self.time:
            raise UnfitError("rows are divided by group or by time; leave one of them out", "time")
        if (self.group or self.time) and len(self.own) == 2:
            raise UnfitError("dev and test have files of their own, so nothing is divided; leave this out", dividing)

    @property
    def targets(self) -> Sequence[str]:
        return [self.target] if isinstance(self.target, str) else self.target

    @property
    def roles(self) -> dict[str, str]:
        """The columns that are no inputs, by the settings that name them."""
        names = [self.target] if isinstance(self.target, str) else self.target
        targets = {"target": names[0]} if isinstance(self.target, str) else dict(_numbered("target", names))
        others = {"group": self.group, "time": self.time, "weight": self.weight}
        return {**targets, **{setting: name for setting, name in others.items() if name is not None}}

    def check(self, columns: Columns) -> None:
        """UnfitError for a column that the training table does not have."""
        pinned = {f"columns.{name}": name for name in self.columns}
        for setting, name in {**self.roles, **pinned}.items():
            if name not in columns.text:
                near = did_you_mean(name, columns.text)
                raise UnfitError(f"{self.path} has no column '{name}'; {near}", setting)

    @property
    def preparation(self) -> dict[str, Any]:
        """The settings that what is learned depends on, as JSON."""
        return {
            "target": list(self.targets),
            "columns": dict(self.columns),
            "impute": self.impute,
            "flag_missing": self.flag_missing,
        }

    def check_learned(self, learned: Learned) -> None:
        """UnfitError where a checkpoint learned with other settings than these."""
        before = learned.facts.get("table", {})
        for setting, value in self.preparation.items():
            if before.get(setting) != value:
                was = show(before.get(setting))
                raise UnfitError(f"the checkpoint was trained with {was}; leave this setting out", setting)


def lacking(columns: Columns, needed: Sequence[str]) -> None:
    """UserError where a table beside the training table lacks some of its columns."""
    names = [name for name in needed if name not in columns.text]
    if names:
        raise UserError(f"{columns.path} has no column {', '.join(names)}, which the training table has")


def _numbered(setting: str, names: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{setting}.{i}", name) for i, name in enumerate(names)]
