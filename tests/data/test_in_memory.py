"""Data held in memory: divided, prepared, batched."""

import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nntrain.data import Learned
from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.order import Order
from nntrain.data.scikit_learn import breast_cancer, diabetes, digits, iris, wine
from nntrain.data.split import SplitSettings
from nntrain.data.tensor_split import TensorSplit
from nntrain.errors import UnfitError
from nntrain.samplers import TrainingSet
from nntrain.samplers.shuffled import Shuffled
from nntrain.specs import Classes, Image, Values, Vector

CPU = torch.device("cpu")
PARTS = ("train", "dev", "test")


def numbered(n: int = 200, classes: int = 4, own_test: int | None = None) -> Source:
    """Examples whose first feature is their number, those of a test set of its own counted from 10,000."""

    def examples(count: int, start: int) -> Examples:
        numbers = torch.arange(start, start + count)
        return Examples(torch.stack((numbers, numbers**2), dim=1).float(), numbers % classes)

    tested = examples(own_test or 0, 10_000)
    test = None if own_test is None else lambda: tested
    return Source("numbered", Vector(2), Classes(tuple("abcdefgh"[:classes])), examples(n, 0), test)


def made(source: Any, stored: Learned | None = None, **settings: Any) -> InMemory:
    return InMemory(source if callable(source) else lambda: source, CPU, stored, **settings)


def part(data: InMemory, name: str) -> TensorSplit:
    split = data.split(name)
    assert split is not None
    return split


def numbers(data: InMemory, name: str) -> list[int]:
    return part(data, name).inputs[:, 0].long().tolist()


def raw(source: Source, **settings: Any) -> InMemory:
    return made(source, standardize=False, **settings)


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        (SplitSettings(), (140, 30, 30)),
        (SplitSettings(dev=0.2), (130, 40, 30)),
        (SplitSettings(test=0.5), (70, 30, 100)),
        (SplitSettings(dev=0.1, test=0.1), (160, 20, 20)),
        (SplitSettings(dev=0.4, test=0.4), (40, 80, 80)),
    ],
)
def test_a_set_is_divided_by_the_shares_of_the_whole(settings: SplitSettings, sizes: tuple[int, ...]) -> None:
    data = raw(numbered(), split=settings)
    assert tuple(len(part(data, name)) for name in PARTS) == sizes
    assert data.describe()["examples"] == {"train": sizes[0], "dev": sizes[1]}


def test_every_example_is_in_exactly_one_part() -> None:
    data = raw(numbered())
    assert sorted(n for name in PARTS for n in numbers(data, name)) == list(range(200))


def test_the_division_does_not_change_between_runs_but_with_its_seed() -> None:
    first, again, other = (raw(numbered(), split=SplitSettings(seed=seed)) for seed in (0, 0, 1))
    assert [numbers(first, name) for name in PARTS] == [numbers(again, name) for name in PARTS]
    for name in PARTS:
        assert set(numbers(first, name)) != set(numbers(other, name))


def test_the_test_set_does_not_change_with_the_dev_share() -> None:
    tests = {tuple(numbers(raw(numbered(), split=SplitSettings(dev=dev)), "test")) for dev in (0.0, 0.1, 0.5)}
    assert len(tests) == 1


@pytest.mark.parametrize("load", [iris, wine, breast_cancer, digits])
def test_classes_are_shared_out_evenly(load: Any) -> None:
    """The dev set is drawn from what the test set leaves, so that it can be a little more than one example off."""
    data = made(load)
    whole = torch.bincount(load().train.targets).double()
    for name, allowed in (("test", 1.0), ("dev", 1.5)):
        targets = part(data, name).targets
        expected = whole * len(targets) / whole.sum()
        assert (torch.bincount(targets, minlength=len(whole)) - expected).abs().max() < allowed


@pytest.mark.parametrize(
    ("load", "sizes"),
    [
        (iris, (106, 22, 22)),
        (wine, (126, 26, 26)),
        (breast_cancer, (399, 85, 85)),
        (digits, (1259, 269, 269)),
        (diabetes, (310, 66, 66)),
    ],
)
def test_real_sets_are_divided_into_70_15_and_15_percent(load: Any, sizes: tuple[int, ...]) -> None:
    data = made(load)
    assert tuple(len(part(data, name)) for name in PARTS) == sizes


