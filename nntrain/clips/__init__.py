"""Clips: what makes long gradients shorter before a step."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

# (parameters, their gradients, the norm of all gradients together) -> gradients; those given are left as they are.
Clipping = Callable[[Sequence[Tensor], list[Tensor], Tensor], list[Tensor]]
Clip = Callable[[nn.Module], Clipping]  # bound to the model whose parameters it is for


def unclipped(model: nn.Module) -> Clipping:
    """Gradients as they are."""
    return lambda parameters, gradients, norm: gradients
