"""Nodes and edges in tables."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nntrain.data.columns import Columns, Rows
from nntrain.errors import UnfitError, UserError
from nntrain.suggest import did_you_mean


def numbers_of(table: Columns, id: str) -> dict[str, int]:
    """The number of each node by its name; UserError, with the row, for one without a name, or with another's."""
    numbers: dict[str, int] = {}
    for row, name in enumerate(table.text[id]):
        where = f"{table.path}:{table.rows[row]}"
        if not name:
            raise UserError(f"{where}: there is no {id}")
        if name in numbers:
            raise UserError(f"{where}: '{name}' is there already, in row {table.rows[numbers[name]]}")
        numbers[name] = row
    return numbers


def check_column(table: Columns, name: str, setting: str) -> None:
    """UnfitError, with the setting, where a table does not have the column that it names."""
    if name not in table.text:
        raise UnfitError(f"{table.path} has no column '{name}'; {did_you_mean(name, table.text)}", setting)


def edges_of(links: Columns, ends: Sequence[str], numbers: Mapping[str, int], id: str, directed: bool) -> Tensor:
    """The edges by the numbers of their nodes (2, edges), both ways each where they are not directed."""
    for column in ends:
        for row, name in enumerate(links.text[column]):
            if name not in numbers:
                raise UserError(f"{links.path}:{links.rows[row]}: there is no node whose {id} is '{name}'")
    found = torch.tensor([[numbers[name] for name in links.text[column]] for column in ends], dtype=torch.long)
    return found if directed else torch.unique(torch.cat((found, found.flip(0)), dim=1), dim=1)


def values_of(table: Columns, names: Sequence[str]) -> Tensor:
    """Numbers for each node (nodes, features); UserError, with the place, for others."""
    return torch.from_numpy(np.stack([Rows.all_of(table).values(name, "value") for name in names], axis=1))
