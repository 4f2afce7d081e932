"""Scale, preparation, leaks and order: each rule on its fault and on the healthy twin."""

from typing import Any

import pytest
import torch
from torch import Tensor

from nntrain.batch import Batch, Sequences
from nntrain.preflight.finding import Finding
from nntrain.preflight.first_batch import entropy
from nntrain.preflight.inputs import FEW, Features, feature_scales, input_scale, leaking_feature, prepared_alike
from nntrain.preflight.order import shuffled
from nntrain.specs import Classes, Values

PLAIN = {"data": {"type": "made", "standardize": False}}
TEN = Classes(tuple("0123456789"))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batches(inputs: Any, targets: Tensor | None = None) -> list[Batch]:
    count = len(inputs.values) if isinstance(inputs, Sequences) else len(inputs)
    return [Batch(inputs, torch.arange(count) % 10 if targets is None else targets)]


def scale(inputs: Any) -> list[Finding]:
    features = Features.of(batches(inputs))
    return [] if features is None else list(input_scale(features, PLAIN))


def levels(found: list[Finding]) -> list[str]:
    return [finding.level for finding in found]


HEALTHY = {
    "standardised": normal(200, 5),
    "from 0 to 1": torch.rand(200, 5, generator=torch.Generator().manual_seed(0)),
    "grey values with a constant border": torch.cat((torch.full((200, 1), 3.0), normal(200, 4)), dim=1),
    "one-hot": torch.eye(200),
    "rare words": (normal(200, 50) > 2.5).float(),
    "all ones": torch.ones(200, 3),
    "an outlier": torch.cat((torch.full((1, 5), 90.0), normal(2000, 5))),
    "images": normal(20, 3, 8, 8),
    "tokens": Sequences(torch.randint(50_000, (20, 8), generator=torch.Generator().manual_seed(0))),
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_ordinary_inputs(kind: str) -> None:
    assert scale(HEALTHY[kind]) == []


@pytest.mark.parametrize("inputs", [normal(200, 5) * 1000, normal(20, 3, 8, 8) * 100, normal(200, 5) + 50])
def test_inputs_that_are_too_large_or_off_centre(inputs: Tensor) -> None:
    (found,) = scale(inputs)
    assert (found.rule, found.level, found.confirm) == ("input_scale", "alarm", ("data.standardize=true",))


def test_one_large_feature_is_named() -> None:
    inputs = normal(200, 100)
    inputs[:, 42] *= 500
    (found,) = scale(inputs)
    assert found.where == {"split": "train", "feature": 42}


def test_the_named_feature_is_counted_with_those_left_out() -> None:
    inputs = normal(200, 5)
    inputs[:, 0], inputs[:, 3] = 1.0, inputs[:, 3] * 500
    assert scale(inputs)[0].where["feature"] == 3


def test_features_of_very_different_scales() -> None:
    inputs = normal(200, 3)
    features = Features.of(batches(inputs))
    assert features is not None and list(feature_scales(features, PLAIN)) == []
    inputs[:, 1] *= 0.001
    features = Features.of(batches(inputs))
    assert features is not None and levels(list(feature_scales(features, PLAIN))) == ["remark"]


def alike(train: Tensor, dev: Tensor) -> list[str]:
    features = Features.of(batches(train))
    assert features is not None
    same = Features.of(batches(dev), features.numbers)
    assert same is not None
    return levels(list(prepared_alike(features, same, PLAIN)))


@pytest.mark.parametrize(
    ("examples", "factor", "offset", "expected"),
    [
        (500, 1.0, 0.0, []),
        (500, 1.0, 0.3, []),
        (500, 1.5, 0.0, []),
        (500, 1.0, 1.0, ["alarm"]),
        (500, 3.0, 0.0, ["alarm"]),
        (500, 0.1, 0.0, ["alarm"]),
        (20, 1.0, 0.9, ["remark"]),  # a small dev set may differ so by chance
        (20, 1.0, 3.0, ["alarm"]),
        (20, 255.0, 0.0, ["alarm"]),
    ],
)
def test_train_and_dev_prepared_alike(examples: int, factor: float, offset: float, expected: list[str]) -> None:
    assert alike(normal(500, 8), normal(examples, 8, seed=1) * factor + offset) == expected


def test_one_feature_that_drifts_is_no_other_preparation() -> None:
    dev = normal(500, 8, seed=1)
    dev[:, 3] += 5
    assert alike(normal(500, 8), dev) == []


def test_a_feature_that_is_constant_in_training_only_is_left_out() -> None:
    train = normal(500, 3)
    train[:, 0] = 2.0
    assert alike(train, normal(500, 3, seed=1)) == []


def leak(inputs: Any, targets: Tensor, spec: Any = TEN) -> list[Finding]:
    return list(leaking_feature(batches(inputs, targets), spec, PLAIN))


def test_a_feature_that_tells_the_class() -> None:
    inputs, labels = normal(200, 1, 4, 4), torch.arange(200) % 10
    assert leak(inputs, labels) == []
    inputs[:, 0, 2, 1] = 3.0 * labels + 0.1 * normal(200)
    (found,) = leak(inputs, labels)
    assert (found.level, found.where) == ("alarm", {"split": "train", "feature": [0, 2, 1]})


def test_a_feature_that_tells_one_class_from_all_others() -> None:
    inputs, labels = normal(200, 4), torch.arange(200) % 10
    inputs[:, 2] = (labels == 7).float()
    assert leak(inputs, labels)[0].where["feature"] == 2


def test_a_good_feature_is_no_leak() -> None:
    inputs, labels = normal(200, 4), torch.arange(200) % 2
    inputs[:, 0] = labels + 0.1 * normal(200, seed=1)  # r2 0.96
    assert leak(inputs, labels, Classes(("a", "b"))) == []


def test_a_feature_that_tells_a_value() -> None:
    inputs, values = normal(200, 4), normal(200, 2, seed=1)
    assert leak(inputs, values, Values(("x", "y"))) == []
    inputs[:, 3] = -2 * values[:, 1]
    assert leak(inputs, values, Values(("x", "y")))[0].where["feature"] == 3


def test_few_examples_tell_nothing() -> None:
    labels = torch.arange(20) % 2
    assert leak(labels[:, None].float(), labels, Classes(("a", "b"))) == []


def test_a_class_of_one_example_is_told_by_chance() -> None:
    labels, inputs = torch.zeros(200, dtype=torch.long), torch.zeros(200, 3)
    labels[5], inputs[5, 1] = 1, 4.0
    labels[6:100] = 2
    assert leak(inputs, labels) == []


def order(labels: Tensor, size: int, classes: Classes = TEN) -> list[str]:
    prior = entropy(torch.bincount(labels))
    inputs = torch.zeros(len(labels), 1)
    parts = [Batch(i, t) for i, t in zip(inputs.split(size), labels.split(size), strict=True)]
    return levels(list(shuffled(parts, classes, prior, PLAIN)))


MIXED = torch.randint(10, (640,), generator=torch.Generator().manual_seed(0))


def test_batches_that_are_sorted_by_class() -> None:
    assert order(MIXED, 32) == []
    assert order(MIXED.sort().values, 32) == ["alarm"]


def test_mixed_examples_count_for_the_classes_that_they_are_of() -> None:
    prior = entropy(torch.bincount(MIXED))
    for labels, found in ((MIXED, []), (MIXED.sort().values, ["alarm"])):
        one_hot = torch.nn.functional.one_hot(labels, 10).float()
        parts = [Batch(None, 0.7 * part + 0.3 * part[torch.randperm(32)]) for part in one_hot.split(32)]
        assert levels(list(shuffled(parts, TEN, prior, PLAIN))) == found


@pytest.mark.parametrize("size", [4, 640])
def test_small_batches_and_the_whole_set_tell_nothing_of_the_order(size: int) -> None:
    assert order(MIXED.sort().values, size) == []


def test_hardly_any_examples_of_the_other_class_tell_nothing_of_the_order() -> None:
    labels = torch.zeros(640, dtype=torch.long)
    labels[-10:] = 1
    assert order(labels, 32, Classes(("a", "b"))) == []


@pytest.mark.parametrize("late", [5.0, 0.5])
def test_a_feature_that_is_dull_in_its_first_numbers_alone_is_looked_at(late: float) -> None:
    values = normal(FEW + 10, 3)
    values[:, 1] = 1.0
    values[FEW:, 1] = late
    values[:, 2] = torch.arange(FEW + 10) % 2
    found = Features.of(batches(values))
    assert found is not None and found.numbers == [0, 1]
    torch.testing.assert_close(found.values, values[:, :2].double())
