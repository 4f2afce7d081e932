"""A model's body and the head that the targets need."""

from typing import Any

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.schema import Component
from nntrain.specs import Headed, Inputs, Outputs, Several


class Network(nn.Module):
    """body: inputs -> features; head: features -> outputs (logits of classes, or values)."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, x: Any) -> Tensor:
        return self.head(self.body(x))


class Heads(nn.ModuleDict):
    """Several heads, whose outputs lie side by side."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([head(features) for head in self.values()], dim=1)


def network_for(chosen: Component, inputs: Inputs, targets: Outputs) -> nn.Module:
    """The network of a model component: one that takes `outputs` makes its own, any other is a body and gets a head.

    A body that takes `targets` wants to know them for its features: whether one is needed at every position.
    """
    if chosen.takes("outputs"):
        return chosen(inputs, targets)
    if not isinstance(targets, Headed):
        raise UnfitError(f"{chosen.name} does not make {targets}; {chosen.others(type(inputs), type(targets))}")
    body = chosen(inputs, targets) if chosen.takes("targets") else chosen(inputs)
    return Network(body, head_for(targets, body))


def head_for(targets: Headed, body: nn.Module) -> nn.Module:
    """The head z = W h + b by what the targets are, or the one that a body has of its own (tied weights).

    One output for each class or value; at every position where the targets are tags or tokens: the features
    are then (batch, time, features). The weights start as torch's do, evenly spread with variance 1 / (3 n_in), a
    third of what would keep the features' size, so that the first loss is nearly that of guessing; b = 0.
    """
    own: Any = getattr(body, "head_for", None)
    if own is not None:
        return own(targets)
    if isinstance(targets, Several):
        return Heads({name: head_for(targets.part(name), body) for name in targets.names})
    width: Any = getattr(body, "features", None)
    if not isinstance(width, int):
        raise UnfitError(
            f"the class {type(body).__name__} must set self.features, the number of features that its forward pass "
            "returns for each example; or take `outputs` and return these itself"
        )
    linear = nn.Linear(width, len(targets))
    nn.init.zeros_(linear.bias)
    return linear


def keep(module: nn.Module) -> nn.Module:
    """The module, whose weights are to stay as they are while others on top of it are trained."""
    module.is_kept = True  # type: ignore[assignment]
    return module.requires_grad_(False)


def kept(model: nn.Module) -> set[Tensor]:
    """The parameters of modules that are to be kept."""
    return {p for module in model.modules() if getattr(module, "is_kept", False) for p in module.parameters()}


def parameter_count(model: nn.Module) -> int:
    """The number of trained numbers."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
