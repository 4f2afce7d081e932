"""In a model's place what it has put out already."""

from typing import Any

from torch import Tensor, nn


class Given(nn.Module):
    """Outputs that a task is to measure as if a model had just made them."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, inputs: Any) -> Tensor:
        return self.outputs
