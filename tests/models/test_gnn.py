"""Graph networks: each layer against its formula on a dense matrix, order of the nodes, batches, errors."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from made import component
from torch import Tensor, nn

from nntrain.batch import GraphBatch, GraphNodes
from nntrain.errors import UnfitError
from nntrain.graph_layers.gat import GraphAttention
from nntrain.graph_layers.gcn import NormalisedConvolution
from nntrain.graph_layers.gin import Isomorphism
from nntrain.graph_layers.graph_conv import GraphConvolution
from nntrain.graph_layers.sage import SampleAndAggregate
from nntrain.models.gnn import GraphNetwork, read_out
from nntrain.network import parameter_count
from nntrain.sparse import Sparse
from nntrain.specs import Classes, Graphs, Nodes

# Directed, so that rows and columns cannot be mistaken for each other; node 5 has no neighbours.
EDGES = torch.tensor([[0, 1, 2, 3, 4, 0, 2], [1, 0, 1, 1, 2, 4, 3]])
ADJACENCY = torch.zeros(6, 6, dtype=torch.float64).index_put_((EDGES[1], EDGES[0]), torch.ones(7, dtype=torch.float64))
THREE = Classes(("a", "b", "c"))
LAYERS: dict[str, Callable[..., nn.Module]] = {
    "gcn": NormalisedConvolution,
    "graph_conv": GraphConvolution,
    "sage": SampleAndAggregate,
    "sage max": partial(SampleAndAggregate, aggregate="max", normalize=True),
    "gat": partial(GraphAttention, heads=2),
    "gat mean": partial(GraphAttention, heads=3, concat=False),
    "gin": partial(Isomorphism, norm=component("normalization", "batch")),
    "gin eps": partial(Isomorphism, eps=0.5, learn_eps=True, layers=3, norm="none"),
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def features() -> Tensor:
    return torch.randn(6, 5, dtype=torch.float64)


def made(layer: Callable[..., nn.Module], outputs: int = 4, is_last: bool = False) -> Any:
    """A layer of 5 features in float64, no parameter of which is zero."""
    built = layer(5, outputs, is_last).double()
    for parameter in built.parameters():
        nn.init.normal_(parameter)
    return built


def run(layer: Any, features: Tensor | Sparse, edges: Tensor = EDGES) -> Tensor:
    return layer(features, layer.graph(edges, 6, torch.float64))


def sparse(matrix: Tensor) -> Sparse:
    rows, columns = matrix.nonzero(as_tuple=True)
    return Sparse.of(rows, columns, matrix[rows, columns], tuple(matrix.shape))


def test_gcn_by_its_formula(features: Tensor) -> None:
    layer = made(NormalisedConvolution)
    looped = ADJACENCY + torch.eye(6, dtype=torch.float64)
    scale = torch.diag(looped.sum(dim=1) ** -0.5)
    expected = scale @ looped @ scale @ features @ layer.weight.T + layer.bias
    torch.testing.assert_close(run(layer, features), expected)
    torch.testing.assert_close(run(layer, sparse(features)), expected)


def test_gcn_counts_a_loop_of_the_graph_once(features: Tensor) -> None:
    layer, looped = made(NormalisedConvolution), torch.cat((EDGES, torch.tensor([[3], [3]])), dim=1)
    torch.testing.assert_close(run(layer, features, looped), run(layer, features))


def test_gcn_is_that_of_torch_geometric(features: Tensor) -> None:
    from nntrain.geometric import geometric

    layer, other = made(NormalisedConvolution), geometric("nn").GCNConv(5, 4).double()
    other.load_state_dict({"lin.weight": layer.weight, "bias": layer.bias})
    torch.testing.assert_close(run(layer, features), other(features, EDGES))


def test_graph_conv_by_its_formula(features: Tensor) -> None:
    layer = made(GraphConvolution)
    root, neighbours = layer.conv.lin_root, layer.conv.lin_rel
    expected = features @ root.weight.T + ADJACENCY @ (features @ neighbours.weight.T) + neighbours.bias
    torch.testing.assert_close(run(layer, features), expected)
    torch.testing.assert_close(run(layer, sparse(features)), expected)


def test_sage_by_its_formula(features: Tensor) -> None:
    layer = made(SampleAndAggregate)
    root, neighbours = layer.conv.lin_r, layer.conv.lin_l
    mean = ADJACENCY @ features / ADJACENCY.sum(dim=1, keepdim=True).clamp(min=1)
    expected = features @ root.weight.T + mean @ neighbours.weight.T + neighbours.bias
    torch.testing.assert_close(run(layer, features), expected)


def test_gin_by_its_formula(features: Tensor) -> None:
    layer = made(partial(Isomorphism, eps=0.5, norm="none"))
    first, _, second = layer.conv.nn
    expected = second(F.relu(first(1.5 * features + ADJACENCY @ features)))
    torch.testing.assert_close(run(layer, features), expected)


@pytest.mark.parametrize(("concat", "is_last"), [(True, False), (False, False), (True, True)])
def test_gat_by_its_formula(features: Tensor, concat: bool, is_last: bool) -> None:
    layer = made(partial(GraphAttention, heads=2, concat=concat), is_last=is_last)
    heads, width = (1, 4) if is_last else (2, 2 if concat else 4)
    values = (features @ layer.weight.T).view(6, heads, width)
    source, target = ((values * vector).sum(-1) for vector in (layer.conv.att_src[0], layer.conv.att_dst[0]))
    scores = F.leaky_relu(target[:, None] + source[None, :], 0.2)  # (target, source, head)
    seen = (ADJACENCY + torch.eye(6)).bool().unsqueeze(-1)
    weights = scores.masked_fill(~seen, -torch.inf).softmax(dim=1)
    mixed = torch.einsum("tsh,shw->thw", weights, values)
    expected = (mixed.mean(dim=1) if is_last or not concat else mixed.flatten(1)) + layer.conv.bias
    torch.testing.assert_close(run(layer, features), expected)
    torch.testing.assert_close(run(layer, sparse(features)), expected)


def test_heads_that_cannot_share_the_units_are_refused() -> None:
    with pytest.raises(UnfitError, match="8 heads cannot share 12 units") as error:
        GraphAttention(5, 12, False, heads=8)
    assert error.value.path == ("heads",)


@pytest.mark.parametrize("name", LAYERS)
def test_nodes_in_another_order_give_the_same(name: str, features: Tensor) -> None:
    model = GraphNetwork(Nodes(5), THREE, layer=LAYERS[name], hidden=[6]).double()
    order = torch.randperm(6)
    place = order.argsort()
    outputs = model(GraphNodes(features, EDGES, torch.arange(6)))
    permuted = model(GraphNodes(features[order], place[EDGES], place))
    torch.testing.assert_close(permuted, outputs)


def batch(*graphs: tuple[Tensor, Tensor]) -> GraphBatch:
    """Graphs, each of features and edges, side by side."""
    sizes = torch.tensor([len(features) for features, _ in graphs])
    shifts = (sizes.cumsum(0) - sizes).tolist()
    edges = [edges + shift for (_, edges), shift in zip(graphs, shifts, strict=True)]
    return GraphBatch(torch.cat([features for features, _ in graphs]), torch.cat(edges, dim=1), sizes)


@pytest.mark.parametrize("readout", ["sum", "mean", "max"])
@pytest.mark.parametrize("name", LAYERS)
def test_graphs_side_by_side_are_as_one_at_a_time(name: str, readout: Any, features: Tensor) -> None:
    settings: dict[str, Any] = {
        "hidden": [6, 6],
        "norm": component("normalization", "batch"),
        "readout": readout,
        "levels": "all",
    }
    model = GraphNetwork(Graphs(5), THREE, layer=LAYERS[name], **settings).double().eval()
    small = (torch.randn(3, 5, dtype=torch.float64), torch.tensor([[0, 1], [1, 2]]))
    alone = (torch.randn(1, 5, dtype=torch.float64), torch.zeros(2, 0, dtype=torch.long))
    graphs = ((features, EDGES), small, alone)
    expected = torch.cat([model(batch(graph)) for graph in graphs])
    torch.testing.assert_close(model(batch(*graphs)), expected)


@pytest.mark.parametrize("readout", ["sum", "mean", "max"])
def test_read_outs(readout: Any, features: Tensor) -> None:
    expected = {"sum": lambda h: h.sum(0), "mean": lambda h: h.mean(0), "max": lambda h: h.amax(0)}[readout]
    read = read_out(features, torch.tensor([2, 0, 4]), readout)
    nothing = torch.zeros(5, dtype=torch.float64)
    torch.testing.assert_close(read, torch.stack((expected(features[:2]), nothing, expected(features[2:]))))
    assert torch.autograd.gradcheck(
        lambda h: read_out(h, torch.tensor([2, 0, 4]), readout), features.requires_grad_(True)
    )


def test_the_published_network_of_two_layers(features: Tensor) -> None:
    """Z = A' relu(A' X W0) W1, of the nodes that are asked for: 23,063 parameters on Cora."""
    model = GraphNetwork(Nodes(5), THREE, hidden=[4], layer=NormalisedConvolution).double()
    first, last = model.layers[0].conv, model.outputs.conv
    hidden = F.relu(run(first, features))
    chosen = torch.tensor([4, 1])
    torch.testing.assert_close(model(GraphNodes(features, EDGES, chosen)), run(last, hidden)[chosen])
    cora = GraphNetwork(Nodes(1433), Classes(tuple("abcdefg")), layer=NormalisedConvolution)
    assert parameter_count(cora) == 1433 * 16 + 16 + 16 * 7 + 7


def test_levels_all_reads_the_inputs_and_every_layer(features: Tensor) -> None:
    model = GraphNetwork(Graphs(5), THREE, layer=LAYERS["gin"], hidden=[4, 6], levels="all").double().eval()
    states = [features]
    for layer in model.layers:
        states.append(layer(states[-1], EDGES))
    expected = sum(linear(h.sum(0)) for linear, h in zip(model.outputs.linears, states, strict=True))
    torch.testing.assert_close(model(batch((features, EDGES)))[0], expected)


def test_dropout_is_of_every_layers_inputs(features: Tensor) -> None:
    """All features gone leave the biases alone; in evaluation nothing is gone."""
    model = GraphNetwork(Nodes(5), THREE, layer=NormalisedConvolution, dropout=0.999999).double()
    nodes = GraphNodes(sparse(features), EDGES, torch.arange(6))
    torch.testing.assert_close(model(nodes), torch.zeros(6, 3, dtype=torch.float64))
    assert model.eval()(nodes).abs().min() > 0


def test_another_graph_is_seen_as_such(features: Tensor) -> None:
    """What is kept of a graph is used for no other, nor by a copy of the model, nor saved."""
    model = GraphNetwork(Nodes(5), THREE, layer=NormalisedConvolution).double()
    chosen, other = torch.arange(6), EDGES.flip(0)
    fresh = deepcopy(model)(GraphNodes(features, other, chosen))
    names = set(model.state_dict())
    with torch.inference_mode():
        model(GraphNodes(features, EDGES, chosen))
    model(GraphNodes(features, EDGES, chosen)).sum().backward()
    torch.testing.assert_close(model(GraphNodes(features, other, chosen)), fresh)
    torch.testing.assert_close(deepcopy(model)(GraphNodes(features, other, chosen)), fresh)
    assert set(model.state_dict()) == names


@pytest.mark.parametrize("setting", [{"readout": "sum"}, {"levels": "last"}])
def test_a_read_out_of_nodes_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(UnfitError, match="is for whole graphs; this data's examples are nodes") as error:
        GraphNetwork(Nodes(5), THREE, layer=NormalisedConvolution, **setting)
    assert error.value.path == tuple(setting)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_against_differences(name: str, features: Tensor) -> None:
    model = GraphNetwork(Nodes(5), THREE, layer=LAYERS[name], hidden=[6], activation="tanh").double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    names, parameters = zip(*model.named_parameters(), strict=True)
    nodes = GraphNodes(features, EDGES, torch.tensor([0, 2, 5]))

    def outputs(*values: Tensor) -> Tensor:
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (nodes,))

    assert torch.autograd.gradcheck(outputs, parameters)
