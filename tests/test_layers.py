"""What is seen layer by layer."""

import torch
from torch import Tensor, nn

from nntrain.batch import GraphNodes
from nntrain.layers import multiply_adds, outputs, trace, trace_example
from nntrain.models.lenet import LeNet
from nntrain.network import Network, head_for
from nntrain.specs import Classes, Image


def lenet() -> Network:
    body = LeNet(Image(1, 28, 28), dropout=0.5)
    return Network(body, head_for(Classes(tuple("0123456789")), body))


def test_layers_in_the_order_in_which_they_run() -> None:
    layers = trace(lenet(), torch.zeros(2, 1, 28, 28))
    with_parameters = {layer.name: (layer.type, layer.shape, layer.parameters) for layer in layers if layer.parameters}
    assert with_parameters == {
        "body.conv1": ("Conv2d", (2, 6, 28, 28), 156),
        "body.conv2": ("Conv2d", (2, 16, 10, 10), 2416),
        "body.fc1": ("Linear", (2, 120), 48_120),
        "body.fc2": ("Linear", (2, 84), 10_164),
        "head": ("Linear", (2, 10), 850),
    }
    assert [layer.name for layer in layers][:4] == ["body.conv1", "body.activation", "body.pool", "body.conv2"]
    assert sum(layer.parameters for layer in layers) == 61_706


def test_multiply_adds_of_a_batch() -> None:
    layers = trace(lenet(), torch.zeros(2, 1, 28, 28))
    convolutions = 150 * 28 * 28 + 2400 * 10 * 10
    assert multiply_adds(layers) == 2 * (convolutions + 400 * 120 + 120 * 84 + 84 * 10)


def test_tracing_leaves_the_model_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    trace(net, torch.ones(1, 3))
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_what_is_computed_for_every_batch_alike_does_not_grow() -> None:
    """Of a graph all nodes are computed, whatever nodes are asked for; the head sees those alone."""

    class OfNodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(3, 4, bias=False), nn.Linear(4, 2, bias=False)

        def forward(self, x: GraphNodes) -> Tensor:
            return self.head(self.body(x.features).index_select(0, x.chosen))

    nodes = GraphNodes(torch.randn(10, 3), torch.zeros(2, 0, dtype=torch.long), torch.tensor([7]))
    layers = trace_example(OfNodes(), nodes, nodes._replace(chosen=torch.tensor([7, 7])))
    assert [(layer.name, layer.grows) for layer in layers] == [("body", False), ("head", True)]
    assert multiply_adds(layers) == 10 * 12 + 8
    assert multiply_adds(layers, examples=5, batches=2) == 2 * 10 * 12 + 5 * 8
    assert outputs(layers, examples=5) == 10 * 4 + 5 * 2
