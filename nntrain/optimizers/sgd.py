"""Stochastic gradient descent."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from nntrain.errors import UnfitError
from nntrain.optimizers import State
from nntrain.registry import optimizer
from nntrain.settings import NonNegative, Positive, Probability


@optimizer("sgd")
class SGD:
    """Gradient descent, plain or with momentum.

    g = gradient + weight_decay w;  v = momentum v + g;  w = w - lr v
    (Nesterov: w = w - lr (g + momentum v))

    Source: Robbins, Monro 1951; Polyak 1964; Nesterov's form as in Sutskever et al. 2013, with the rate outside
    of v as torch.optim.SGD has it. torch's fused kernel.

    Settings:
        lr: the learning rate, before the schedule
        momentum: how much of the last direction is kept
        nesterov: whether the gradient is taken as if a step ahead
        weight_decay: added to the gradient as weight_decay w
    """

    def __init__(
        self,
        *,
        lr: Positive = 0.01,
        momentum: Probability = 0.0,
        nesterov: bool = False,
        weight_decay: NonNegative = 0.0,
    ) -> None:
        if nesterov and momentum == 0:
            raise UnfitError("nesterov needs momentum; write momentum: 0.9", "nesterov")
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay

    def start(self, parameters: Sequence[Tensor]) -> State:
        return {"momentum": [torch.zeros_like(p) for p in parameters]} if self.momentum else {}

    def step(self, parameters: list[Tensor], gradients: list[Tensor], state: State, lr: float) -> None:
        sgd(
            parameters,
            gradients,
            list(state.get("momentum", [None] * len(parameters))),
            fused=True,
            foreach=False,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
        )
