"""Noise, hidden stretches of series, dropped and replaced tokens; and what holds for all augmentations."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from made import REGISTRY, made
from torch import Tensor

from nntrain.augmentations import whole
from nntrain.batch import Pair, Sequences, each
from nntrain.errors import UnfitError
from nntrain.network import Network, head_for
from nntrain.reader import Reader
from nntrain.schema import _positional
from nntrain.specs import Classes, Image, Pairs, Series, Tags, Tokens, Vector, Video

CLASSES = Classes(("a", "b"))
WORDS = ("<unk>", "the", "cat", "sat", "on", "mat")
LENGTHS = torch.tensor([9, 4, 1])
INPUTS: dict[type, tuple[Any, Any]] = {
    Vector: (Vector(4), torch.randn(3, 4)),
    Image: (Image(3, 16, 16), torch.rand(3, 3, 16, 16)),
    Video: (Video(1, 4, 16, 16), torch.rand(3, 1, 4, 16, 16)),
    Series: (Series(10, 9), Sequences(torch.randn(3, 9, 10), LENGTHS)),
    Tokens: (Tokens(WORDS, 9), Sequences(torch.randint(len(WORDS), (3, 9)), LENGTHS)),
    Pairs: (
        Pairs(WORDS, WORDS, 9, 9),
        Pair(Sequences(torch.randint(len(WORDS), (3, 9)), LENGTHS), Sequences(torch.randint(6, (3, 9)), LENGTHS)),
    ),
}


def augmentation(settings: Any, inputs: Any, targets: Any = CLASSES) -> Any:
    """Made as data sets make it."""
    reader = Reader(REGISTRY)
    component = reader.component("augmentation", settings, ())
    assert component is not None, reader.problems
    return component(inputs, targets) if component.takes("targets") else component(inputs)


def every() -> Iterator[tuple[str, type]]:
    """Every augmentation with every kind of inputs that its signature names."""
    for name in REGISTRY.names("augmentation"):
        for kind in next(iter(_positional(REGISTRY.load("augmentation", name)).values())):
            yield name, kind


each_augmentation = pytest.mark.parametrize(("name", "kind"), list(every()))


def tensors(inputs: Any) -> list[Tensor]:
    found: list[Tensor] = []
    each(lambda tensor: found.append(tensor) or tensor, inputs)
    return found


@each_augmentation
def test_it_depends_on_the_generator_alone_and_leaves_its_inputs(name: str, kind: type) -> None:
    spec, inputs = INPUTS[kind]
    change, kept = augmentation(name, spec), each(torch.clone, inputs)
    torch.manual_seed(4)
    first = tensors(change(inputs))
    torch.manual_seed(4)
    again = tensors(augmentation(name, spec)(inputs))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(tensors(inputs), tensors(kept), strict=True))
    assert [t.dtype for t in first] == [t.dtype for t in tensors(inputs)]


@each_augmentation
def test_it_changes_something(name: str, kind: type) -> None:
    spec, inputs = INPUTS[kind]
    change = augmentation(name, spec)
    torch.manual_seed(0)
    draws = [tensors(change(inputs)) for _ in range(40)]
    assert any(not torch.equal(a, b) for draw in draws for a, b in zip(draw, tensors(inputs), strict=True))


@each_augmentation
def test_it_waits_for_no_device(name: str, kind: type) -> None:
    """On the device `meta` there are no numbers to wait for."""
    spec, inputs = INPUTS[kind]
    change = augmentation(name, spec)
    change(each(lambda tensor: tensor.to("meta"), inputs))


@each_augmentation
def test_it_works_in_double_precision(name: str, kind: type) -> None:
    torch.set_default_dtype(torch.float64)
    spec, inputs = INPUTS[kind]
    as_double = each(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, inputs)
    seen = augmentation(name, spec)(as_double)
    assert [t.dtype for t in tensors(seen)] == [t.dtype for t in tensors(as_double)]


@pytest.mark.parametrize("name", [name for name, kind in every() if kind is Series])
def test_the_padding_of_series_stays_zero(name: str) -> None:
    spec, inputs = INPUTS[Series]
    padded = Sequences(inputs.values * inputs.mask().unsqueeze(2), LENGTHS)
    seen = augmentation(name, spec)(padded)
    assert torch.equal(seen.lengths, LENGTHS) and not seen.values[~padded.mask()].any()


def test_distorting_digits_costs_far_less_than_a_step_of_lenet() -> None:
    digits, classes = Image(1, 28, 28), Classes(tuple("0123456789"))
    images, labels = torch.rand(128, 1, 28, 28), torch.randint(10, (128,))
    changes = [augmentation("affine", digits), augmentation("elastic", digits)]
    body = made("model", "lenet", digits)
    network = Network(body, head_for(classes, body))

    def distort() -> None:
        changes[1](changes[0](images))

    def step() -> None:
        F.cross_entropy(network(images), labels).backward()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = [min(timed(action) for _ in range(15)) for action in (distort, step)]
    finally:
        torch.set_num_threads(threads)
    assert times[0] < 0.6 * times[1], times


def timed(action: Any) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


# --- Noise.


@pytest.mark.parametrize("kind", [Vector, Image, Video])
def test_noise_has_the_deviation_that_is_set(kind: type) -> None:
    spec, inputs = INPUTS[kind]
    torch.manual_seed(0)
    change = augmentation({"type": "noise", "deviation": 0.3}, spec)
    noise = torch.stack([change(inputs) - inputs for _ in range(3000)])
    assert float(noise.std()) == pytest.approx(0.3, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert torch.equal(augmentation({"type": "noise", "deviation": 0}, spec)(inputs), inputs)


def test_whole_numbers_are_uniform() -> None:
    torch.manual_seed(0)
    drawn = whole(torch.zeros(40_000), 5)
    counts = torch.bincount(drawn.long())
    assert len(counts) == 5 and int((counts - 8000).abs().max()) < 400
    bounded = whole(torch.zeros(3000), torch.tensor([[1, 3, 7]]), 3)
    assert bounded.amax(dim=0).tolist() == [0, 2, 6] and bounded.amin(dim=0).tolist() == [0, 0, 0]


# --- Series.


def runs_of(hidden: Tensor) -> list[int]:
    """The lengths of the stretches of each row that are hidden."""
    edges = torch.diff(F.pad(hidden.int(), (1, 1)), dim=1)
    return ((edges == -1).nonzero()[:, 1] - (edges == 1).nonzero()[:, 1]).tolist()


def test_hidden_stretches_of_time_have_uniform_widths_within_each_series() -> None:
    lengths = torch.tensor([40, 10]).repeat(6000)
    series = Sequences(torch.ones(12_000, 40, 3) * (torch.arange(40) < lengths[:, None]).unsqueeze(2), lengths)
    torch.manual_seed(0)
    seen = augmentation({"type": "time_masking", "longest": 6, "share": 0.3}, Series(3, 40))(series).values
    is_hidden = (seen == 0).all(dim=2) & series.mask()
    assert torch.equal(seen, torch.where(is_hidden.unsqueeze(2), 0.0, series.values))
    for first, limit, length in ((0, 6, 40), (1, 3, 10)):
        own = is_hidden[first::2, :length]
        assert set(own.sum(dim=1).tolist()) == set(range(limit + 1))
        widths = torch.bincount(own.sum(dim=1)) / 6000
        torch.testing.assert_close(widths, torch.full((limit + 1,), 1 / (limit + 1)), atol=0.02, rtol=0)
        assert all(width <= limit for width in runs_of(own))
        assert len(runs_of(own)) == int((own.sum(dim=1) > 0).sum())  # one stretch each
        assert bool(own[:, 0].any()) and bool(own[:, -1].any())


def test_several_bands_of_frequencies_are_hidden() -> None:
    torch.manual_seed(0)
    series = Sequences(torch.ones(4000, 5, 20))
    one, two = (
        augmentation({"type": "frequency_masking", "masks": masks, "widest": 4}, Series(20, 5))(series).values == 0
        for masks in (1, 2)
    )
    for hidden in (one, two):
        assert torch.equal(hidden, hidden[:, :1].expand_as(hidden))
    assert float(one[:, 0].sum(dim=1).float().mean()) == pytest.approx(2.0, abs=0.1)
    assert max(runs_of(one[:, 0])) == 4
    per_row = torch.diff(F.pad(two[:, 0].int(), (1, 1)), dim=1).eq(1).sum(dim=1)
    assert int(per_row.max()) == 2
    with pytest.raises(UnfitError, match="at most the 20 features"):
        augmentation({"type": "frequency_masking", "widest": 21}, Series(20, 5))


# --- Tokens.


def test_dropped_tokens_leave_the_others_in_their_order() -> None:
    lengths = torch.tensor([30, 12]).repeat(500)
    tokens = Sequences(torch.arange(30).expand(1000, 30), lengths)
    torch.manual_seed(0)
    seen = augmentation({"type": "drop_tokens", "share": 0.25}, Tokens(tuple(map(str, range(30))), 30))(tokens)
    kept = seen.lengths.float()
    assert float(kept[::2].mean()) == pytest.approx(22.5, abs=0.3)
    assert float(kept[1::2].mean()) == pytest.approx(9, abs=0.3)
    for row, length, whole_length in zip(seen.values, seen.lengths, lengths, strict=True):
        own = row[:length]
        assert bool((own.diff() > 0).all()) and int(own.max()) < int(whole_length)


def test_a_token_is_always_left() -> None:
    tokens = Sequences(torch.arange(3).expand(500, 3))
    seen = augmentation({"type": "drop_tokens", "share": 0.99}, Tokens(("a", "b", "c"), 3))(tokens)
    assert int(seen.lengths.min()) == 1
    assert set(seen.values[:, 0].tolist()) == {0, 1, 2}


def test_tokens_are_replaced_by_the_one_that_is_named() -> None:
    torch.manual_seed(0)
    tokens = Sequences(torch.full((400, 20), 3), torch.tensor([20, 5]).repeat(200))
    seen = augmentation({"type": "replace_tokens", "share": 0.3, "by": "<unk>"}, Tokens(WORDS, 20))(tokens)
    assert torch.equal(seen.lengths, tokens.lengths)
    assert set(seen.values.flatten().tolist()) == {0, 3}
    assert not bool((seen.values == 0)[~tokens.mask()].any())
    assert float((seen.values == 0)[tokens.mask()].float().mean()) == pytest.approx(0.3, abs=0.03)


def test_without_a_name_any_token_replaces() -> None:
    torch.manual_seed(0)
    tokens = Sequences(torch.full((3000, 10), 3))
    seen = augmentation({"type": "replace_tokens", "share": 0.6}, Tokens(WORDS, 10))(tokens).values
    shares = torch.bincount(seen.flatten(), minlength=6) / 30_000
    expected = torch.full((6,), 0.1)
    expected[3] += 0.4
    torch.testing.assert_close(shares, expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("name", ["drop_tokens", "replace_tokens"])
def test_of_pairs_the_source_is_changed(name: str) -> None:
    spec, pair = INPUTS[Pairs]
    seen = augmentation({"type": name, "share": 0.9}, spec, Tokens(WORDS, 9))(pair)
    assert torch.equal(seen.target.values, pair.target.values)
    assert not torch.equal(seen.source.values, pair.source.values)


def test_tokens_with_a_target_each_are_not_dropped() -> None:
    for targets in (Tags(("a",), 9), Tokens(WORDS, 9)):
        with pytest.raises(UnfitError, match="replace_tokens"):
            augmentation("drop_tokens", Tokens(WORDS, 9), targets)


@pytest.mark.parametrize(("by", "hint"), [("<unc>", "did you mean '<unk>'"), ("zebra", "leave it out")])
def test_a_token_that_is_not_there_is_refused(by: str, hint: str) -> None:
    with pytest.raises(UnfitError, match=hint) as refused:
        augmentation({"type": "replace_tokens", "by": by}, Tokens(WORDS, 9))
    assert refused.value.path == ("by",)
