"""Graph networks."""

from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from annotated_types import Len
from torch import Tensor, nn

from nntrain.batch import GraphBatch, GraphNodes
from nntrain.blocks import Maps
from nntrain.errors import UnfitError
from nntrain.models.activations import Activation, activation_module
from nntrain.registry import model
from nntrain.settings import Count, GraphLayer, Normalization, Probability
from nntrain.sparse import Sparse
from nntrain.specs import Graphs, Nodes, PerExample

ReadOut = Literal["sum", "mean", "max"]
Hidden = Annotated[list[Count], Len(1)]
REDUCTIONS: dict[ReadOut, str] = {"sum": "sum", "mean": "mean", "max": "amax"}


@model("gnn")
class GraphNetwork(nn.Module):
    """A graph network: layers in which every node takes something of its neighbours.

    H_0 = X;  H_l = f(norm(layer(H_{l-1}, edges)))

    For nodes, a last layer gives the outputs: Z = layer(H_L, edges). For whole graphs, a read-out of their nodes
    does: z = W readout(H_L) + b; with `levels: all`, z = sum over l = 0 ... L of W_l readout(H_l) + b_l. With
    gcn it is the network of Kipf and Welling, with gat that of Velickovic et al., with gin, `norm: batch` and
    `levels: all` that of Xu et al.
    Takes nodes of one graph, all of which are computed whatever the batch, and whole graphs.
    Good where neighbours say what an example alone does not.
    Source: Hamilton, Graph Representation Learning, 2020, chapter 5; the layers' papers are in
    `nntrain list graph_layers`.

    Settings:
        layer: the kind of layer
        hidden: the number of features of each hidden layer, from the inputs up
        activation: f
        dropout: the share of the inputs of every layer, the data's features and the last layer's included, that
            is set to zero in training
        norm: the kind of normalisation of a layer's units before the activation; none without
        readout: how the features of a graph's nodes are made one: their sum (left out), mean or max; for whole
            graphs only
        levels: last for a read-out of the last hidden layer (left out), all for one of every layer and of the
            inputs; for whole graphs only
    """

    def __init__(
        self,
        inputs: Nodes | Graphs,
        outputs: PerExample,
        *,
        layer: GraphLayer = "gcn",
        hidden: Hidden = [16],  # noqa: B006
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        norm: Normalization | Literal["none"] = "none",
        readout: ReadOut | None = None,
        levels: Literal["last", "all"] | None = None,
    ) -> None:
        super().__init__()
        sizes = [inputs.features, *hidden]
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            HiddenLayer(layer(before, after, False), after, norm, activation) for before, after in pairwise(sizes)
        )
        if isinstance(inputs, Nodes):
            for name, value in (("readout", readout), ("levels", levels)):
                if value is not None:
                    raise UnfitError(f"{name} is for whole graphs; this data's examples are nodes: leave it out", name)
            self.outputs: NodeOutputs | GraphOutputs = NodeOutputs(layer(sizes[-1], len(outputs), True))
        else:
            read = sizes if levels == "all" else sizes[-1:]
            self.outputs = GraphOutputs(read, len(outputs), readout or "sum")
        self._edges: Tensor | None = None
        self._graph: Any = None

    def forward(self, x: GraphNodes | GraphBatch) -> Tensor:
        graph = self._prepared(x)
        states: list[Tensor | Sparse] = [x.features]
        for layer in self.layers:
            states.append(layer(self.dropout(states[-1]), graph))
        return self.outputs(states, self.dropout, graph, x)

    def _prepared(self, x: GraphNodes | GraphBatch) -> Any:
        """What the layers need of the graph, kept as long as the next batch comes with the same edges."""
        first: Any = self.layers[0]
        dtype = next(self.parameters()).dtype
        if isinstance(x, GraphBatch):
            return first.conv.graph(x.edges, len(x.features), dtype)
        if x.edges is not self._edges:
            with torch.inference_mode(False):  # evaluation may come first, and training goes on with what it made
                self._edges, self._graph = x.edges, first.conv.graph(x.edges, x.nodes, dtype)
        return self._graph


class Dropout(nn.Dropout):
    """Dropout that leaves a sparse matrix one."""

    def forward(self, features: Any) -> Any:
        if isinstance(features, Sparse):
            return features.dropout(self.p, self.training)
        return F.dropout(features, self.p, self.training)


class HiddenLayer(nn.Module):
    """H' = f(norm(layer(H)))."""

    def __init__(self, conv: nn.Module, width: int, norm: Any, activation: Activation) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.Identity() if norm == "none" else norm(Maps(width, ()), None)
        self.activation = activation_module(activation)

    def forward(self, features: Tensor | Sparse, graph: Any) -> Tensor:
        return self.activation(self.norm(self.conv(features, graph)))


class NodeOutputs(nn.Module):
    """One more layer, of which the chosen nodes are the outputs."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, states: list[Tensor], dropout: Dropout, graph: Any, x: GraphNodes) -> Tensor:
        return self.conv(dropout(states[-1]), graph).index_select(0, x.chosen)


class GraphOutputs(nn.Module):
    """The sum of a linear map of each level's read-out."""

    def __init__(self, sizes: list[int], outputs: int, readout: ReadOut) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(size, outputs) for size in sizes)
        self.readout = readout

    def forward(self, states: list[Tensor], dropout: Dropout, graph: Any, x: GraphBatch) -> Tensor:
        levels = states[-len(self.linears) :]
        read = [dropout(read_out(level, x.sizes, self.readout)) for level in levels]
        return torch.stack([linear(h) for linear, h in zip(self.linears, read, strict=True)]).sum(dim=0)


def read_out(features: Tensor, sizes: Tensor, readout: ReadOut) -> Tensor:
    """The sum, mean or maximum of the features of each graph's nodes (graphs, features); 0 for one without nodes."""
    numbers = torch.arange(len(sizes), device=sizes.device)
    graphs = numbers.repeat_interleave(sizes, output_size=len(features)).unsqueeze(1).expand_as(features)
    zeros = features.new_zeros(len(sizes), features.shape[1])
    if readout == "sum":
        return zeros.scatter_add(0, graphs, features)
    return zeros.scatter_reduce(0, graphs, features, REDUCTIONS[readout], include_self=False)
