"""A model's body and the head that the targets need."""

from torch import Tensor, nn

from nntrain.specs import Classes, Targets, Values


class Network(nn.Module):
    """body: inputs -> features; head: features -> outputs (logits of classes, or values)."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def head_for(targets: Targets, features: int) -> nn.Module:
    """The head by what the targets are: z = W h + b, one output for each class or value."""
    if isinstance(targets, Classes | Values):
        return nn.Linear(features, len(targets))
    raise TypeError(f"no head is known for {type(targets).__name__}")


def parameter_count(model: nn.Module) -> int:
    """The number of trained numbers."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
