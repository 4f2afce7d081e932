"""Descriptions of inputs and targets."""

import json

import pytest
import torch

from nntrain.specs import Classes, Image, OneToMany, Pairs, Tags, Tokens, Values, Vector, from_json, to_json


@pytest.mark.parametrize(
    "spec",
    [
        Vector(7),
        Image(3, 32, 28),
        Classes(("a", "b")),
        Values(("x", "y")),
        Values(("x",), (0.1,), (2.5,)),
        Tokens(("a", "b"), 9, "byte"),
        Tags(("a", "b"), 9),
        Pairs(("a",), ("b", "c"), 7, 8),
        OneToMany(Image(3, 8, 9), ("a", "b"), 7, "grey", Image(1, 2, 3)),
        OneToMany(Vector(3), ("a", "b"), 7),
    ],
)
def test_a_description_travels_as_json(spec: Vector | Image | Classes | Values) -> None:
    assert from_json(json.loads(json.dumps(to_json(spec)))) == spec


@pytest.mark.parametrize("fields", [{}, {"type": "Sound"}, {"type": "Vector"}, {"type": "Vector", "size": 3}])
def test_any_other_json_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_json(fields)


def test_shapes_and_sizes() -> None:
    assert (Vector(7).shape, Image(3, 32, 28).shape) == ((7,), (3, 32, 28))
    assert (len(Classes(("a", "b"))), len(Values(("x", "y", "z")))) == (2, 3)


def test_the_strata_of_classes_are_the_classes() -> None:
    targets = torch.tensor([2, 0, 1, 1])
    assert Classes(("a", "b", "c")).strata(targets).tolist() == [2, 0, 1, 1]


def test_the_strata_of_values_are_deciles_of_the_first_value() -> None:
    first = torch.randperm(50, generator=torch.Generator().manual_seed(0)).float() ** 3
    targets = torch.stack((first, -first), dim=1)
    strata = Values(("x", "y")).strata(targets)
    assert torch.bincount(strata).tolist() == [5] * 10
    assert strata[first.argsort()].tolist() == sorted(strata.tolist())


def test_equal_values_are_shared_out_evenly_too() -> None:
    assert torch.bincount(Values(("x",)).strata(torch.zeros(40, 1))).tolist() == [4] * 10


def test_mean_and_deviation_of_the_values() -> None:
    learned = Values(("x", "y")).learned_from(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    assert (learned.mean, learned.deviation) == ((2.0, 5.0), (1.0, 1.0))
