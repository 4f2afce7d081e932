"""GraphSAGE."""

from typing import Literal

from nntrain.geometric import geometric
from nntrain.graph_layers import ByMessages
from nntrain.registry import graph_layer

Aggregate = Literal["mean", "max", "sum"]


@graph_layer("sage")
class SampleAndAggregate(ByMessages):
    """Each node takes itself and the mean, or the largest, of its neighbours, with a matrix for each.

    h_i' = W1 h_i + W2 mean over neighbours j of h_j + b;  with normalize, h_i' / ||h_i'||

    All neighbours are taken, none are sampled.
    Source: Hamilton, Ying, Leskovec, Inductive representation learning on large graphs, 2017, arXiv:1706.02216;
    torch_geometric's SAGEConv (W1 is its lin_r, W2 its lin_l).

    Settings:
        aggregate: what is taken of the neighbours' features: their mean, maximum or sum
        normalize: whether the new features of each node are scaled to length 1
    """

    def __init__(
        self, inputs: int, outputs: int, is_last: bool, *, aggregate: Aggregate = "mean", normalize: bool = False
    ) -> None:
        super().__init__(geometric("nn").SAGEConv(inputs, outputs, aggr=aggregate, normalize=normalize))
