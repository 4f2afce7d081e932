"""The graph isomorphism network's layer."""

from typing import Annotated, Literal

from annotated_types import Gt
from torch import nn

from nntrain.blocks import Maps
from nntrain.geometric import geometric
from nntrain.graph_layers import ByMessages
from nntrain.registry import graph_layer
from nntrain.settings import Count, Normalization

Eps = Annotated[float, Gt(-1)]


@graph_layer("gin")
class Isomorphism(ByMessages):
    """Each node takes the sum of itself and its neighbours through a perceptron.

    h_i' = MLP((1 + eps) h_i + sum over neighbours j of h_j)

    Tells apart all graphs that the Weisfeiler-Lehman test tells apart. The perceptron's layers have `outputs`
    units, with batch normalisation and ReLU between them.
    Source: Xu, Hu, Leskovec, Jegelka, How powerful are graph neural networks?, 2019, arXiv:1810.00826;
    torch_geometric's GINConv.

    Settings:
        eps: how much more the node itself counts than a neighbour; at the start where it is learned
        learn_eps: whether eps is learned (the paper's GIN-eps; without, GIN-0)
        layers: how many layers the perceptron has
        norm: the kind of normalisation between the perceptron's layers; none without
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        is_last: bool,
        *,
        eps: Eps = 0.0,
        learn_eps: bool = False,
        layers: Count = 2,
        norm: Normalization | Literal["none"] = "batch",
    ) -> None:
        perceptron = nn.Sequential(nn.Linear(inputs, outputs))
        for _ in range(layers - 1):
            after = None if norm == "none" else norm(Maps(outputs, ()), perceptron[-1])
            if after is not None:
                perceptron.append(after)
            perceptron.extend((nn.ReLU(), nn.Linear(outputs, outputs)))
        super().__init__(geometric("nn").GINConv(perceptron, eps=eps, train_eps=learn_eps))
