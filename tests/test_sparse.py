"""Products with matrices that are mostly zero."""

import torch

from nntrain.batch import GraphNodes, each, flat
from nntrain.sparse import Sparse


def example(dtype: torch.dtype = torch.float64) -> tuple[Sparse, torch.Tensor]:
    """A matrix of 5x4 with an empty row, an empty column and two values in one place; and the same, dense."""
    rows, columns = torch.tensor([4, 0, 2, 0, 2, 4]), torch.tensor([1, 0, 3, 3, 3, 0])
    values = torch.tensor([1.0, -2.0, 3.0, 0.5, 1.5, 4.0], dtype=dtype)
    expected = torch.zeros(5, 4, dtype=dtype).index_put_((rows, columns), values, accumulate=True)
    return Sparse.of(rows, columns, values, (5, 4)), expected


def test_the_dense_matrix() -> None:
    matrix, expected = example()
    torch.testing.assert_close(matrix.dense(), expected)


def test_products_and_their_gradients() -> None:
    matrix, expected = example()
    dense = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(matrix @ dense, expected @ dense)
    assert torch.autograd.gradcheck(lambda d: matrix @ d, dense)


def test_a_product_in_bfloat16_is_summed_in_the_values_precision() -> None:
    matrix, expected = example(torch.float32)
    dense = torch.randn(4, 3).bfloat16()
    product = matrix @ dense
    assert product.dtype == torch.bfloat16
    torch.testing.assert_close(product, (expected @ dense.float()).bfloat16())


def test_dropout_keeps_zeros_and_the_mean() -> None:
    torch.manual_seed(0)
    ones = Sparse.of(torch.arange(10_000), torch.zeros(10_000, dtype=torch.long), torch.ones(10_000), (10_000, 1))
    values = ones.dropout(0.75, training=True).dense()
    assert set(values.flatten().tolist()) == {0.0, 4.0}
    assert abs(values.mean() - 1) < 0.1
    torch.testing.assert_close(ones.dropout(0.75, training=False).dense(), ones.dense())


def test_parts_are_moved_together_and_rows_are_found() -> None:
    matrix, expected = example()
    assert isinstance(each(lambda part: part.clone(), matrix), Sparse)
    nodes = GraphNodes(matrix, torch.zeros(2, 0, dtype=torch.long), torch.tensor([4, 0]))
    torch.testing.assert_close(flat(nodes), expected[[4, 0]])
