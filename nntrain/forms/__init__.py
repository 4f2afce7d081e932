"""Forms of a transformer: what attends to what, and which features come out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from nntrain.models.activations import Activation
from nntrain.normalizations.position import RMSNorm
from nntrain.positions import Positions

Normalization = Literal["layer", "rms"]


@dataclass(frozen=True)
class Architecture:
    """What all forms have in common; `positions` takes the longest sequence, the width and the heads."""

    width: int
    heads: int
    layers: int
    feedforward: int
    activation: Activation
    dropout: float
    positions: Callable[[int, int, int], Positions]
    normalization: Normalization

    def norm(self) -> nn.Module:
        """A normalisation of the features of every position."""
        return nn.LayerNorm(self.width) if self.normalization == "layer" else RMSNorm(self.width)
