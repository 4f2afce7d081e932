"""NAdam."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.nadam import nadam

from nntrain.optimizers import Betas, Problem, State, counters
from nntrain.registry import optimizer
from nntrain.settings import NonNegative, Positive


@optimizer("nadam")
class NAdam:
    """Adam with Nesterov's momentum.

    mu_t = b1 (1 - 0.96^(t psi) / 2);  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
    m' = mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t)
    w = w - lr m' / (sqrt(v / (1 - b2^t)) + eps)

    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016. torch's foreach form.

    Settings:
        lr: the learning rate, before the schedule
        betas: b1 and b2
        momentum_decay: psi, how fast the momentum's warm-up goes
        eps: keeps the denominator from 0
    """

    def __init__(
        self,
        *,
        lr: Positive = 0.002,
        betas: Betas = [0.9, 0.999],  # noqa: B006
        momentum_decay: NonNegative = 0.004,
        eps: Positive = 1e-8,
    ) -> None:
        self.lr = lr
        self.betas = betas
        self.momentum_decay = momentum_decay
        self.eps = eps

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        return {
            "mean": [torch.zeros_like(p) for p in parameters.values()],
            "square": [torch.zeros_like(p) for p in parameters.values()],
            "product": [torch.ones((), dtype=torch.float32, device=p.device) for p in parameters.values()],
            "steps": counters(parameters),
        }

    def step(self, problem: Problem, state: State, lr: float) -> None:
        nadam(
            problem.parameters,
            problem.gradients,
            state["mean"],
            state["square"],
            state["product"],
            state["steps"],
            foreach=True,
            capturable=problem.parameters[0].is_cuda,  # else the counters are read there, which waits
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=lr,
            weight_decay=0.0,
            momentum_decay=self.momentum_decay,
            eps=self.eps,
        )
