"""The user's own series as a table in the long format: a row for each step of each sequence."""

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.data import Learned, column_types
from nntrain.data.columns import Columns
from nntrain.data.delimited import Decimal, Separator
from nntrain.data.division import Stratified
from nntrain.data.in_memory import Examples
from nntrain.data.own_files import FromFiles
from nntrain.data.plain_files import Piece
from nntrain.data.row_sequences import Some, by_id, inputs_of
from nntrain.data.split import SplitSettings, divide_all
from nntrain.data.table import MISSING
from nntrain.data.table_files import TableFiles
from nntrain.data.table_plan import lacking
from nntrain.data.table_target import ClassColumn, ValueColumns, target_of
from nntrain.data.undivided import Parts
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes, Inputs, Series, Tags, Targets
from nntrain.suggest import did_you_mean

Labels = Literal["sequence", "step"]


@data("sequence_table", within=FromFiles)
class SequenceTable:
    """Your own series: CSV, TSV or Parquet in the long format, a row for each step of each sequence.

    x_t = (the numbers in the columns of step t)

    Rows with the same id are one sequence, in the order of `time`, or of the file. A target is a class where it is
    text or at most 20 different whole numbers, else a value. Classes are those of the training set. Missing numbers
    are refused.
    Source: own; the long format as in pandas.melt.

    Settings:
        path: the file; with dev or test, the sequences for training
        id: the column that says which sequence a row belongs to
        target: the column to predict
        labels: sequence for one target of each sequence, the same in all its rows; step for a class at each step
        time: the column of numbers that says in which order the steps come; left out, that of the file
        features: the columns that are inputs; left out, all others, which are to be numbers
        dev: a file with the sequences of the dev set; left out, some of path
        test: a file with the sequences of the test set; left out, some of path
        separator: what stands between values; auto looks
        decimal: what stands before decimals; auto looks
    """

    def __init__(
        self,
        *,
        path: PathText,
        id: str,
        target: str,
        labels: Labels = "sequence",
        time: str | None = None,
        features: list[str] | None = None,
        dev: PathText | None = None,
        test: PathText | None = None,
        separator: Separator = "auto",
        decimal: Decimal = "auto",
    ) -> None:
        self.path = path
        self.own = {name: file for name, file in (("dev", dev), ("test", test)) if file is not None}
        self.id = id
        self.target = target
        self.labels = labels
        self.time = time
        self._features = features
        self._files = TableFiles(MISSING, separator, decimal)

    def read(self, stored: Learned | None) -> "SequenceSet":
        return SequenceSet(self, stored)

    def given(self, paths: Sequence[str], learned: Learned) -> Iterator[Piece]:
        features = learned.facts["features"]
        for path in paths:
            try:
                yield self._piece(self._files.read(path), features)
            except UserError as error:
                yield Piece(None, [], [str(error)])

    def _piece(self, columns: Columns, features: Sequence[str]) -> Piece:
        """The sequences of a table that can be read, and what is wrong with the others."""
        lacking(columns, [self.id, *features, *([self.time] if self.time else [])])
        whole: list[int] = []
        failures: list[str] = []
        for rows in by_id(columns, self.id).values():
            try:
                inputs_of(self.sequences(columns.part(rows), features), features)
                whole += rows
            except UserError as error:
                failures.append(str(error))
        if not whole:
            return Piece(None, [], failures)
        some = self.sequences(columns.part(whole), features)
        sources = [{"file": columns.path, "id": some.columns.text[self.id][rows[0]]} for rows in some.rows]
        return Piece(inputs_of(some, features), sources, failures)

    def open(self, path: str) -> Columns:
        """A table with a target; UnfitError, with the setting, for a column that it does not have."""
        columns = self._files.read(path)
        for setting, name in (("id", self.id), ("target", self.target), ("time", self.time)):
            if name is not None and name not in columns.text:
                raise UnfitError(f"{path} has no column '{name}'; {did_you_mean(name, columns.text)}", setting)
        for name in self._features or ():
            if name not in columns.text:
                raise UnfitError(f"{path} has no column '{name}'; {did_you_mean(name, columns.text)}", "features")
        return columns

    def features(self, columns: Columns) -> list[str]:
        """The columns that are inputs."""
        if self._features is not None:
            return self._features
        found = [name for name in columns.text if name not in (self.id, self.target, self.time)]
        if not found:
            raise UserError(f"{columns.path} has no column beside {self.id} and {self.target} to learn from")
        return found

    def sequences(self, columns: Columns, features: Collection[str]) -> Some:
        """The rows of each id; UserError for a row without one, or without its time."""
        lacking(columns, [self.id, *features, *([self.time] if self.time else [])])
        rows = by_id(columns, self.id)
        if "" in rows:
            raise UserError(f"{columns.path}:{columns.rows[rows[''][0]]}: there is no {self.id}")
        if self.time is None:
            return Some(columns, [np.array(own) for own in rows.values()])
        moments = columns.values(self.time, "value")
        return Some(columns, [np.array(sorted(own, key=lambda row: float(moments[row]))) for own in rows.values()])


