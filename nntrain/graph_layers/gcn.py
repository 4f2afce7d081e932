"""The graph convolution of Kipf and Welling."""

import torch
from torch import Tensor, nn

from nntrain.registry import graph_layer
from nntrain.sparse import Sparse


@graph_layer("gcn")
class NormalisedConvolution(nn.Module):
    """Each node takes the mean of itself and its neighbours, weighted by their degrees.

    H' = D^(-1/2) (A + I) D^(-1/2) H W + b, where D are the row sums of A + I

    The normalised matrix is computed once for a graph. The same as torch_geometric's GCNConv, several times as
    fast: the products with sparse matrices are those of `nntrain.sparse`.
    Source: Kipf, Welling, Semi-supervised classification with graph convolutional networks, 2017,
    arXiv:1609.02907.
    """

    def __init__(self, inputs: int, outputs: int, is_last: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(inputs, outputs)).T.contiguous())
        self.bias = nn.Parameter(torch.zeros(outputs))

    def graph(self, edges: Tensor, nodes: int, dtype: torch.dtype) -> Sparse:
        """D^(-1/2) (A + I) D^(-1/2); a loop that the graph has already is not counted twice."""
        loops = torch.arange(nodes, device=edges.device)
        sources, targets = (torch.cat((ends, loops)) for ends in edges)
        present = torch.cat((edges[0] != edges[1], torch.ones_like(loops, dtype=torch.bool))).to(dtype)
        scale = present.new_zeros(nodes).index_add_(0, targets, present).rsqrt()
        return Sparse.of(targets, sources, scale[targets] * present * scale[sources], (nodes, nodes))

    def forward(self, features: Tensor | Sparse, graph: Sparse) -> Tensor:
        return graph @ (features @ self.weight.T) + self.bias
