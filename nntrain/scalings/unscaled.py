"""No scaling."""

from collections.abc import Mapping

from torch import Tensor

from nntrain.specs import Inputs


class Unscaled:
    """Numbers as they are."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs

    def learn(self, values: Tensor, scale: float) -> dict[str, Tensor]:
        return {}

    def apply(self, values: Tensor, learned: Mapping[str, Tensor], axis: int) -> Tensor:
        return values

    def inputs(self, learned: Mapping[str, Tensor]) -> Inputs:
        return self._inputs
