"""Made-up data: its formulas, sizes and seeds."""

import math
from typing import Any

import pytest
import torch

from nntrain.data import booleans, functions, points
from nntrain.data.curves import curves
from nntrain.data.in_memory import Source

CPU = torch.device("cpu")
SEEDED: dict[str, Any] = {
    "separable": points.separable,
    "two_moons": points.two_moons,
    "spirals": points.spirals,
    "ring": points.ring,
    "curves": lambda **settings: curves(side=8, **settings),
    "sine": lambda **settings: functions.sine(noise=0.1, **settings),
}


@pytest.mark.parametrize("name", SEEDED)
def test_the_seed_decides_the_points(name: str) -> None:
    def drawn(seed: int) -> list[torch.Tensor]:
        source: Source = SEEDED[name](examples=48, seed=seed)
        assert len(source.train) == 48
        return [source.train.inputs, source.train.targets]

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_made_up_data_leaves_torchs_generator_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    for make in SEEDED.values():
        make()
    assert torch.equal(torch.rand(1), expected)


def test_xor() -> None:
    source = booleans.xor()
    assert source.train.inputs.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert source.train.targets.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_parity_changes_with_every_bit(bits: int) -> None:
    source = booleans.parity(bits=bits)
    rows, labels = source.train.inputs, source.train.targets
    assert len({tuple(row) for row in rows.tolist()}) == len(rows) == 2**bits
    label = {tuple(row): int(y) for row, y in zip(rows.tolist(), labels, strict=True)}
    assert label[(1,) * bits] == bits % 2
    for row, y in label.items():
        assert all(label[(*row[:i], 1 - row[i], *row[i + 1 :])] != y for i in range(bits))


@pytest.mark.parametrize("make", [booleans.xor, booleans.parity, booleans.bars_and_stripes])
def test_all_patterns_are_in_every_part(make: Any) -> None:
    source = make()
    data = make.within(make, CPU, None)
    for part in ("train", "dev", "test"):
        assert len(data.split(part)) == len(source.train)


@pytest.mark.parametrize("side", [2, 3, 4])
def test_bars_and_stripes(side: int) -> None:
    source = booleans.bars_and_stripes(side=side)
    images, labels = source.train.inputs.squeeze(1), source.train.targets
    assert len(images) == len({tuple(image.flatten().tolist()) for image in images}) == 2 ** (side + 1) - 2
    has_bars = (images == images[:, :1, :]).all(dim=(1, 2))
    has_stripes = (images == images[:, :, :1]).all(dim=(1, 2))
    assert torch.equal(labels == 0, has_bars & ~has_stripes)
    assert torch.equal(labels == 1, has_stripes & ~has_bars)
    assert torch.equal(labels == 2, has_bars & has_stripes)


@pytest.mark.parametrize("margin", [0.05, 1.0])
def test_a_hyperplane_separates_separable_points_by_the_margin(margin: float) -> None:
    from sklearn.svm import SVC

    source = points.separable(examples=300, features=2, margin=margin, seed=3)
    x, t = source.train.inputs, source.train.targets
    machine = SVC(kernel="linear", C=1e8).fit(x.numpy(), t.numpy())
    found = 1 / torch.tensor(machine.coef_).norm().item()
    assert margin * 0.999 <= found <= margin + 0.2


def test_two_moons_lie_on_half_circles() -> None:
    source = points.two_moons(examples=100, noise=0.0)
    x, t = source.train.inputs, source.train.targets
    assert x[t == 0].norm(dim=1).tolist() == pytest.approx([1.0] * 50, abs=1e-6)
    assert bool((x[t == 0][:, 1] >= -1e-6).all())
    lower = x[t == 1] - torch.tensor([1.0, 0.5])
    assert lower.norm(dim=1).tolist() == pytest.approx([1.0] * 50, abs=1e-6)
    assert bool((lower[:, 1] <= 1e-6).all())


def test_spirals_are_turned_against_each_other() -> None:
    source = points.spirals(examples=300, arms=3, turns=2.0, noise=0.0)
    x, t = source.train.inputs, source.train.targets
    angle = torch.atan2(x[:, 1], x[:, 0]) / (2 * math.pi)
    rest = (angle - 2.0 * x.norm(dim=1) - t / 3) % 1
    assert torch.minimum(rest, 1 - rest).max().item() == pytest.approx(0, abs=1e-5)


def test_the_modes_of_the_ring() -> None:
    source = points.ring(examples=8000, modes=8, radius=2.0, deviation=0.02)
    x, t = source.train.inputs, source.train.targets
    for mode in range(8):
        cloud = x[t == mode]
        centre = [2 * math.cos(math.pi * mode / 4), 2 * math.sin(math.pi * mode / 4)]
        assert cloud.mean(dim=0).tolist() == pytest.approx(centre, abs=0.003)
        assert cloud.std(dim=0).tolist() == pytest.approx([0.02, 0.02], rel=0.1)


def test_sine() -> None:
    source = functions.sine(examples=101, periods=2.0)
    x, y = source.train.inputs, source.train.targets
    assert (x.min().item(), x.max().item()) == pytest.approx((-2 * math.pi, 2 * math.pi))
    torch.testing.assert_close(y, x.sin())
    noisy = functions.sine(examples=10_000, noise=0.3).train
    assert (noisy.targets - noisy.inputs.sin()).std().item() == pytest.approx(0.3, rel=0.05)


def test_curves_by_their_formula() -> None:
    source = curves(examples=600, side=10)  # drawn in two pieces
    assert source.train.inputs.shape == (600, 1, 10, 10)
    for i in (0, 599):
        p = source.train.targets[i].view(4, 2).tolist()
        assert all(1 <= place <= 8 for point in p for place in point)
        steps = [k / 59 for k in range(60)]
        weights = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3) for t in steps]
        stroke = [
            [sum(w * point[axis] for w, point in zip(four, p, strict=True)) for axis in (0, 1)] for four in weights
        ]
        for row, column in ((0, 0), (4, 7), (round(p[0][0]), round(p[0][1]))):
            nearest = min((row - r) ** 2 + (column - c) ** 2 for r, c in stroke)
            assert float(source.train.inputs[i, 0, row, column]) == pytest.approx(math.exp(-nearest), abs=1e-4)
