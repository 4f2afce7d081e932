"""Matrices of a certain structure."""

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.initializers import Fill, OnMatrices, fill_all
from nntrain.registry import initializer
from nntrain.settings import Count, Finite, Positive, Share
from nntrain.weights import matrices_of, weights_of

GATES = r"bias_ih|(forwards|backwards)\.bias$"  # torch's name for one of two biases; that of own cells


@initializer("orthogonal", within=OnMatrices)
def orthogonal(*, gain: Positive = 1.0) -> Fill:
    """Rows (or columns, whichever are fewer) of length `gain` at right angles, so that no direction is lost.

    W W^T = gain^2 I

    Source: Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning, 2014, arXiv:1312.6120.

    Settings:
        gain: the length of the rows
    """
    return lambda parameter: nn.init.orthogonal_(parameter, gain)


@initializer("sparse", within=OnMatrices)
def sparse(*, incoming: Count | Share = 15, deviation: Positive = 1.0) -> Fill:
    """A few weights into each unit, all others 0, so that units differ and do not saturate.

    w ~ N(0, deviation^2) for `incoming` weights of each unit (all where it has fewer), w = 0 for the others

    Source: Martens, Deep learning via Hessian-free optimization, 2010, section 5.

    Settings:
        incoming: how many weights of each unit are not 0, or which share of them, but one at least
        deviation: the standard deviation of these
    """

    def fill(parameter: Tensor) -> None:
        rows = parameter.flatten(1)
        kept = incoming if isinstance(incoming, int) else max(1, round(incoming * rows.shape[1]))
        rank = torch.rand_like(rows).argsort(dim=1).argsort(dim=1)
        values = torch.randn_like(rows) * deviation * (rank < kept)
        parameter.copy_(values.view_as(parameter))

    return fill


@initializer("identity")
class Identity:
    """The identity, for the recurrent matrices of networks of relu units, which then remember.

    W = scale I; of several square matrices in one parameter, one for each gate, every one of them

    Source: Le, Jaitly, Hinton, A simple way to initialize recurrent networks of rectified linear units, 2015,
    arXiv:1504.00941.

    Settings:
        scale: the number on the diagonal
        match: pattern on parameter names; by default the matrices between the states of recurrent layers
    """

    def __init__(self, *, scale: Positive = 1.0, match: str = "weight_hh") -> None:
        self._scale = scale
        self._match = match

    def __call__(self, model: nn.Module) -> None:
        fill_all(matrices_of(model, self._match), self._fill)

    def _fill(self, parameter: Tensor) -> None:
        rows, columns = parameter.shape if parameter.dim() == 2 else (0, 1)
        if rows == 0 or rows % columns:
            raise ValueError("only square matrices, one or several below each other, have an identity")
        parameter.copy_(self._scale * torch.eye(columns).repeat(rows // columns, 1))


@initializer("forget_gate")
class ForgetGate:
    """The bias of an LSTM's forget gates, so that cells keep what they hold until they learn better.

    b_f = value, the other gates' biases stay

    The biases of torch's layout, the gates i, f, g, o below each other.
    Source: Gers, Schmidhuber, Cummins, Learning to forget, 2000; Jozefowicz et al. 2015.

    Settings:
        value: the bias
        match: pattern on parameter names; by default the bias of every LSTM, where two are added up the first
    """

    def __init__(self, *, value: Finite = 1.0, match: str = GATES) -> None:
        self._value = value
        self._match = match

    def __call__(self, model: nn.Module) -> None:
        found = weights_of(model, self._match)
        for weight in found:
            units = getattr(weight.layer, "hidden_size", 0)
            if weight.tensor.shape != (4 * units,):
                raise UnfitError(f"{weight.name} is no bias of an LSTM, which has four for each unit", "match")
        fill_all(found, self._fill)

    def _fill(self, parameter: Tensor) -> None:
        quarter = len(parameter) // 4
        parameter[quarter : 2 * quarter] = self._value