class SequenceSet:
    """The sequences of a table, to be divided and made into tensors."""

    name = "sequence_table"
    scale = 1.0

    def __init__(self, table: SequenceTable, stored: Learned | None) -> None:
        columns = table.open(table.path)
        self._table = table
        self._features: list[str] = table.features(columns) if stored is None else stored.facts["features"]
        self._whole = table.sequences(columns, self._features)
        self._target = self._kind(columns) if stored is None else target_of([table.target], _are_classes(stored))
        if table.labels == "sequence":
            self._check_one_each(self._whole)

    def parts(self, split: SplitSettings) -> Parts:
        train, dev, test = divide_all(Stratified(self._strata()), split, self.name, self._table.own)
        take = self._whole.take
        return Parts(lambda: take(train), lambda: self._part("dev", dev), lambda: self._part("test", test))

    def learn(self, train: Some) -> Learned:
        inputs: Inputs = Series(len(self._features), max(map(len, train.rows)))
        return Learned(inputs, self._learned_target(train), facts={"features": self._features})

    def examples(self, part: Some, learned: Learned) -> Examples:
        inputs = inputs_of(part, self._features)
        if isinstance(learned.targets, Tags):
            known = Classes(learned.targets.names)
            labels = part.padded(self._target.encode(part.all(), known), IGNORED)
            return Examples(inputs, labels.values)
        self._check_one_each(part)
        return Examples(inputs, self._target.encode(part.first(), learned.targets))

    def _part(self, name: str, numbers: Tensor) -> Some:
        """A part: of a file of its own, or of the one that is divided."""
        file = self._table.own.get(name)
        if file is None:
            return self._whole.take(numbers)
        return self._table.sequences(self._table.open(file), self._features)

    def _kind(self, columns: Columns) -> ClassColumn | ValueColumns:
        """What the target is, told by its values."""
        values = [value for value in columns.text[self._table.target] if value]
        seen = column_types.found(values, columns.decimal)
        is_class = seen.type not in ("number", "ids") or column_types.are_classes(values, columns.decimal)
        if self._table.labels == "step" and not is_class:
            raise UnfitError(
                f"{columns.path}: labels of steps are classes; {self._table.target} holds numbers", "labels"
            )
        return target_of([self._table.target], is_class)

    def _strata(self) -> Tensor:
        if self._table.labels == "step":
            return torch.zeros(len(self._whole), dtype=torch.long)
        return self._target.strata(self._whole.first())

    def _learned_target(self, train: Some) -> Targets:
        if self._table.labels == "sequence":
            return self._target.learn(train.first())
        known = self._target.learn(train.all())
        assert isinstance(known, Classes)
        return Tags(known.names, max(map(len, train.rows)))

    def _check_one_each(self, part: Some) -> None:
        """UserError, with the row, where the target changes within a sequence."""
        text = part.columns.text[self._table.target]
        for rows in part.rows:
            for row in rows:
                if text[row] != text[rows[0]]:
                    where = f"{part.columns.path}:{part.columns.rows[row]}"
                    raise UserError(
                        f"{where}: {self._table.target} is '{text[row]}' here and '{text[rows[0]]}' at the first step "
                        f"of '{part.columns.text[self._table.id][row]}'; data.labels=step learns a label for each step"
                    )


def _are_classes(stored: Learned) -> bool:
    return isinstance(stored.targets, Classes | Tags)
