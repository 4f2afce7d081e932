"""A constraint on the length of weight vectors."""

from collections.abc import Sequence

from torch import nn

from nntrain.registry import regularizer
from nntrain.regularizers import Regularizer
from nntrain.settings import Positive
from nntrain.weights import Weight, matrices_of


@regularizer("max_norm")
class MaxNorm(Regularizer):
    """A constraint: the incoming weights of a unit are a vector of at most a given length.

    w_i = w_i min(1, largest / |w_i|) after every step, w_i a row of a weight matrix or a filter

    Weights that are frozen are left as they are.

    Source: Srivastava et al., Dropout, 2014, appendix A.

    Settings:
        largest: the length
        match: pattern on parameter names, of which those of one axis are left out; left out itself, the weights: all
            matrices and filters, recurrent ones too, but no embeddings
    """

    def __init__(self, *, largest: Positive = 3.0, match: str | None = None) -> None:
        self._largest = largest
        self._match = match
        self._weights: Sequence[Weight] = ()

    def bind(self, model: nn.Module) -> None:
        self._weights = matrices_of(model, self._match)
        for weight in self._weights:
            weight.as_long()

    def project(self) -> None:
        for weight in self._weights:
            parameter = weight.as_long()
            if parameter.requires_grad:
                rows = parameter.detach().flatten(1)
                factors = (self._largest / rows.norm(dim=1)).clamp(max=1)
                parameter.detach().mul_(factors.view(-1, *[1] * (parameter.dim() - 1)))