def test_values_are_shared_out_evenly_by_their_size() -> None:
    """Of each tenth of the values the dev and the test set have their share."""
    data, all_targets = made(diabetes), diabetes().train.targets[:, 0]
    bounds = torch.quantile(all_targets, torch.arange(1, 10) / 10)
    for name, allowed in (("test", 1.0), ("dev", 1.5)):
        targets = part(data, name).targets[:, 0]
        counts = torch.bincount(torch.bucketize(targets, bounds), minlength=10)
        # Equal values at a bound may count as the decile above or below.
        assert (counts - len(targets) / 10).abs().max() < allowed + 1.5
        assert targets.mean() == pytest.approx(all_targets.mean().item(), rel=0.05)


def test_a_test_set_of_its_own_is_kept_for_testing() -> None:
    data = raw(numbered(own_test=40))
    assert numbers(data, "test") == list(range(10_000, 10_040))
    assert (len(part(data, "train")), len(part(data, "dev"))) == (180, 20)
    assert sorted(numbers(data, "train") + numbers(data, "dev")) == list(range(200))


def test_of_a_set_with_a_test_set_the_dev_share_is_that_of_the_training_set() -> None:
    data = raw(numbered(own_test=40), split=SplitSettings(dev=0.25))
    assert (len(part(data, "train")), len(part(data, "dev"))) == (150, 50)


def test_a_share_for_testing_is_refused_where_there_is_a_test_set() -> None:
    with pytest.raises(UnfitError, match="numbered has a test set of its own") as error:
        raw(numbered(own_test=40), split=SplitSettings(test=0.2))
    assert error.value.path == ("split", "test")


def test_shares_that_leave_nothing_for_training_are_refused() -> None:
    with pytest.raises(UnfitError, match="leave no examples for training"):
        raw(numbered(), split=SplitSettings(dev=0.5, test=0.5))


@pytest.mark.parametrize("own_test", [None, 40])
def test_of_the_training_examples_as_many_are_used_as_is_wanted(own_test: int | None) -> None:
    """The dev and the test set stay the same; every class has its share."""
    whole = raw(numbered(own_test=own_test))
    few, again = (raw(numbered(own_test=own_test), split=SplitSettings(train=50)) for _ in range(2))
    assert numbers(few, "dev") == numbers(whole, "dev") and numbers(few, "test") == numbers(whole, "test")
    assert len(part(few, "train")) == 50 and set(numbers(few, "train")) < set(numbers(whole, "train"))
    assert numbers(few, "train") == numbers(again, "train")
    found, all_of_them = (torch.bincount(part(data, "train").targets) for data in (few, whole))
    assert (found - all_of_them * 50 / all_of_them.sum()).abs().max() <= 1
    other = raw(numbered(own_test=own_test), split=SplitSettings(train=50, seed=1))
    assert numbers(few, "train") != numbers(other, "train")


def test_more_training_examples_than_there_are_are_refused() -> None:
    assert len(part(raw(numbered(), split=SplitSettings(train=140)), "train")) == 140
    with pytest.raises(UnfitError, match="there are only 140 examples for training") as error:
        raw(numbered(), split=SplitSettings(train=141))
    assert error.value.path == ("split", "train")


def test_there_need_not_be_a_dev_set() -> None:
    data = raw(numbered(), split=SplitSettings(dev=0.0))
    assert data.split("dev") is None
    assert (len(part(data, "train")), len(part(data, "test"))) == (170, 30)


def test_a_test_share_of_less_than_one_example_is_no_test_set() -> None:
    data = raw(numbered(), split=SplitSettings(test=0.004))
    assert (len(part(data, "train")), len(part(data, "dev"))) == (170, 30)
    assert data.split("test") is None


def test_a_dev_share_of_less_than_one_example_is_refused() -> None:
    with pytest.raises(UnfitError, match="dev: 0 goes without a dev set") as error:
        raw(numbered(), split=SplitSettings(dev=0.004))
    assert error.value.path == ("split",)


def moments(inputs: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    deviation, mean = torch.std_mean(inputs.double(), dim=dims, correction=0)
    return mean, deviation


def assert_standardised(inputs: Tensor, dims: tuple[int, ...]) -> None:
    mean, deviation = moments(inputs, dims)
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-5)
    torch.testing.assert_close(deviation, torch.ones_like(deviation), rtol=0, atol=1e-5)


@pytest.mark.parametrize("load", [iris, wine, breast_cancer])
def test_features_have_mean_0_and_deviation_1_in_the_training_set(load: Any) -> None:
    data = made(load)
    assert_standardised(part(data, "train").inputs, (0,))
    assert moments(part(data, "dev").inputs, (0,))[0].abs().max() > 1e-3


