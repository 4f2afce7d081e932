"""Penalties on the singular values of weight matrices."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nntrain.registry import regularizer
from nntrain.regularizers import OnMatrices, Penalty
from nntrain.settings import NonNegative


@regularizer("orthogonality", within=OnMatrices)
def orthogonality(*, weight: NonNegative = 1e-3) -> Penalty:
    """Draws the rows of weight matrices towards orthogonal ones of length 1, so that signals keep their size.

    penalty = weight sum_W |W W^T - I|_F^2, with gradient 4 weight (W W^T - I) W

    A matrix with more rows than columns is transposed, since its rows cannot all be orthogonal.
    Source: Brock et al., Neural photo editing with introspective adversarial networks, 2017, arXiv:1609.07093,
    with squares in the place of sizes.

    Settings:
        weight: how strong it is
    """

    def distance(matrix: Tensor) -> Tensor:
        rows = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
        identity = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
        return (rows @ rows.T - identity).square().sum()

    return lambda found: torch.stack([distance(matrix) for matrix in found]).sum() * weight


@regularizer("spectral", within=OnMatrices)
def spectral(*, weight: NonNegative = 1e-2) -> Penalty:
    """Draws the largest singular value of weight matrices towards zero, so that small changes stay small.

    penalty = weight/2 sum_W s(W)^2, with gradient weight s u v^T; s, u, v the largest singular value, its vectors

    The singular value decomposition is exact, which takes its time for large matrices.
    Source: Yoshida, Miyato, Spectral norm regularization, 2017, arXiv:1705.10941.

    Settings:
        weight: how strong it is
    """

    def penalty(found: Sequence[Tensor]) -> Tensor:
        largest = torch.stack([torch.linalg.matrix_norm(matrix, ord=2) for matrix in found])
        return largest.square().sum() * (weight / 2)

    return penalty
