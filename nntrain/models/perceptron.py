"""The perceptron."""

import math
from typing import Any

from torch import Tensor, nn

from nntrain.batch import flat
from nntrain.registry import model
from nntrain.specs import Headed, Image, Nodes, Vector, Video


@model("perceptron")
class Perceptron(nn.Module):
    """The perceptron, a threshold unit for each class, from zero weights: the class with the highest score wins.

    z = W x + b;  answer = argmax_c z_c (with two classes the step function of z_1 - z_0)

    With task perceptron, optimizer sgd with lr 1 and batch_size 1 it learns by the perceptron rule: after a
    wrong answer x is added to the right class's weights and taken from the winner's. Where a margin gamma
    separates two classes of inputs no longer than R, it makes at most (R / gamma)^2 mistakes (Novikoff 1962;
    both measured with a 1 added to the inputs for b). Inputs (batch, ...) are flattened; W and b are the head's.
    Source: Rosenblatt, The perceptron, 1958.
    """

    def __init__(self, inputs: Vector | Image | Video | Nodes) -> None:
        super().__init__()
        self.features = math.prod(inputs.shape)

    def forward(self, x: Any) -> Tensor:
        return flat(x)

    def head_for(self, targets: Headed) -> nn.Module:
        head = nn.Linear(self.features, len(targets))
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        return head