def test_the_other_parts_are_prepared_with_what_was_learned_of_the_training_set() -> None:
    data, plain = made(numbered()), raw(numbered())
    mean, deviation = moments(part(plain, "train").inputs, (0,))
    for name in PARTS:
        expected = (part(plain, name).inputs - mean) / deviation
        torch.testing.assert_close(part(data, name).inputs, expected.float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(data.learned.tensors, {"mean": mean, "deviation": deviation})


def images(n: int = 60) -> Source:
    """Two channels of bytes, of which the second has larger values."""
    generator = torch.Generator().manual_seed(0)
    dark = torch.randint(0, 60, (n, 1, 4, 3), generator=generator, dtype=torch.uint8)
    bright = torch.randint(200, 256, (n, 1, 4, 3), generator=generator, dtype=torch.uint8)
    inputs = torch.cat((dark, bright), dim=1)
    return Source("images", Image(2, 4, 3), Classes(("a", "b")), Examples(inputs, torch.arange(n) % 2), scale=1 / 255)


def test_images_are_standardised_channel_by_channel() -> None:
    data = made(images())
    assert_standardised(part(data, "train").inputs, (0, 2, 3))
    assert data.learned.tensors["mean"].shape == (2,)
    assert data.learned.tensors["mean"].tolist() == pytest.approx([0.115, 0.894], abs=0.01)


def test_without_standardisation_pixels_are_from_0_to_1() -> None:
    data = raw(images())
    inputs = part(data, "train").inputs
    assert inputs.dtype == torch.float32
    assert data.learned.tensors == {}
    assert inputs.min() >= 0 and 200 / 255 <= inputs.max() <= 1


@pytest.mark.parametrize("value", [0.0, 0.1, 3.3, 1e6])
def test_a_constant_feature_becomes_0(value: float) -> None:
    inputs = torch.stack((torch.full((101,), value), torch.arange(101.0)), dim=1)
    source = Source("constant", Vector(2), Classes(("a", "b")), Examples(inputs, torch.arange(101) % 2))
    data = made(source)
    assert data.learned.tensors["deviation"][0] == 1
    for name in PARTS:
        assert part(data, name).inputs[:, 0].abs().max() <= 1e-6 * value


def test_preparing_leaves_the_source_as_it_is() -> None:
    source = numbered(own_test=40)
    before = source.train.inputs.clone()
    data = made(source)
    first, second = part(data, "test").inputs.clone(), part(data, "test").inputs
    assert torch.equal(first, second)
    assert torch.equal(source.train.inputs, before)


def test_a_stored_preparation_is_used_instead_of_a_new_one() -> None:
    plain = raw(numbered())
    stored = {"mean": torch.tensor([10.0, 20.0]), "deviation": torch.tensor([2.0, 4.0])}
    data = made(numbered(), replace(plain.learned, tensors=stored, facts={"standardize": True}))
    for name in PARTS:
        expected = (part(plain, name).inputs - stored["mean"]) / stored["deviation"]
        torch.testing.assert_close(part(data, name).inputs, expected)
    torch.testing.assert_close(data.learned.tensors, stored)


def test_a_stored_preparation_of_other_data_is_refused() -> None:
    """Which a user gets by `eval CHECKPOINT data.standardize=true` or `data=wine`."""
    learned = made(numbered()).learned
    with pytest.raises(UnfitError, match="trained with true; leave this setting out") as error:
        raw(numbered(), stored=learned)
    assert error.value.path == ("standardize",)
    with pytest.raises(UnfitError, match="trained on vectors of 7 features"):
        made(numbered(), replace(learned, inputs=Vector(7))).split("dev")


def test_nothing_is_read_for_a_trained_model_before_a_split_is_asked_for() -> None:
    def gone() -> Source:
        raise UnfitError("the training data is gone")

    learned = made(numbered()).learned
    data = made(gone, learned)
    assert (data.inputs, data.targets) == (learned.inputs, learned.targets)
    with pytest.raises(UnfitError, match="gone"):
        data.split("dev")


def test_a_set_as_it_comes_is_let_go_of_once_its_parts_are_made_and_read_again_for_the_test_set() -> None:
    reads: list[weakref.ref[Tensor]] = []

    def read() -> Source:
        source = numbered()
        reads.append(weakref.ref(source.train.inputs))
        return source

    data = made(read)
    dev = part(data, "dev")
    assert len(part(data, "train")) == 140
    assert part(data, "dev") is dev
    assert [found() for found in reads] == [None]
    tested = part(data, "test").inputs
    assert len(reads) == 2
    assert torch.equal(tested, part(made(numbered()), "test").inputs)


def test_the_targets_description_knows_the_training_sets_values() -> None:
    data = made(diabetes)
    targets = part(data, "train").targets.double()
    assert isinstance(data.targets, Values)
    assert data.targets.mean == pytest.approx((targets.mean().item(),))
    assert data.targets.deviation == pytest.approx((targets.std(correction=0).item(),))


@pytest.mark.parametrize(("batch_size", "expected"), [(7, 7), ("all", 140), (1000, 1000)])
def test_batch_size(batch_size: int | str, expected: int) -> None:
    assert raw(numbered(), batch_size=batch_size).batch_size == expected


def test_the_stream_has_the_examples_that_the_plan_names() -> None:
    data = raw(numbered())
    train = part(data, "train")
    order = Order(len(train), 9, 2, 0, Shuffled(TrainingSet(len(train), 9)))
    plan = order.updates(0)
    planned = order.updates(0)
    stream = train.stream(plan)
    for _ in range(2 * order.steps_per_epoch):
        batches, named = next(stream), next(planned)
        assert len(batches) == len(named)
        for batch, chosen in zip(batches, named, strict=True):
            assert torch.equal(batch.inputs, train.inputs[chosen])
            assert torch.equal(batch.targets, train.targets[chosen])


def test_a_sample_is_fixed_and_keeps_inputs_with_their_targets() -> None:
    train = part(raw(numbered()), "train")
    sample, again, other = train.sample(30, seed=0), train.sample(30, seed=0), train.sample(30, seed=1)
    assert torch.equal(sample.inputs, again.inputs)
    assert not torch.equal(sample.inputs, other.inputs)
    found = sample.inputs[:, 0].long()
    assert len(set(found.tolist())) == len(sample) == 30
    assert set(found.tolist()) <= set(train.inputs[:, 0].long().tolist())
    assert torch.equal(sample.targets, found % 4)


def test_a_sample_as_large_as_the_split_is_the_split() -> None:
    train = part(raw(numbered()), "train")
    assert train.sample(140, seed=0) is train
    assert train.sample(10_000, seed=0) is train


@pytest.mark.parametrize("load", [iris, wine, breast_cancer, digits, diabetes])
def test_real_sets_are_what_they_say(load: Any) -> None:
    source = load()
    assert source.train.inputs.shape[1:] == source.inputs.shape
    if isinstance(source.targets, Classes):
        assert source.train.targets.dtype == torch.int64
        assert source.train.targets.unique().tolist() == list(range(len(source.targets)))
    else:
        assert source.train.targets.shape == (len(source.train), len(source.targets))
        assert (source.train.targets.min(), source.train.targets.max()) == (25, 346)


@pytest.mark.parametrize("load", [digits, iris, wine, breast_cancer])
def test_what_is_read_from_the_files_of_scikit_learn_is_what_it_loads(load: Any) -> None:
    import sklearn.datasets

    found, known = load(), getattr(sklearn.datasets, f"load_{load.__name__}")()
    assert torch.equal(found.train.inputs.flatten(1), torch.as_tensor(known.data, dtype=torch.float32))
    assert torch.equal(found.train.targets, torch.as_tensor(known.target))
    assert found.targets.names == tuple(map(str, known.target_names))


def test_digits_are_pixels_from_0_to_1() -> None:
    inputs = part(raw(digits()), "train").inputs
    assert (inputs.min(), inputs.max()) == (0, 1)


def test_the_training_examples_of_each_class_are_counted() -> None:
    data = made(numbered())
    counts = torch.bincount(part(data, "train").targets, minlength=len(data.targets))
    assert data.learned.targets.counts == data.targets.counts == tuple(counts.tolist())
    assert made(numbered(), data.learned).targets.counts == data.targets.counts


def test_weights_of_examples_go_where_the_examples_go() -> None:
    source = numbered()
    weights = source.train.inputs[:, 0] + 1
    weighted = replace(source, train=replace(source.train, weights=weights))
    data, plain = raw(weighted), raw(source)
    for name in PARTS:
        found = part(data, name)
        torch.testing.assert_close(found.weights, found.inputs[:, 0] + 1)
        assert torch.equal(torch.cat([batch.weights for batch in found.in_order()]), found.weights)
        sample = found.sample(3, 0)
        torch.testing.assert_close(sample.weights, sample.inputs[:, 0] + 1)
        assert part(plain, name).weights is None
        assert all(batch.weights is None for batch in part(plain, name).in_order())
    (batch,) = next(data.train.stream([[torch.tensor([4, 2])]]))
    torch.testing.assert_close(batch.weights, batch.inputs[:, 0] + 1)
