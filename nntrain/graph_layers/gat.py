"""Graph attention."""

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.geometric import geometric
from nntrain.registry import graph_layer
from nntrain.settings import Count, NonNegative, Probability
from nntrain.sparse import Sparse


@graph_layer("gat")
class GraphAttention(nn.Module):
    """Each node takes a mean of itself and its neighbours, weighted by attention.

    h_i' = sum over j of a_ij W h_j + b;  a_ij = softmax over j of LeakyReLU(u . W h_j + v . W h_i)

    where j is i or one of its neighbours, for each head with a W, u and v of its own. A hidden layer's heads are
    concatenated; the last layer of a network for nodes has one head, as published for Cora and Citeseer.
    Source: Velickovic et al., Graph attention networks, 2018, arXiv:1710.10903; torch_geometric's GATConv.

    Settings:
        heads: how many heads a hidden layer has
        concat: true for heads that share a hidden layer's units between them; false for the mean of heads that
            have that many units each
        dropout: the share of the weights a_ij that is set to zero in training
        slope: of LeakyReLU below zero
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        is_last: bool,
        *,
        heads: Count = 8,
        concat: bool = True,
        dropout: Probability = 0.0,
        slope: NonNegative = 0.2,
    ) -> None:
        super().__init__()
        heads, shared = (1, False) if is_last else (heads, concat)
        if shared and outputs % heads:
            raise UnfitError(f"{heads} heads cannot share {outputs} units of model.hidden evenly", "heads")
        width = outputs // heads if shared else outputs
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(inputs, heads * width)).T.contiguous())
        self.conv = geometric("nn").GATConv(heads * width, width, heads, shared, slope, dropout, add_self_loops=False)
        self.conv.lin = nn.Identity()  # its product is the one with `weight`, which may be with a sparse matrix

    def graph(self, edges: Tensor, nodes: int, dtype: torch.dtype) -> Tensor:
        """The edges, with one loop at each node."""
        utils = geometric("utils")
        looped: Tensor = utils.add_self_loops(utils.remove_self_loops(edges)[0], num_nodes=nodes)[0]
        return looped

    def forward(self, features: Tensor | Sparse, graph: Tensor) -> Tensor:
        return self.conv(features @ self.weight.T, graph)
