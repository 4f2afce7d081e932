"""A table as a set: divided, learned from, made into tensors."""

import sys
from collections.abc import Callable, Sequence
from functools import cache, cached_property, partial

import numpy as np
import torch
from torch import Tensor

from nntrain.data import Learned, encoding
from nntrain.data.columns import Numbers, Rows
from nntrain.data.division import Chronological, Grouped, Stratified
from nntrain.data.encoding import Column, InputType
from nntrain.data.in_memory import Examples
from nntrain.data.split import Division, SplitSettings, divide_all
from nntrain.data.table_plan import Plan, lacking
from nntrain.data.table_target import ClassColumn, ValueColumns, target_of
from nntrain.data.table_types import Types, told
from nntrain.data.undivided import Parts
from nntrain.errors import UnfitError, UserError
from nntrain.specs import Classes

PARTS = ("train", "dev", "test")


class TableSet:
    """The rows of a table, and of files beside it: each file is read when its rows are asked for."""

    scale = 1.0

    def __init__(self, plan: Plan, stored: Learned | None) -> None:
        if stored is not None:
            plan.check_learned(stored)
        self._plan = plan
        self._stored = stored
        self.name = plan.path

    def parts(self, split: SplitSettings) -> Parts:
        numbers = cache(partial(self._divided, split))
        return Parts(*(partial(self._part, i, numbers) for i in range(3)))

    def learn(self, train: Rows) -> Learned:
        plan = self._plan
        columns = [
            encoding.learned(name, kind, _values(train, name, kind), plan.impute, plan.flag_missing)
            for name, kind in self._types.inputs.items()
        ]
        if plan.flag_missing and not any(column.flagged for column in columns):
            raise UnfitError("no number is missing in the training set; leave this setting out", "flag_missing")
        if plan.impute != "mean" and all(column.type == "category" for column in columns):
            raise UnfitError("the table has no numbers that could be missing; leave this setting out", "impute")
        lacking = {name: encoding.missing(train.values(name, kind)) for name, kind in self._types.inputs.items()}
        facts = {
            "columns": encoding.to_json(columns),
            "table": plan.preparation,
            "features": encoding.names(columns),
            "missing": {name: count for name, count in lacking.items() if count},
        }
        return Learned(encoding.inputs(columns), self._target.learn(train), facts=facts)

    def examples(self, part: Rows, learned: Learned) -> Examples:
        columns, weight = columns_of(learned), self._plan.weight
        needed = [*(column.name for column in columns), *self._plan.targets, weight]
        lacking(part.columns, [name for name in needed if name])
        inputs = encoding.encode(columns, part.values)
        targets = self._target.encode(part, learned.targets)
        return Examples(inputs, targets, torch.from_numpy(part.values(weight, "weight")) if weight else None)

    def _part(self, number: int, numbers: Callable[[], tuple[Tensor, Tensor, Tensor]]) -> Rows:
        path = self._plan.own.get(PARTS[number])
        return self._whole.take(numbers()[number]) if path is None else Rows.all_of(self._plan.files.read(path))

    @cached_property
    def _whole(self) -> Rows:
        columns = self._plan.files.read(self._plan.path)
        self._plan.check(columns)
        return Rows.all_of(columns)

    @cached_property
    def _types(self) -> Types:
        """Those of a checkpoint, else told by the values, and said."""
        if self._stored is not None:
            known = {column.name: column.type for column in columns_of(self._stored)}
            return Types(known, isinstance(self._stored.targets, Classes))
        plan, whole = self._plan, self._whole
        others = [name for setting, name in plan.roles.items() if not setting.startswith("target")]
        types = told(whole.columns, plan.targets, others, plan.columns)
        print(f"{plan.path}: {len(whole):,} rows", *types.remarks, sep="\n  ", file=sys.stderr)
        return types

    @cached_property
    def _target(self) -> ClassColumn | ValueColumns:
        return target_of(self._plan.targets, self._types.classes)

    def _divided(self, split: SplitSettings) -> tuple[Tensor, Tensor, Tensor]:
        return divide_all(self._division(split), split, self.name, self._plan.own)

    def _division(self, split: SplitSettings) -> Division:
        """How the rows of `path` are divided."""
        rows, plan = self._whole, self._plan
        if plan.time is not None:
            for setting in ("seed", "folds"):
                if getattr(split, setting):
                    raise UnfitError("rows divided by time are not drawn; leave this setting out", f"split.{setting}")
            return Chronological(torch.from_numpy(rows.values(plan.time, "time")))
        strata = self._target.strata(rows)
        if plan.group is None:
            return Stratified(strata)
        groups = np.unique(rows.values(plan.group, "class"), return_inverse=True)[1]
        return Grouped(torch.from_numpy(groups), strata)


def _values(train: Rows, name: str, kind: InputType) -> Numbers:
    try:
        return train.values(name, kind)
    except UserError as error:
        hint = f"data.columns={{{name}: category}} takes the column as it is" if kind == "number" else ""
        raise UserError("; mend it, or ".join(filter(None, (str(error), hint)))) from None


def columns_of(learned: Learned) -> Sequence[Column]:
    """The input columns that a table's preparation learned."""
    return encoding.from_json(learned.facts["columns"])
