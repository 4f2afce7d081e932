"""Sequences in a table: a row for each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nntrain.batch import Sequences
from nntrain.data.columns import Columns, Rows


@dataclass(frozen=True)
class Some:
    """Some of the sequences in a table: the numbers of the rows of each, in the order of time."""

    columns: Columns
    rows: Sequence[np.ndarray[Any, Any]]

    def take(self, numbers: Tensor) -> "Some":
        return Some(self.columns, [self.rows[i] for i in numbers.tolist()])

    def __len__(self) -> int:
        return len(self.rows)

    def first(self) -> Rows:
        """The first row of each."""
        return Rows(self.columns, np.array([rows[0] for rows in self.rows], dtype=np.int64))

    def all(self) -> Rows:
        return Rows(self.columns, np.concatenate([*self.rows, np.zeros(0, np.int64)]).astype(np.int64))

    def padded(self, values: Tensor, padding: float) -> Sequences:
        """Numbers of all rows (rows, ...), a row of steps for each sequence."""
        lengths = [len(rows) for rows in self.rows]
        pieces = torch.split(values, lengths) if lengths else []
        whole = torch.nn.utils.rnn.pad_sequence(list(pieces), batch_first=True, padding_value=padding)
        return Sequences(whole, torch.tensor(lengths))


def by_id(columns: Columns, id: str) -> dict[str, list[int]]:
    """The rows of each sequence, in their order; of '' those without an id."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(columns.text[id]):
        rows.setdefault(name, []).append(row)
    return rows


def inputs_of(part: Some, features: Sequence[str]) -> Sequences:
    """The numbers of each step (sequences, time, features), padded with 0; UserError, with the row, for others."""
    rows = part.all()
    values = np.stack([rows.values(name, "value") for name in features], axis=1)
    return part.padded(torch.from_numpy(values).to(torch.get_default_dtype()), 0.0)
