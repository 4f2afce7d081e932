"""Positions against their formulas."""

import math

import pytest
import torch
from made import made
from torch import Tensor

from nntrain.positions import angles

COMPONENTS = ("learned", "sinusoidal", "rotary", "none")


def test_learned_positions_are_rows_of_a_table() -> None:
    positions, x = made("position", "learned", 7, 4, 2), torch.randn(3, 5, 4)
    torch.testing.assert_close(positions.add(x, 2), x + positions.table.weight[2:7])


@pytest.mark.parametrize("base", [10_000.0, 50.0])
def test_sinusoidal_positions_by_their_formula(base: float) -> None:
    width, x = 6, torch.randn(2, 5, 6, dtype=torch.float64)
    added = made("position", {"type": "sinusoidal", "base": base}, 9, width, 2).add(x, 3) - math.sqrt(width) * x
    for t in range(5):
        for i in range(width // 2):
            angle = (3 + t) / base ** (2 * i / width)
            assert added[0, t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-12)
            assert added[1, t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-12)


def turned(x: Tensor, start: int, base: float = 10_000.0) -> Tensor:
    """Heads' features (batch, heads, time, features), turned by rotary positions."""
    heads, time, features = x.shape[1:]
    positions = made("position", {"type": "rotary", "base": base}, time, heads * features, heads)
    rotation = positions.rotation(x.new_zeros(1, time, heads * features), start)
    return rotation.turn(x)


@pytest.mark.parametrize("base", [10_000.0, 50.0])
def test_rotary_positions_by_their_formula(base: float) -> None:
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    expected = torch.empty_like(x)
    for t in range(5):
        for i in range(3):
            angle = (4 + t) * base ** (-2 * i / 6)
            first, second = x[:, :, t, i], x[:, :, t, i + 3]
            expected[:, :, t, i] = math.cos(angle) * first - math.sin(angle) * second
            expected[:, :, t, i + 3] = math.sin(angle) * first + math.cos(angle) * second
    torch.testing.assert_close(turned(x, 4, base), expected)


def test_rotary_scores_depend_on_distances_alone() -> None:
    query, key = torch.randn(2, 1, 2, 1, 8, dtype=torch.float64).unbind()
    queries, keys = (part.expand(1, 2, 30, 8) for part in (query, key))
    scores = turned(queries, 0) @ turned(keys, 0).transpose(-1, -2)
    for distance in range(-29, 30):
        along = scores.diagonal(distance, dim1=-2, dim2=-1)
        torch.testing.assert_close(along, along[..., :1].expand_as(along))
    assert scores[0, 0, 0].unique().numel() == 30
    torch.testing.assert_close(turned(queries, 100) @ turned(keys, 100).transpose(-1, -2), scores)


@pytest.mark.parametrize("name", COMPONENTS)
def test_positions_go_on_from_where_they_start(name: str) -> None:
    positions, x = made("position", name, 9, 8, 2), torch.randn(1, 9, 8)
    torch.testing.assert_close(positions.add(x[:, 4:], 4), positions.add(x, 0)[:, 4:])
    whole, rest = positions.rotation(x, 0), positions.rotation(x[:, 4:], 4)
    assert (whole is None) == (name != "rotary")
    if whole is not None:
        torch.testing.assert_close(rest.cosine, whole.cosine[4:])
        torch.testing.assert_close(rest.sine, whole.sine[4:])


def test_angles_are_exact_in_bfloat16_however_long_the_sequence() -> None:
    """Whole numbers beyond 256 have no place in bfloat16, so angles are not to be computed in it."""
    x = torch.zeros(1, 2000, 8)
    exact, rounded = (angles(each, 0, 8, 10000.0) for each in (x, x.bfloat16()))
    torch.testing.assert_close(rounded.float(), exact, rtol=0, atol=1e-3)
