"""A penalty on what a layer puts out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.layers import layer_named
from nntrain.registry import regularizer
from nntrain.regularizers import Regularizer
from nntrain.settings import NonNegative


@regularizer("activity")
class Activity(Regularizer):
    """Draws the outputs of a layer towards zero; with l1 few of them are active for one example.

    penalty = weight * mean over the rows of sum_j |a_j|, or with l2 of sum_j a_j^2 / 2

    a is the layer's output in the forward pass; a row is an example (of a graph's layer a node), and the sum goes
    over units, positions and padding. Where a layer runs several times, all its outputs count.
    Source: Goodfellow, Bengio, Courville, Deep Learning, section 7.10.

    Settings:
        layer: its name, as check shows it
        weight: how strong it is
        norm: l1 or l2
    """

    def __init__(self, *, layer: str, weight: NonNegative = 1e-4, norm: Literal["l1", "l2"] = "l1") -> None:
        self._layer = layer
        self._weight = weight
        self._norm = norm
        self._outputs: list[Tensor] = []

    def bind(self, model: nn.Module) -> None:
        layer_named(model, self._layer).register_forward_hook(self._record)

    @contextmanager
    def during_forward(self) -> Iterator[None]:
        """Forgets what was put out since the last penalty: by layers that were computed again for the gradient."""
        self._outputs.clear()
        yield

    def penalty(self) -> Tensor | None:
        if not self._outputs:
            raise UnfitError(f"the layer '{self._layer}' of the penalty on activity did not run")
        penalties = [self._size(output) / len(output) for output in self._outputs]
        self._outputs.clear()
        return torch.stack(penalties).sum() * self._weight

    def _size(self, output: Tensor) -> Tensor:
        return output.abs().sum() if self._norm == "l1" else output.square().sum() / 2

    def _record(self, module: nn.Module, arguments: Any, output: Any) -> None:
        if module.training and not torch.is_inference_mode_enabled():  # nothing is minimised then
            self._outputs.append(output[0] if isinstance(output, tuple) else output)
