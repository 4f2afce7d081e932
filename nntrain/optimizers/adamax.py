"""AdaMax."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adamax import adamax

from nntrain.optimizers import Betas, Problem, State, counters
from nntrain.registry import optimizer
from nntrain.settings import Positive


@optimizer("adamax")
class AdaMax:
    """Adam with the largest gradient of late in place of the root of the mean square.

    m = b1 m + (1 - b1) g;  u = max(b2 u, |g| + eps);  w = w - lr m / ((1 - b1^t) u)

    Source: Kingma, Ba 2015, arXiv:1412.6980, section 7.1. torch's foreach form.

    Settings:
        lr: the learning rate, before the schedule
        betas: b1 and b2
        eps: keeps the denominator from 0
    """

    def __init__(
        self,
        *,
        lr: Positive = 0.002,
        betas: Betas = [0.9, 0.999],  # noqa: B006
        eps: Positive = 1e-8,
    ) -> None:
        self.lr = lr
        self.betas = betas
        self.eps = eps

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        return {
            "mean": [torch.zeros_like(p) for p in parameters.values()],
            "largest": [torch.zeros_like(p) for p in parameters.values()],
            "steps": counters(parameters),
        }

    def step(self, problem: Problem, state: State, lr: float) -> None:
        adamax(
            problem.parameters,
            problem.gradients,
            state["mean"],
            state["largest"],
            state["steps"],
            foreach=True,
            capturable=problem.parameters[0].is_cuda,  # else the counters are read there, which waits
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=lr,
            eps=self.eps,
            weight_decay=0.0,
        )
