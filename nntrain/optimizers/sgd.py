"""Stochastic gradient descent."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from nntrain.errors import UnfitError
from nntrain.optimizers import Problem, State
from nntrain.registry import optimizer
from nntrain.settings import NonNegative, Positive, Probability


@optimizer("sgd")
class SGD:
    """Gradient descent, plain or with momentum.

    torch:      v = momentum v + g;  w = w - lr v  (Nesterov: w = w - lr (g + momentum v))
    text_book:  v = momentum v - lr g;  w = w + v  (Nesterov: w = w + momentum v - lr g)

    with g = gradient + weight_decay w, or where the decay is decoupled g = gradient and w = w - lr weight_decay w
    before the step. While the rate stays the same both forms take the same steps; when it falls, the text book's
    momentum still has the old rate in it. torch's fused kernel for torch's form.
    Source: Robbins, Monro 1951; Polyak 1964; Nesterov's form as in Sutskever et al. 2013; text book: Goodfellow,
    Bengio, Courville, Deep Learning, section 8.3.2; decoupled: Loshchilov, Hutter 2019, arXiv:1711.05101.

    Settings:
        lr: the learning rate, before the schedule
        momentum: how much of the last direction is kept
        nesterov: whether the gradient is taken as if a step ahead
        momentum_form: torch with the rate outside of v, text_book with the rate in it
        weight_decay: added to the gradient as weight_decay w, or beside it where it is decoupled
        decoupled: whether momentum leaves the weight decay out
    """

    def __init__(
        self,
        *,
        lr: Positive = 0.01,
        momentum: Probability = 0.0,
        nesterov: bool = False,
        momentum_form: Literal["torch", "text_book"] = "torch",
        weight_decay: NonNegative = 0.0,
        decoupled: bool = False,
    ) -> None:
        if nesterov and momentum == 0:
            raise UnfitError("nesterov needs momentum; write momentum: 0.9", "nesterov")
        if momentum_form == "text_book" and momentum == 0:
            raise UnfitError("without momentum there is only one form; write momentum: 0.9", "momentum_form")
        if decoupled and weight_decay == 0:
            raise UnfitError("there is no weight decay to decouple; write weight_decay: 1e-4", "decoupled")
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self.momentum_form = momentum_form
        self.weight_decay = weight_decay
        self.decoupled = decoupled
        self.leaves_out = momentum_form == "torch" and not decoupled

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        return {"momentum": [torch.zeros_like(p) for p in parameters.values()]} if self.momentum else {}

    def step(self, problem: Problem, state: State, lr: float) -> None:
        coupled = 0.0 if self.decoupled else self.weight_decay
        if self.decoupled:
            torch._foreach_mul_(problem.parameters, 1 - lr * self.weight_decay)
        if self.momentum_form == "torch":
            self._torch_step(problem, state, lr, coupled)
        else:
            self._text_book_step(problem, state, lr, coupled)

    def _torch_step(self, problem: Problem, state: State, lr: float, weight_decay: float) -> None:
        sgd(
            problem.parameters,
            problem.gradients,
            list(state.get("momentum", [None] * len(problem.parameters))),
            fused=True,
            foreach=False,
            weight_decay=weight_decay,
            momentum=self.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
            found_inf=None if problem.verdict is None else problem.verdict.left_out,
        )

    def _text_book_step(self, problem: Problem, state: State, lr: float, weight_decay: float) -> None:
        velocity = state["momentum"]
        gradients = torch._foreach_add(problem.gradients, problem.parameters, alpha=weight_decay)
        torch._foreach_mul_(velocity, self.momentum)
        torch._foreach_add_(velocity, gradients, alpha=-lr)
        if not self.nesterov:
            torch._foreach_add_(problem.parameters, velocity)
            return
        torch._foreach_add_(problem.parameters, velocity, alpha=self.momentum)
        torch._foreach_add_(problem.parameters, gradients, alpha=-lr)
