"""The multilayer perceptron."""

import math
from itertools import pairwise
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from nntrain.batch import flat
from nntrain.errors import UnfitError
from nntrain.models.activations import Activation, activation_module
from nntrain.registry import model
from nntrain.settings import Count, Probability
from nntrain.specs import Image, Nodes, Vector, Video

Norm = Literal["none", "batch", "layer", "weight"]


@model("mlp")
class MultilayerPerceptron(nn.Module):
    """A multilayer perceptron, layers of units that see all units of the layer below.

    h_0 = x;  h_l = dropout(f(norm(W_l h_{l-1} + b_l)));  z = W h_L + b

    Inputs (batch, ...) are flattened; the last line is the head. Takes tables and small images; learns
    nothing of neighbourhoods. With norm weight each row of W_l is g v / |v|: the parameters are then called
    layers.0.linear.parametrizations.weight.original0 (g) and .original1 (v), so that a penalty with the pattern
    weight$ leaves them alone; original0$ is what to penalise, since the length of v changes nothing.
    Source: Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986; batch
    normalisation: Ioffe, Szegedy 2015, arXiv:1502.03167; layer normalisation: Ba et al. 2016, arXiv:1607.06450;
    weight normalisation: Salimans, Kingma 2016, arXiv:1602.07868; dropout: Srivastava et al. 2014; bottleneck:
    Grezl et al., Probabilistic and bottle-neck features for LVCSR of meetings, 2007.

    Settings:
        hidden: the number of units of each hidden layer, from the inputs up
        activation: f
        dropout: the share of a hidden layer's units that is set to zero in training
        norm: batch or layer normalisation before the activation, weight for normalised weights, none without
        bottleneck: the units of a narrow linear layer below the last hidden layer, whose outputs are the features
            that speech recognisers use; left out, there is none
    """

    def __init__(
        self,
        inputs: Vector | Image | Video | Nodes,
        *,
        hidden: list[Count] = [128],  # noqa: B006
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        norm: Norm = "none",
        bottleneck: Count | None = None,
    ) -> None:
        super().__init__()
        if bottleneck and not hidden:
            raise UnfitError("the bottleneck stands below the last hidden layer; hidden names none", "bottleneck")
        sizes = [math.prod(inputs.shape), *hidden]
        pairs = list(pairwise(sizes))
        self.bottleneck = nn.Linear(sizes[-2], bottleneck) if bottleneck else None
        if bottleneck:
            pairs[-1] = (bottleneck, sizes[-1])
        self.layers = nn.Sequential(*(_layer(i, o, activation, dropout, norm) for i, o in pairs))
        self.features = sizes[-1]

    def forward(self, x: Any) -> Tensor:
        if self.bottleneck is None:
            return self.layers(flat(x))
        return self.layers[-1](self.bottleneck(self.layers[:-1](flat(x))))


def _layer(inputs: int, outputs: int, activation: Activation, dropout: float, norm: Norm) -> nn.Sequential:
    layer, linear = nn.Sequential(), nn.Linear(inputs, outputs)
    layer.add_module("linear", weight_norm(linear) if norm == "weight" else linear)
    if norm in ("batch", "layer"):
        layer.add_module("norm", nn.BatchNorm1d(outputs) if norm == "batch" else nn.LayerNorm(outputs))
    layer.add_module("activation", activation_module(activation))
    if dropout:
        layer.add_module("dropout", nn.Dropout(dropout))
    return layer
