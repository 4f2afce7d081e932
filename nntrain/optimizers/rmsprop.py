"""RMSprop."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.rmsprop import rmsprop

from nntrain.optimizers import Problem, State, counters
from nntrain.registry import optimizer
from nntrain.settings import Positive, Probability


@optimizer("rmsprop")
class RMSprop:
    """Steps divided by the root of a running mean of squared gradients.

    s = alpha s + (1 - alpha) g^2;  v = momentum v + g / (sqrt(s) + eps);  w = w - lr v
    (centered: sqrt(s - m^2), m the running mean of g)

    Source: Tieleman, Hinton, Lecture 6.5, Coursera, 2012; centered: Graves 2013, arXiv:1308.0850. torch's foreach form.

    Settings:
        lr: the learning rate, before the schedule
        alpha: how much of the running means is kept
        momentum: how much of the last direction is kept
        centered: whether the variance of the gradient takes the place of its square
        eps: keeps the denominator from 0
    """

    def __init__(
        self,
        *,
        lr: Positive = 0.001,
        alpha: Probability = 0.9,
        momentum: Probability = 0.0,
        centered: bool = False,
        eps: Positive = 1e-8,
    ) -> None:
        self.lr = lr
        self.alpha = alpha
        self.momentum = momentum
        self.centered = centered
        self.eps = eps

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        needed = {"square": True, "mean": self.centered, "momentum": self.momentum > 0}
        state = {
            name: [torch.zeros_like(p) for p in parameters.values()] for name, is_needed in needed.items() if is_needed
        }
        return {**state, "steps": counters(parameters)}

    def step(self, problem: Problem, state: State, lr: float) -> None:
        rmsprop(
            problem.parameters,
            problem.gradients,
            state["square"],
            state.get("mean", []),
            state.get("momentum", []),
            state["steps"],
            foreach=True,
            lr=lr,
            alpha=self.alpha,
            eps=self.eps,
            weight_decay=0.0,
            momentum=self.momentum,
            centered=self.centered,
        )
