"""Optimizers: update rules as functions of parameters, gradients and state, and what binds them to a model."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, Protocol

import torch
from annotated_types import Len
from torch import Tensor, nn

from nntrain.closure import Closure
from nntrain.errors import UserError
from nntrain.settings import Probability

State = dict[str, list[Tensor]]
Betas = Annotated[list[Probability], Len(2, 2)]  # how much of two running means is kept


class Problem(NamedTuple):
    """What a step is to make smaller: the parameters, outside of autograd, and their gradients.

    `closure` gives the objective and its derivatives again after the parameters were changed in place.
    """

    parameters: list[Tensor]
    gradients: list[Tensor]
    closure: Closure


class Rule(Protocol):
    """An update rule. Its settings are its attributes; its state lies outside, a tensor for each parameter."""

    lr: float

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        """The state before the first step, for parameters by name."""

    def step(self, problem: Problem, state: State, lr: float) -> None:
        """Changes parameters and state in place, and leaves the gradients as they are."""


class Optimizer:
    """A rule bound to the parameters of (a part of) a model."""

    def __init__(self, rule: Rule, part: nn.Module) -> None:
        named = [(name, p) for name, p in part.named_parameters() if p.requires_grad]
        self.rule = rule
        self.names = [name for name, _ in named]
        self.parameters: list[Tensor] = [p for _, p in named]
        self._detached = [p.detach() for p in self.parameters]  # the same memory, outside of autograd
        self._state = rule.start(dict(zip(self.names, self._detached, strict=True)))

    def step(self, gradients: list[Tensor], factor: float, closure: Closure) -> None:
        """One step with `factor` times the rule's learning rate."""
        laid_out = [_laid_out_like(p, g) for p, g in zip(self._detached, gradients, strict=True)]
        self.rule.step(Problem(self._detached, laid_out, closure), self._state, self.rule.lr * factor)

    def named(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.parameters, strict=True))

    def state(self) -> dict[str, Tensor]:
        """The state by `key.parameter`, for the checkpoint."""
        return {
            f"{key}.{name}": tensor
            for key, tensors in self._state.items()
            for name, tensor in zip(self.names, tensors, strict=True)
        }

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Copies a stored state back; UserError where it is of another rule or other parameters."""
        own = self.state()
        if {name: t.shape for name, t in own.items()} != {name: t.shape for name, t in stored.items()}:
            rule = type(self.rule).__name__
            raise UserError(f"the checkpoint's optimizer state is not that of {rule} for these parameters")
        for name, tensor in own.items():
            tensor.copy_(stored[name])


def counters(parameters: Mapping[str, Tensor]) -> list[Tensor]:
    """Steps taken, a number for each parameter, as torch's update rules count them."""
    return [torch.zeros((), dtype=torch.float32, device=p.device) for p in parameters.values()]


def _laid_out_like(parameter: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in the parameter's memory layout: torch's fused kernels go through memory in order."""
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)
