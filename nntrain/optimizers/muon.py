"""Muon."""

import re
from collections.abc import Mapping
from math import sqrt

import torch
from torch import Tensor

from nntrain.errors import UnfitError
from nntrain.optimizers import Betas, Problem, State, counters
from nntrain.optimizers.adam import step_moments
from nntrain.registry import optimizer
from nntrain.settings import NonNegative, Positive, Probability

OUTSIDE = re.compile(r"(^|\.)(head|auxiliary|outputs)\.|embedding")  # names of what is no hidden layer
QUINTIC = (3.4445, -4.7750, 2.0315)  # steep at 0, so that few iterations bring all singular values near 1
ITERATIONS = 5


@optimizer("muon")
class Muon:
    """Steps whose singular values are all about 1 for hidden matrices; AdamW for everything else.

    m = momentum m + g;  O = the orthogonal matrix nearest to g + momentum m, by a Newton-Schulz iteration
    W = W - lr (max(1, rows / columns)^(1/2) O + weight_decay W)

    Hidden matrices are parameters of two or more axes (of a filter bank, all axes but the first are columns)
    without `embedding` in their name and outside of heads (head, auxiliary, and outputs of graph networks).
    Source: Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024. In bfloat16 on a GPU.

    Settings:
        lr: the learning rate of hidden matrices, before the schedule
        momentum: how much of the last direction is kept
        rest_lr: the learning rate of everything else, before the schedule
        betas: b1 and b2 of AdamW
        eps: of AdamW, keeps the denominator from 0
        weight_decay: the share of a weight that a step with rate 1 would take away, of all parameters
    """

    def __init__(
        self,
        *,
        lr: Positive = 0.02,
        momentum: Probability = 0.95,
        rest_lr: Positive = 3e-4,
        betas: Betas = [0.9, 0.95],  # noqa: B006
        eps: Positive = 1e-8,
        weight_decay: NonNegative = 0.01,
    ) -> None:
        self.lr = lr
        self.momentum = momentum
        self.rest_lr = rest_lr
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay

    def check(self, parameters: Mapping[str, Tensor]) -> None:
        """UnfitError where there is nothing that it is for."""
        if not any(is_hidden(name, parameter) for name, parameter in parameters.items()):
            raise UnfitError(f"there are no hidden matrices, only {', '.join(parameters)}; take adamw")

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        """A hidden matrix has an empty `square`: it needs none."""
        return {
            "mean": [torch.zeros_like(p) for p in parameters.values()],
            "square": [p.new_empty(0) if is_hidden(n, p) else torch.zeros_like(p) for n, p in parameters.items()],
            "steps": counters(parameters),
        }

    def step(self, problem: Problem, state: State, lr: float) -> None:
        parameters, gradients = problem.parameters, problem.gradients
        hidden = [i for i, square in enumerate(state["square"]) if square.shape != parameters[i].shape]
        rest = [i for i in range(len(parameters)) if i not in hidden]
        for i in hidden:
            self._step_matrix(parameters[i], gradients[i], state["mean"][i], lr)
        step_moments(
            Problem([parameters[i] for i in rest], [gradients[i] for i in rest], problem.look_again),
            {key: [tensors[i] for i in rest] for key, tensors in state.items()},
            lr * self.rest_lr / self.lr,
            self.betas,
            self.eps,
            self.weight_decay,
        )

    def _step_matrix(self, weight: Tensor, gradient: Tensor, mean: Tensor, lr: float) -> None:
        mean.mul_(self.momentum).add_(gradient)
        ahead = gradient.add(mean, alpha=self.momentum).flatten(1)
        rows, columns = ahead.shape
        direction = orthogonal(ahead).mul_(sqrt(max(1, rows / columns)))
        weight.mul_(1 - lr * self.weight_decay).sub_(direction.to(weight.dtype).view_as(weight), alpha=lr)


def is_hidden(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a matrix (or filter bank) between hidden layers."""
    return parameter.dim() >= 2 and not OUTSIDE.search(name)


def orthogonal(matrix: Tensor) -> Tensor:
    """U S' V^T of a matrix U S V^T: what was not tiny in S is between about 0.7 and 1.2 in S'.

    X = a X + (b X X^T + c (X X^T)^2) X from X = matrix / |matrix|_F on: a polynomial of the singular values.
    """
    a, b, c = QUINTIC
    x = matrix.bfloat16() if matrix.is_cuda else matrix
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if is_tall else x).contiguous()
