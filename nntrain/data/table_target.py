"""The target columns of a table: a class, or one or several values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nntrain.data.columns import Rows
from nntrain.errors import UserError
from nntrain.specs import Classes, Targets, Values
from nntrain.suggest import did_you_mean

LISTED = 20  # classes in a message


@dataclass(frozen=True)
class ClassColumn:
    """A column that names the class of each row."""

    name: str

    def strata(self, rows: Rows) -> Tensor:
        """The group of each row that is shared out evenly: its class."""
        return torch.from_numpy(np.unique(rows.values(self.name, "class"), return_inverse=True)[1])

    def learn(self, train: Rows) -> Classes:
        """The classes of the training set, in the order of the alphabet, or of numbers; UserError where it is one."""
        names = set(rows_names := train.values(self.name, "class").tolist())
        if len(names) < 2:
            only = f"{train.columns.path}: {self.name} is '{rows_names[0]}'"
            raise UserError(f"{only} in every row of the training set; nothing is to be told")
        classes = Classes(tuple(sorted(names, key=_number_or_name)))
        return classes.learned_from(self.encode(train, classes))

    def encode(self, rows: Rows, targets: Targets) -> Tensor:
        """The number of each row's class; UserError, with the row, for one that the training set does not have."""
        assert isinstance(targets, Classes)
        place = {name: i for i, name in enumerate(targets.names)}
        values = rows.values(self.name, "class")
        for row, value in enumerate(values):
            if value not in place:
                near = did_you_mean(value, targets.names[:LISTED], "there is")
                raise UserError(f"{rows.where(row)}: no row of the training set has the {self.name} '{value}'; {near}")
        return torch.tensor([place[value] for value in values])


@dataclass(frozen=True)
class ValueColumns:
    """Columns of numbers."""

    names: Sequence[str]

    def strata(self, rows: Rows) -> Tensor:
        return Values(tuple(self.names)).strata(self._numbers(rows))

    def learn(self, train: Rows) -> Values:
        return Values(tuple(self.names)).learned_from(self._numbers(train))

    def encode(self, rows: Rows, targets: Targets) -> Tensor:
        return self._numbers(rows)

    def _numbers(self, rows: Rows) -> Tensor:
        return torch.from_numpy(np.stack([rows.values(name, "value") for name in self.names], axis=1))


def target_of(names: Sequence[str], classes: bool) -> ClassColumn | ValueColumns:
    return ClassColumn(names[0]) if classes else ValueColumns(names)


def _number_or_name(name: str) -> tuple[float, str]:
    try:
        return float(name.replace(",", ".")), name
    except ValueError:
        return float("inf"), name
