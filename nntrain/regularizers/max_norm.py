"""A constraint on the length of weight vectors."""

from torch import Tensor, nn

from nntrain.matching import matrices
from nntrain.registry import regularizer
from nntrain.regularizers import Regularizer
from nntrain.settings import Positive


@regularizer("max_norm")
class MaxNorm(Regularizer):
    """A constraint: the incoming weights of a unit are a vector of at most a given length.

    w_i = w_i min(1, largest / |w_i|) after every step, w_i a row of a weight matrix or a filter

    Weights that are frozen are left as they are.

    Source: Srivastava et al., Dropout, 2014, appendix A.

    Settings:
        largest: the length
        match: pattern on parameter names; parameters of one axis are left out
    """

    def __init__(self, *, largest: Positive = 3.0, match: str = "weight$") -> None:
        self._largest = largest
        self._match = match
        self._matrices: list[tuple[Tensor, Tensor]] = []  # each, and its rows in the same memory

    def bind(self, model: nn.Module) -> None:
        self._matrices = [(p, p.detach().flatten(1)) for p in matrices(model, self._match)]

    def project(self) -> None:
        for parameter, rows in self._matrices:
            if parameter.requires_grad:
                rows.mul_((self._largest / rows.norm(dim=1, keepdim=True)).clamp(max=1))
