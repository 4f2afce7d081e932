"""Forms of a transformer: what attends to what, and which features come out."""

from collections.abc import Callable
from dataclasses import dataclass

from nntrain.models.activations import Activation
from nntrain.positions import Positions


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
