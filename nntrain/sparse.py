"""Matrices that are mostly zero: the features of documents, the neighbours in a graph."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Sparse(NamedTuple):
    """A matrix by its entries, ordered by rows and by columns, so that it and its transpose multiply fast.

    starts: where the entries of each row begin, and their end (rows + 1,); columns, values: of each entry, row
    by row (entries,); column_starts: where those of each column begin (columns + 1,); rows: of each entry,
    column by column (entries,); order: the place among `values` of each entry, column by column (entries,)
    """

    starts: Tensor
    columns: Tensor
    values: Tensor
    column_starts: Tensor
    rows: Tensor
    order: Tensor

    @staticmethod
    def of(rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> "Sparse":
        """The matrix with these values in these places; values in one place add up."""
        first = rows.argsort(stable=True)
        rows, columns = rows[first], columns[first]
        order = columns.argsort(stable=True)
        return Sparse(_starts(rows, shape[0]), columns, values[first], _starts(columns, shape[1]), rows[order], order)

    def dense(self) -> Tensor:
        """The matrix with its zeros (rows, columns)."""
        shape = (len(self.starts) - 1, len(self.column_starts) - 1)
        return self.values.new_zeros(shape).index_put_(
            (self.rows, self.columns[self.order]), self.values[self.order], accumulate=True
        )

    def dropout(self, share: float, training: bool) -> "Sparse":
        """Dropout of the entries: a zero stays one whether it is dropped or not."""
        return self._replace(values=F.dropout(self.values, share, training))

    def __matmul__(self, other: Tensor) -> Tensor:
        return _Product.apply(other, self, False)


def _starts(numbers: Tensor, count: int) -> Tensor:
    """Where each of `count` numbers begins in their ordered list, and its end."""
    ends = torch.zeros(count + 1, dtype=torch.long, device=numbers.device)
    return ends.index_add_(0, numbers + 1, torch.ones_like(numbers)).cumsum(0)


class _Product(torch.autograd.Function):
    """S D, or S^T D, for a sparse S that is not trained and a dense D; the gradient for D is the other product's.

    torch's own product turns the matrix round at every backward pass, which takes ten times as long.
    """

    @staticmethod
    def forward(context: Any, dense: Tensor, matrix: Sparse, turned: bool) -> Tensor:
        context.matrix, context.turned = matrix, turned
        if not turned:
            return _sums(matrix.columns, matrix.starts, matrix.values, dense)
        return _sums(matrix.rows, matrix.column_starts, matrix.values.index_select(0, matrix.order), dense)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Product.apply(gradient, context.matrix, not context.turned), None, None


def _sums(places: Tensor, starts: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """The sums over each row's entries of the value times the dense row in its place."""
    sums = F.embedding_bag(
        places,
        dense.to(values.dtype).contiguous(),
        starts,
        mode="sum",
        per_sample_weights=values,
        include_last_offset=True,
    )
    return sums.to(dense.dtype)
