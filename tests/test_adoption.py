"""Weights of one network taken over, by name, into another."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nntrain.adoption import adopt
from nntrain.errors import UnfitError


def network(outputs: int, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, outputs))
    with torch.no_grad():
        for tensor in (*net[1].parameters(), *net.buffers()):
            tensor.add_(seed)
    return net


def copied(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(net: nn.Module, tensors: dict[str, Tensor]) -> list[str]:
    """The names under which the network holds just these tensors."""
    return [n for n, t in net.state_dict().items() if n in tensors and torch.equal(t, tensors[n])]


def test_parameters_and_buffers_of_the_names_that_match_are_taken() -> None:
    net, source = network(5, 0), copied(network(4, 1))
    before = copied(net)
    adopted = adopt(net, source, "^[01]\\.")
    assert adopted.taken == [name for name in source if not name.startswith("2")] == same(net, source)
    assert adopted.left == {}
    assert same(net, before) == ["2.weight", "2.bias"]


def test_what_does_not_fit_is_left_where_that_is_wanted_and_said() -> None:
    net, source = network(5, 0), copied(network(4, 1))
    del source["0.bias"]
    adopted = adopt(net, source, strict=False)
    assert adopted.left == {
        "0.bias": "missing there",
        "2.weight": "4x3 there, 5x3 here",
        "2.bias": "4 there, 5 here",
    }
    assert str(adopted).startswith("6 of 9 tensors taken, not 0.bias (missing there), 2.weight (4x3 there, 5x3 here)")


def test_names_can_be_changed_one_rule_after_the_other() -> None:
    net, source = network(4, 0), copied(network(4, 1))
    adopt(net, {f"a.b.{name}": t for name, t in source.items()}, rename={r"^a\.": "", r"^b\.(\d)": r"\1"})
    assert same(net, source) == list(source)


def test_a_tensor_that_gets_a_name_goes_before_one_that_has_had_it() -> None:
    net, source = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    adopt(net, source.state_dict(), "^1", rename={"^0": "1"})
    assert torch.equal(net[1].weight, source[0].weight)


@pytest.mark.parametrize(
    ("settings", "setting", "message"),
    [
        ({}, "match", "2.weight (4x3 there, 5x3 here), 2.bias (4 there, 5 here); strict: false takes what fits"),
        ({"match": "^2", "strict": False}, "match", "nothing of it fits: 2.weight (4x3 there, 5x3 here)"),
        ({"match": "conv"}, "match", "'conv' matches no parameter; there are 0.weight, 0.bias, 1.weight"),
        ({"match": "("}, "match", "'(' is not a regular expression"),
        ({"rename": {"^body": ""}}, "rename", "'^body' matches none of its names: 0.weight"),
        ({"rename": {"^[01]": "x"}}, "rename", "two of its tensors would be called x.bias, x.weight"),
        ({"rename": {"^0": r"\1"}}, "rename", "'\\1' cannot replace '^0'"),
    ],
)
def test_what_cannot_be_taken_is_refused_and_nothing_is_changed(
    settings: dict[str, Any], setting: str, message: str
) -> None:
    net, source = network(5, 0), copied(network(4, 1))
    before = copied(net)
    with pytest.raises(UnfitError) as error:
        adopt(net, source, **settings)
    assert message in str(error.value)
    assert error.value.path == (setting,)
    assert same(net, before) == list(before)
