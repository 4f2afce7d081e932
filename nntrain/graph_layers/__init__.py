"""Layers of graph networks: from the features of the nodes and the graph to new features.

What a layer needs of the graph beside its edges is its `graph(edges, nodes, dtype)`, which the network keeps as
long as the graph is the same.
"""

from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import dense
from nntrain.sparse import Sparse


class ByMessages(nn.Module):
    """A layer of torch_geometric's, which sends a message along every edge."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def graph(self, edges: Tensor, nodes: int, dtype: torch.dtype) -> Tensor:
        """The edges alone."""
        return edges

    def forward(self, features: Tensor | Sparse, graph: Any) -> Tensor:
        return self.conv(dense(features), graph)
