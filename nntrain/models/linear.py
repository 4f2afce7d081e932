"""Linear models."""

import math
from typing import Any

from torch import Tensor, nn

from nntrain.batch import flat
from nntrain.registry import model
from nntrain.specs import Image, Nodes, Vector, Video


@model("linear")
class Linear(nn.Module):
    """A linear model: linear regression with squared loss, logistic (softmax) regression with cross-entropy.

    z = W x + b

    With loss hinge and the regularizer l2 it is a linear support vector machine. Inputs (batch, ...) are
    flattened; W and b are the head's. Good as the baseline that a network has to beat.
    Source: Bishop, Pattern Recognition and Machine Learning, sections 3.1 and 4.3.
    """

    def __init__(self, inputs: Vector | Image | Video | Nodes) -> None:
        super().__init__()
        self.features = math.prod(inputs.shape)

    def forward(self, x: Any) -> Tensor:
        return flat(x)
