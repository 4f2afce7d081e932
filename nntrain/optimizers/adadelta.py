"""Adadelta."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adadelta import adadelta

from nntrain.optimizers import Problem, State, counters
from nntrain.registry import optimizer
from nntrain.settings import Positive, Probability


@optimizer("adadelta")
class Adadelta:
    """Steps in the parameters' own units: running sizes of steps over running sizes of gradients.

    s = rho s + (1 - rho) g^2;  d = g sqrt(u + eps) / sqrt(s + eps);  u = rho u + (1 - rho) d^2;  w = w - lr d

    Source: Zeiler 2012, arXiv:1212.5701 (there lr is 1). torch's foreach form.

    Settings:
        lr: the learning rate, before the schedule
        rho: how much of the running means is kept
        eps: keeps the denominator from 0, and the first steps from being 0
    """

    def __init__(self, *, lr: Positive = 1.0, rho: Probability = 0.9, eps: Positive = 1e-6) -> None:
        self.lr = lr
        self.rho = rho
        self.eps = eps

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        return {
            "square": [torch.zeros_like(p) for p in parameters.values()],
            "change": [torch.zeros_like(p) for p in parameters.values()],
            "steps": counters(parameters),
        }

    def step(self, problem: Problem, state: State, lr: float) -> None:
        adadelta(
            problem.parameters,
            problem.gradients,
            state["square"],
            state["change"],
            state["steps"],
            foreach=True,
            lr=lr,
            rho=self.rho,
            eps=self.eps,
            weight_decay=0.0,
            maximize=False,
        )
