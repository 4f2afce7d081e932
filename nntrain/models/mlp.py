"""The multilayer perceptron."""

import math
from itertools import pairwise
from typing import Any, Literal

from torch import Tensor, nn

from nntrain.batch import flat
from nntrain.models.activations import Activation, activation_module
from nntrain.registry import model
from nntrain.settings import Count, Probability
from nntrain.specs import Image, Nodes, Vector, Video

Norm = Literal["none", "batch"]


@model("mlp")
class MultilayerPerceptron(nn.Module):
    """A multilayer perceptron, layers of units that see all units of the layer below.

    h_0 = x;  h_l = dropout(f(norm(W_l h_{l-1} + b_l)));  z = W h_L + b

    Inputs (batch, ...) are flattened; the last line is the head. Takes tables and small images; learns
    nothing of neighbourhoods.
    Source: Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986; batch
    normalisation: Ioffe, Szegedy 2015, arXiv:1502.03167; dropout: Srivastava et al. 2014.

    Settings:
        hidden: the number of units of each hidden layer, from the inputs up
        activation: f
        dropout: the share of a hidden layer's units that is set to zero in training
        norm: batch for batch normalisation before the activation, none without
    """

    def __init__(
        self,
        inputs: Vector | Image | Video | Nodes,
        *,
        hidden: list[Count] = [128],  # noqa: B006
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        norm: Norm = "none",
    ) -> None:
        super().__init__()
        sizes = [math.prod(inputs.shape), *hidden]
        self.layers = nn.Sequential(*(_layer(i, o, activation, dropout, norm) for i, o in pairwise(sizes)))
        self.features = sizes[-1]

    def forward(self, x: Any) -> Tensor:
        return self.layers(flat(x))


def _layer(inputs: int, outputs: int, activation: Activation, dropout: float, norm: Norm) -> nn.Sequential:
    layer = nn.Sequential()
    layer.add_module("linear", nn.Linear(inputs, outputs))
    if norm == "batch":
        layer.add_module("norm", nn.BatchNorm1d(outputs))
    layer.add_module("activation", activation_module(activation))
    if dropout:
        layer.add_module("dropout", nn.Dropout(dropout))
    return layer
