"""Mixed examples and targets: against the formulas, and the statistics of many draws."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from made import REGISTRY, made
from scipy import stats
from torch import Tensor

from nntrain import mixtures
from nntrain.batch import Batch, Sequences
from nntrain.errors import MismatchError
from nntrain.mixtures import beta
from nntrain.specs import Classes, Image, Series, Tags, Tokens, Values, Vector, Video

CLASSES, VALUES = Classes(("a", "b", "c")), Values(("y", "z"))


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tensor]:
    """The share 0.3, and partners in reverse order."""
    share = torch.tensor(0.3)
    for module in ("mixup", "cutmix"):
        monkeypatch.setattr(f"nntrain.mixtures.{module}.beta", lambda *_: share)
        monkeypatch.setattr(f"nntrain.mixtures.{module}.partners", lambda b: torch.arange(len(b.targets) - 1, -1, -1))
    return share


def one_hot(labels: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(labels, 3).float()


def test_mixup_goes_straight_between_examples_and_their_classes(fixed: Tensor) -> None:
    inputs, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 2])
    seen = made("mixture", "mixup", Vector(4), CLASSES)(Batch(inputs, labels))
    torch.testing.assert_close(seen.inputs, 0.3 * inputs + 0.7 * inputs.flip(0))
    torch.testing.assert_close(seen.targets, 0.3 * one_hot(labels) + 0.7 * one_hot(labels.flip(0)))


def test_values_are_mixed_as_they_are(fixed: Tensor) -> None:
    images, values = torch.randn(4, 1, 5, 6), torch.randn(4, 2)
    seen = made("mixture", "mixup", Image(1, 5, 6), VALUES)(Batch(images, values))
    torch.testing.assert_close(seen.targets, 0.3 * values + 0.7 * values.flip(0))
    torch.testing.assert_close(seen.inputs, 0.3 * images + 0.7 * images.flip(0))


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_what_examples_count_is_mixed_like_their_targets(name: str, fixed: Tensor) -> None:
    values, weights = torch.randn(4, 2), torch.tensor([0.0, 1.0, 2.0, 5.0])
    torch.manual_seed(0)
    seen = made("mixture", name, Image(1, 5, 6), VALUES)(Batch(torch.randn(4, 1, 5, 6), values, weights))
    share = (seen.targets - values.flip(0))[0, 0] / (values - values.flip(0))[0, 0]
    torch.testing.assert_close(seen.weights, share * weights + (1 - share) * weights.flip(0))


def test_a_mixed_series_is_as_long_as_the_longer_one(fixed: Tensor) -> None:
    series = Sequences(torch.randn(3, 6, 2), torch.tensor([6, 2, 3]))
    seen = made("mixture", "mixup", Series(2, 6), CLASSES)(Batch(series, torch.tensor([0, 1, 2]))).inputs
    assert seen.lengths.tolist() == [6, 2, 6]
    torch.testing.assert_close(seen.values, 0.3 * series.values + 0.7 * series.values.flip(0))
    whole = made("mixture", "mixup", Series(2, 6), CLASSES)(Batch(Sequences(series.values), torch.tensor([0, 1, 2])))
    assert whole.inputs.lengths is None


@pytest.mark.parametrize("inputs", [Image(2, 20, 30), Video(1, 4, 20, 30)])
def test_cutmix_pastes_one_rectangle_and_mixes_by_its_area(inputs: Any, fixed: Tensor) -> None:
    images, labels = torch.randn(6, *inputs.shape), torch.tensor([0, 1, 2, 0, 1, 2])
    cutmix = made("mixture", "cutmix", inputs, CLASSES)
    shares = []
    for seed in range(100):
        torch.manual_seed(seed)
        seen = cutmix(Batch(images, labels))
        is_pasted = (seen.inputs != images).flatten(1, -3)
        assert torch.equal(seen.inputs, torch.where(is_pasted.view_as(images), images.flip(0), images))
        assert bool((is_pasted == is_pasted[:1, :1]).all())  # the same place in all images, channels and frames
        place = is_pasted[0, 0]
        height, width = place.any(dim=1).sum(), place.any(dim=0).sum()
        assert int(place.sum()) == int(height * width)
        left = 1 - float(place.float().mean())
        torch.testing.assert_close(seen.targets, left * one_hot(labels) + (1 - left) * one_hot(labels.flip(0)))
        assert (int(height) <= 16) and (int(width) <= 25)  # floor(sqrt(0.7)) of 20 and of 30
        shares.append((int(height), int(width)))
    assert (16, 25) in shares and len(set(shares)) > 10  # whole in the middle, cut off at the edges


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_the_share_is_beta_distributed(alpha: float) -> None:
    torch.manual_seed(0)
    drawn = torch.stack([beta(alpha, torch.device("cpu")) for _ in range(3000)])
    assert drawn.shape == (3000,)
    assert stats.kstest(drawn.numpy(), stats.beta(alpha, alpha).cdf).pvalue > 0.01


@pytest.mark.parametrize("name", ["mixup", "cutmix", "either"])
def test_over_many_draws_targets_and_inputs_keep_their_mean(name: str) -> None:
    """Every example is a partner as often as any other."""
    torch.manual_seed(0)
    images, labels = torch.rand(8, 1, 6, 6), torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    mixture = made("mixture", {"type": name, **({} if name == "either" else {"alpha": 1.0})}, Image(1, 6, 6), CLASSES)
    draws = [mixture(Batch(images, labels)) for _ in range(2000)]
    for batch in draws[:50]:
        torch.testing.assert_close(batch.targets.sum(dim=0), torch.tensor([3.0, 2.0, 3.0]))
        torch.testing.assert_close(batch.targets.sum(dim=1), torch.ones(8))
    mean = torch.stack([batch.inputs for batch in draws]).mean(dim=0)
    kept = torch.stack([batch.targets[0, 0] for batch in draws]).mean()
    overall = images.mean(dim=0)
    # Half of each example is its own with alpha 1 and, but for the edges, with cutmix.
    assert 0.5 < float(kept) < 0.9
    share = ((mean - overall) * (images - overall)).sum() / (images - overall).square().sum()
    assert 0.45 < float(share) < 0.85


def test_either_takes_both_ways_equally_often(monkeypatch: pytest.MonkeyPatch) -> None:
    either = made("mixture", {"type": "either", "of": ["mixup", "cutmix"]}, Image(1, 6, 6), CLASSES)
    taken: list[int] = []
    monkeypatch.setattr(either, "_ways", [lambda batch: taken.append(0), lambda batch: taken.append(1)])
    torch.manual_seed(0)
    for _ in range(1000):
        either(Batch(None, torch.zeros(2)))
    assert 450 < sum(taken) < 550


@pytest.mark.parametrize("name", REGISTRY.names("mixture"))
@pytest.mark.parametrize("targets", [Tags(("a",), 5), Tokens(("a",), 5)])
def test_targets_at_every_position_are_not_mixed(name: str, targets: Any) -> None:
    with pytest.raises(MismatchError, match=f"{name} takes classes or values"):
        made("mixture", name, Image(1, 5, 5), targets)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_waits_for_no_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the device `meta` there are no numbers to wait for; of the Beta distribution it has no kernel."""
    monkeypatch.setattr(f"nntrain.mixtures.{name}.beta", lambda alpha, device: torch.rand((), device=device))
    images, labels = torch.rand(4, 1, 6, 6, device="meta"), torch.zeros(4, dtype=torch.long, device="meta")
    seen = made("mixture", name, Image(1, 6, 6), CLASSES)(Batch(images, labels))
    assert seen.inputs.shape == images.shape and seen.targets.shape == (4, 3)
    assert mixtures.partners(Batch(images, labels)).shape == (4,)
