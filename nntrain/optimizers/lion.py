"""Lion."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nntrain.optimizers import Betas, Problem, State
from nntrain.registry import optimizer
from nntrain.settings import NonNegative, Positive


@optimizer("lion")
class Lion:
    """Steps of one size in every parameter, their sign that of a mixture of momentum and gradient.

    c = b1 m + (1 - b1) g;  w = w - lr (sign(c) + weight_decay w);  m = b2 m + (1 - b2) g

    Wants a rate 3 to 10 times smaller than AdamW's and a weight decay as many times larger.
    Source: Chen et al., Symbolic discovery of optimization algorithms, 2023, arXiv:2302.06675.

    Settings:
        lr: the learning rate, before the schedule
        betas: b1 and b2
        weight_decay: the share of a weight that a step with rate 1 would take away
    """

    def __init__(
        self,
        *,
        lr: Positive = 0.0001,
        betas: Betas = [0.9, 0.99],  # noqa: B006
        weight_decay: NonNegative = 0.0,
    ) -> None:
        self.lr = lr
        self.betas = betas
        self.weight_decay = weight_decay

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        return {"momentum": [torch.zeros_like(p) for p in parameters.values()]}

    def step(self, problem: Problem, state: State, lr: float) -> None:
        parameters, gradients, momentum = problem.parameters, problem.gradients, state["momentum"]
        signs = torch._foreach_sign(torch._foreach_lerp(momentum, gradients, 1 - self.betas[0]))
        torch._foreach_mul_(parameters, 1 - lr * self.weight_decay)
        torch._foreach_add_(parameters, signs, alpha=-lr)
        torch._foreach_lerp_(momentum, gradients, 1 - self.betas[1])
