"""The multilayer perceptron."""

import math
from itertools import pairwise
from typing import Any, Literal

from torch import Tensor, nn

from nntrain.batch import flat
from nntrain.blocks import Maps
from nntrain.errors import UnfitError
from nntrain.models.activations import Activation, activation_module
from nntrain.models.starting_weights import started
from nntrain.registry import model
from nntrain.settings import Count, Normalization, Probability
from nntrain.specs import Image, Nodes, Vector, Video


@model("mlp")
class MultilayerPerceptron(nn.Module):
    """A multilayer perceptron, layers of units that see all units of the layer below.

    h_0 = x;  h_l = dropout(f(norm(W_l h_{l-1} + b_l)));  z = W h_L + b

    Inputs (batch, ...) are flattened; the last line is the head. The weights start as the activation's paper
    derives, biases at 0. Takes tables and small images; learns nothing of neighbourhoods.
    Source: Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986; dropout:
    Srivastava et al. 2014; bottleneck: Grezl et al., Probabilistic and bottle-neck features for LVCSR of meetings,
    2007; normalisation: `nntrain list normalizations`.

    Settings:
        hidden: the number of units of each hidden layer, from the inputs up
        activation: f
        dropout: the share of a hidden layer's units that is set to zero in training
        norm: the kind of normalisation before the activation; none without
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
        norm: Normalization | Literal["none"] = "none",
        bottleneck: Count | None = None,
    ) -> None:
        super().__init__()
        if bottleneck and not hidden:
            raise UnfitError("the bottleneck stands below the last hidden layer; hidden names none", "bottleneck")
        sizes = [math.prod(inputs.shape), *hidden]
        pairs = list(pairwise(sizes))
        self.bottleneck = started(nn.Linear(sizes[-2], bottleneck)) if bottleneck else None
        if bottleneck:
            pairs[-1] = (bottleneck, sizes[-1])
        self.layers = nn.Sequential(*(_layer(i, o, activation, dropout, norm) for i, o in pairs))
        self.features = sizes[-1]

    def forward(self, x: Any) -> Tensor:
        if self.bottleneck is None:
            return self.layers(flat(x))
        return self.layers[-1](self.bottleneck(self.layers[:-1](flat(x))))


def _layer(inputs: int, outputs: int, activation: Activation, dropout: float, norm: Any) -> nn.Sequential:
    linear = started(nn.Linear(inputs, outputs), activation)
    layer, after = nn.Sequential(), None if norm == "none" else norm(Maps(outputs, ()), linear)
    layer.add_module("linear", linear)
    if after is not None:
        layer.add_module("norm", after)
    layer.add_module("activation", activation_module(activation))
    if dropout:
        layer.add_module("dropout", nn.Dropout(dropout))
    return layer
