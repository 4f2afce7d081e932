"""Adam and AdamW."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nntrain.optimizers import Betas, Problem, State, counters
from nntrain.registry import optimizer
from nntrain.settings import NonNegative, Positive


@optimizer("adam")
class Adam:
    """Steps scaled by running means of the gradient and of its square.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
    w = w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Source: Kingma, Ba 2015, arXiv:1412.6980. torch's fused kernel. For weight decay take adamw: as a penalty in
    the gradient (regularizer l2) it would be scaled like one.

    Settings:
        lr: the learning rate, before the schedule
        betas: b1 and b2
        eps: keeps the denominator from 0
    """

    leaves_out = True

    def __init__(
        self,
        *,
        lr: Positive = 0.001,
        betas: Betas = [0.9, 0.999],  # noqa: B006
        eps: Positive = 1e-8,
    ) -> None:
        self.lr = lr
        self.betas = betas
        self.eps = eps

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        return start_moments(parameters)

    def step(self, problem: Problem, state: State, lr: float) -> None:
        step_moments(problem, state, lr, self.betas, self.eps, weight_decay=0.0)


@optimizer("adamw")
class AdamW:
    """Adam with weight decay beside the gradient instead of in it.

    w = w - lr weight_decay w, then as adam

    Source: Loshchilov, Hutter 2019, arXiv:1711.05101. torch's fused kernel.

    Settings:
        lr: the learning rate, before the schedule
        betas: b1 and b2
        eps: keeps the denominator from 0
        weight_decay: the share of a weight that a step with rate 1 would take away
    """

    leaves_out = True

    def __init__(
        self,
        *,
        lr: Positive = 0.001,
        betas: Betas = [0.9, 0.999],  # noqa: B006
        eps: Positive = 1e-8,
        weight_decay: NonNegative = 0.01,
    ) -> None:
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        return start_moments(parameters)

    def step(self, problem: Problem, state: State, lr: float) -> None:
        step_moments(problem, state, lr, self.betas, self.eps, self.weight_decay)


def start_moments(parameters: Mapping[str, Tensor]) -> State:
    return {
        "mean": [torch.zeros_like(p) for p in parameters.values()],
        "square": [torch.zeros_like(p) for p in parameters.values()],
        "steps": counters(parameters),
    }


def step_moments(
    problem: Problem,
    state: State,
    lr: float,
    betas: Sequence[float],
    eps: float,
    weight_decay: float,
) -> None:
    """torch's fused kernel, without what torch.optim does around it; the parameters are of one type and device."""
    if not problem.parameters:
        return
    steps, verdict = state["steps"], problem.verdict
    made = torch.ones_like(steps[0]) if verdict is None else verdict.made
    torch._foreach_add_(steps, [made] * len(steps))  # a list of tensors: a number would become one for each of them
    torch._fused_adamw_(
        problem.parameters,
        problem.gradients,
        state["mean"],
        state["square"],
        [],
        steps,
        lr=lr,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=weight_decay,
        eps=eps,
        amsgrad=False,
        maximize=False,
        found_inf=None if verdict is None else verdict.left_out,
    )
