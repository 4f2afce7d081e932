"""What regularizers and initializers act on where a config does not say: the weights of any network, and no biases."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal, weight_norm

from every_model import Instance, instances
from nntrain.errors import UnfitError
from nntrain.initializers import OnMatrices
from nntrain.initializers.scaled import he_normal
from nntrain.optimizers.muon import is_hidden
from nntrain.regularizers import OnWeights
from nntrain.regularizers.max_norm import MaxNorm
from nntrain.regularizers.weight_noise import InForward, drop_connect
from nntrain.regularizers.weights import l1, l2
from nntrain.weights import matrices_of, weights_of

every_network = pytest.mark.parametrize("instance", instances(), ids=str)


def names(model: nn.Module) -> set[str]:
    return {weight.name for weight in weights_of(model)}


@pytest.mark.parametrize(
    ("module", "found"),
    [
        (nn.LSTM(2, 3, 2), {"weight_ih_l0", "weight_hh_l0", "weight_ih_l1", "weight_hh_l1"}),
        (nn.MultiheadAttention(4, 2), {"in_proj_weight", "out_proj.weight"}),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2)), {"0.weight", "3.weight"}),
        (nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm(4), nn.Linear(4, 1)), {"2.weight"}),
        (nn.Sequential(weight_norm(nn.Linear(3, 2)), nn.Linear(2, 2)), {"0.weight", "1.weight"}),
    ],
)
def test_weights_are_matrices_but_for_embeddings(module: nn.Module, found: set[str]) -> None:
    assert names(module) == found


def test_without_weights_the_parameters_are_named() -> None:
    with pytest.raises(UnfitError, match="no parameter is a weight; there are weight, bias") as error:
        weights_of(nn.LayerNorm(3))
    assert error.value.path == ("match",)


@every_network
def test_every_weight_of_every_network_is_reached(instance: Instance) -> None:
    """By a penalty without a pattern: no parameter of two axes has no gradient, and no other has one."""
    model = instance.make()
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    penalty = OnWeights(l2)
    penalty.bind(model)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    value = penalty.penalty()
    assert value is not None
    found = dict(zip(parameters, torch.autograd.grad(value, list(parameters.values()), allow_unused=True), strict=True))
    assert {n for n, g in found.items() if g is not None} == {
        n for n, p in parameters.items() if p.dim() > 1 and id(p) not in embeddings
    }


@every_network
def test_muon_leaves_embeddings_and_what_puts_out_to_adamw(instance: Instance) -> None:
    model = instance.make()
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    head = {id(p) for name in ("head", "outputs") for p in getattr(model, name, nn.Identity()).parameters()}
    hidden = {id(p) for name, p in model.named_parameters() if is_hidden(name, p)}
    assert not hidden & (embeddings | head)


def normalised() -> nn.Linear:
    torch.manual_seed(0)
    return weight_norm(nn.Linear(4, 3).double())


@pytest.mark.parametrize(("kind", "size"), [(l2, lambda w: w.square().sum() / 2), (l1, lambda w: w.abs().sum())])
def test_with_weight_normalisation_it_is_the_weights_that_are_penalised(
    kind: Any, size: Callable[[Tensor], Tensor]
) -> None:
    layer = normalised()
    penalty = OnWeights(partial(kind, weight=2.0))
    penalty.bind(layer)
    expected = torch.autograd.grad(2 * size(layer.weight), list(layer.parameters()), allow_unused=True)
    found = torch.autograd.grad(penalty.penalty(), list(layer.parameters()), allow_unused=True)
    assert found[0] is expected[0] is None  # the bias
    for mine, theirs in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(mine, theirs)


def test_with_weight_normalisation_it_is_the_weights_that_are_constrained() -> None:
    layer = normalised()
    with torch.no_grad():
        layer.parametrizations.weight.original0.copy_(torch.tensor([[5.0], [-4.0], [0.5]]))
    before, directions = layer.weight.detach().clone(), layer.parametrizations.weight.original1.detach().clone()
    limit = MaxNorm(largest=2.0)
    limit.bind(layer)
    limit.project()
    torch.testing.assert_close(layer.weight.norm(dim=1), torch.tensor([2.0, 2.0, 0.5]).double())
    torch.testing.assert_close(layer.weight, before * torch.tensor([[2 / 5], [2 / 4], [1.0]]))
    assert torch.equal(layer.parametrizations.weight.original1, directions)


def test_with_weight_normalisation_it_is_the_weights_that_start_anew() -> None:
    layer = weight_norm(nn.Linear(300, 200))
    torch.manual_seed(1)
    OnMatrices(he_normal)(layer)
    torch.manual_seed(1)
    expected = nn.init.kaiming_normal_(torch.empty(200, 300))
    torch.testing.assert_close(layer.weight.detach(), expected)
    assert [p.shape for p in layer.parameters()] == [(200,), (200, 1), (200, 300)]


def test_with_weight_normalisation_it_is_the_weights_that_have_noise() -> None:
    layer, x = normalised(), torch.randn(5, 4).double()
    noise, plain = InForward(lambda: drop_connect(share=0.5)), layer.weight.detach().clone()
    noise.bind(layer)
    with noise.during_forward():
        torch.manual_seed(3)
        found = layer(x)
    torch.manual_seed(3)
    torch.testing.assert_close(found, x @ nn.functional.dropout(plain, 0.5).T + layer.bias)
    assert torch.equal(layer.weight, plain)


def test_weights_that_are_made_otherwise_are_penalised_but_have_no_lengths_to_constrain() -> None:
    torch.manual_seed(0)
    layer = orthogonal(nn.Linear(3, 3))
    layer.original = nn.Parameter(torch.ones(2, 2))  # a name that has nothing to do with it
    assert names(layer) == {"weight", "original"}
    penalty = OnWeights(partial(l2, weight=2.0))
    penalty.bind(layer)
    torch.testing.assert_close(penalty.penalty(), torch.tensor(3.0 + 4.0))
    with pytest.raises(UnfitError, match="weight is made of other parameters, whose lengths are not its own"):
        MaxNorm().bind(layer)


def test_units_come_first_in_transposed_convolutions_too() -> None:
    layer = nn.ConvTranspose2d(3, 4, 2)
    (weight,) = matrices_of(layer)
    assert weight.now().shape == (4, 3, 2, 2)
    torch.manual_seed(0)
    OnMatrices(he_normal)(nn.Sequential(layer))
    assert layer.weight.shape == (3, 4, 2, 2)
    torch.manual_seed(0)
    expected = nn.init.kaiming_normal_(torch.empty(4, 3, 2, 2))  # with the 3 x 2 x 2 inputs that a unit sees
    torch.testing.assert_close(layer.weight.detach(), expected.transpose(0, 1))
    limit = MaxNorm(largest=0.1)
    limit.bind(layer)
    limit.project()
    torch.testing.assert_close(layer.weight.transpose(0, 1).flatten(1).norm(dim=1), torch.full((4,), 0.1))


@pytest.mark.parametrize("layer", ["gcn", "gat", "sage", "graph_conv"])
def test_units_come_first_in_graph_networks_too(layer: str) -> None:
    (instance,) = (i for i in instances() if str(i) == f"gnn-{LAYERS.index(layer)}-Nodes-Classes")
    shapes = {w.name: tuple(w.now().shape) for w in weights_of(instance.make()) if "att_" not in w.name}
    assert set(shapes.values()) == {(16, 3), (3, 16)}
    assert all(shape == ((16, 3) if name.startswith("layers") else (3, 16)) for name, shape in shapes.items())


LAYERS = ["graph_conv", "gcn", "sage", "gat", "gin"]

RECURRENT = """
data: sequential_digits
model: {type: lstm, hidden: 4}
regularizers: [KIND]
optimizer: {type: sgd, lr: 0.1}
trainer: {length: 1 step, preflight: false}
"""


@pytest.mark.parametrize("kind", ["l2", "l1", "elastic_net", "spectral", "orthogonality", "max_norm"])
def test_the_config_of_a_run_says_that_there_is_no_pattern(
    kind: str, command: Callable[..., Any], write: Callable[..., Path]
) -> None:
    config = write(RECURRENT.replace("KIND", kind))
    fitted = command("fit", config, "--json")
    assert fitted.status == 0, fitted.err
    assert "match: null" in (Path(fitted.json["run"]) / "config.yaml").read_text()


def test_he_normal_without_a_pattern_leaves_the_gains_of_normalisations(
    command: Callable[..., Any], write: Callable[..., Path]
) -> None:
    """Which made every output of a layer tiny where it filled them too."""
    from nntrain.assemble import assemble
    from nntrain.config import load

    text = "name: my\ndata: digits\nmodel: {type: mlp, hidden: [200], norm: batch}\n"
    text += "init: [{type: normal, deviation: 0.5}]\n"
    model = assemble(load(write(text))).model
    assert model.get_parameter("body.layers.0.norm.weight").eq(1).all()
    assert float(model.get_parameter("body.layers.0.linear.weight").detach().std()) == pytest.approx(0.5, rel=0.05)


def test_muon_is_refused_where_nothing_is_hidden(command: Callable[..., Any], write: Callable[..., Path]) -> None:
    refused = command("check", write("data: iris\nmodel: linear\noptimizer: muon\n"))
    assert refused.status == 2
    assert "optimizer: there are no hidden matrices, only head.weight, head.bias; take adamw" in refused.err


def test_optimizers_by_name_may_be_in_their_short_form(command: Callable[..., Any], write: Callable[..., Path]) -> None:
    config = write("data: ring\nmodel: gan\ntask: gan\ntrainer: {length: 1 step, preflight: false}\n")
    assert command("check", config, "optimizer={discriminator: sgd, generator: adam}").status == 0
    refused = command("check", config, "optimizer={discriminator: sgd}")
    assert refused.status == 2
    assert "optimizer: names no optimizer for the objective 'generator'" in refused.err
