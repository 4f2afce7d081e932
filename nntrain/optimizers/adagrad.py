"""Adagrad."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adagrad import adagrad

from nntrain.optimizers import Problem, State, counters
from nntrain.registry import optimizer
from nntrain.settings import NonNegative, Positive


@optimizer("adagrad")
class Adagrad:
    """Steps divided by the root of the sum of all squared gradients: rare features keep a large rate.

    s = s + g^2;  w = w - lr g / (sqrt(s) + eps)

    Source: Duchi, Hazan, Singer, Adaptive subgradient methods, 2011. torch's fused kernel on
    CPUs, else its foreach form.

    Settings:
        lr: the learning rate, before the schedule
        start: what the sum begins with
        eps: keeps the denominator from 0
    """

    def __init__(self, *, lr: Positive = 0.01, start: NonNegative = 0.0, eps: Positive = 1e-10) -> None:
        self.lr = lr
        self.first_sum = start
        self.eps = eps

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        return {"sum": [torch.full_like(p, self.first_sum) for p in parameters.values()], "steps": counters(parameters)}

    def step(self, problem: Problem, state: State, lr: float) -> None:
        fused = all(p.device.type == "cpu" for p in problem.parameters)  # there is no kernel for CUDA
        adagrad(
            problem.parameters,
            problem.gradients,
            state["sum"],
            state["steps"],
            foreach=not fused,
            fused=fused,
            lr=lr,
            weight_decay=0.0,
            lr_decay=0.0,
            eps=self.eps,
            maximize=False,
        )
