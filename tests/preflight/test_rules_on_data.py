"""Each rule on examples fires on its fault and is silent on the healthy twin, whatever kind of data it is."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from nntrain.batch import IGNORED, Batch, GraphBatch, GraphNodes, Sequences
from nntrain.data.tensor_split import TensorSplit
from nntrain.preflight import scan as scanning
from nntrain.preflight.data import classes_in_training, finite_numbers, labels_in_range, shared_examples
from nntrain.preflight.examples import by_example, by_feature, fingerprints
from nntrain.preflight.inputs import different
from nntrain.preflight.scan import Scan, scan
from nntrain.specs import Classes, Tags, Tokens, Values

PLAIN = {"data": {"type": "made", "standardize": True, "split": {"seed": 0}}}
THREE = Classes(("a", "b", "c"))


def made(examples: int = 60, features: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(examples, features, generator=generator), torch.arange(examples) % 3


def seen(inputs: Any, labels: Tensor, name: str = "train", targets: Any = THREE) -> Scan:
    return scan(name, TensorSplit(inputs, labels, 8), targets)


def test_finite_numbers_are_all_right() -> None:
    assert list(finite_numbers([seen(*made())], PLAIN)) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_found_with_its_place(value: float) -> None:
    inputs, labels = made()
    inputs[37, 2] = value
    (found,) = finite_numbers([seen(inputs, labels, "dev")], PLAIN)
    assert (found.rule, found.level) == ("finite_numbers", "alarm")
    assert found.where == {"split": "dev", "example": 37, "feature": 2}
    assert found.seen == f"the dev inputs hold {value}; all must be finite numbers"
    assert found.confirm == ("data.standardize=false",)


def test_large_numbers_whose_sum_overflows_are_numbers() -> None:
    assert seen(torch.full((4, 4), 3e38), torch.zeros(4, dtype=torch.long)).infinite_inputs == []


def test_a_target_that_is_no_number() -> None:
    targets = torch.zeros(10, 2)
    targets[4, 1] = float("nan")
    (found,) = finite_numbers([seen(torch.zeros(10, 3), targets, targets=Values(("x", "y")))], PLAIN)
    assert found.where == {"split": "train", "example": 4, "value": 1}


def test_the_example_is_counted_over_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nntrain.data.tensor_split.EVALUATION_BYTES", 1)
    inputs, labels = made()
    inputs[37, 2] = float("nan")
    labels[41] = 3
    found = seen(inputs, labels)
    assert (found.infinite_inputs[0].example, found.wrong_labels[0].example) == (37, 41)
    assert found.examples == 60


def test_padding_may_hold_anything_and_a_step_may_not() -> None:
    values = torch.zeros(3, 5, 2)
    values[1, 4, 0] = float("nan")
    labels = torch.arange(3)
    assert seen(Sequences(values, torch.tensor([5, 4, 5])), labels).infinite_inputs == []
    (odd,) = seen(Sequences(values, torch.tensor([5, 5, 5])), labels).infinite_inputs
    assert (odd.example, odd.place) == (1, (4, 0))


@pytest.mark.parametrize("wrong", [3, -1])
def test_a_label_out_of_range(wrong: int) -> None:
    inputs, labels = made()
    labels[25] = wrong
    (found,) = labels_in_range([seen(inputs, labels)], THREE)
    assert found.where == {"split": "train", "example": 25}
    assert found.seen == f"the train targets hold the label {wrong}; labels of 3 classes are 0 to 2"


@pytest.mark.parametrize("targets", [Tags(("a", "b"), 4), Tokens(("a", "b"), 4)])
def test_a_position_without_a_label_is_all_right_and_a_wrong_one_is_found(targets: Any) -> None:
    labels = torch.tensor([[0, 1, 1, IGNORED], [1, 0, IGNORED, IGNORED]])
    inputs = Sequences(torch.zeros(2, 4, dtype=torch.long), torch.tensor([3, 2]))
    assert list(labels_in_range([seen(inputs, labels, targets=targets)], targets)) == []
    labels[1, 1] = 2
    (found,) = labels_in_range([seen(inputs, labels, targets=targets)], targets)
    assert found.where == {"split": "train", "example": 1, "position": 1}


def test_an_absent_class() -> None:
    inputs, labels = made()
    assert list(classes_in_training(seen(inputs, labels), THREE, PLAIN)) == []
    (found,) = classes_in_training(seen(inputs, labels.clamp(max=1)), THREE, PLAIN)
    assert found.level == "alarm"
    assert found.seen == "no training example is of class c; the network cannot learn it"


def test_a_class_is_not_missed_where_not_all_examples_were_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nntrain.data.tensor_split.EVALUATION_BYTES", 1)
    monkeypatch.setattr(scanning, "MOST_NUMBERS", 50)
    found = seen(made()[0], made()[1].sort().values)
    assert not found.is_whole and found.examples < 60
    assert list(classes_in_training(found, THREE, PLAIN)) == []


def test_examples_shared_by_train_and_dev() -> None:
    (train, labels), (dev, others) = made(), made(seed=1)
    assert list(shared_examples(seen(train, labels), seen(dev, others, "dev"), lambda: math.inf, PLAIN)) == []
    dev[10:16] = train[:6]
    (found,) = shared_examples(seen(train, labels), seen(dev, others, "dev"), lambda: math.inf, PLAIN)
    assert (found.level, found.where) == ("alarm", {"split": "dev", "example": 10})
    assert found.seen.startswith("6 of 60 dev examples (10.0%, at most 1%) have the same inputs")


def test_true_twins_are_a_remark() -> None:
    """Half of the training examples occur twice there, so that some occur in the dev set too is natural."""
    (train, labels), (dev, others) = made(), made(seed=1)
    train[30:] = train[:30]
    dev[:20] = train[:20]
    (found,) = shared_examples(seen(train, labels), seen(dev, others, "dev"), lambda: math.inf, PLAIN)
    assert found.level == "remark"


def test_two_shared_examples_are_a_remark() -> None:
    (train, labels), (dev, others) = made(), made(seed=1)
    dev[:2] = train[:2]
    (found,) = shared_examples(seen(train, labels), seen(dev, others, "dev"), lambda: math.inf, PLAIN)
    assert found.level == "remark"


def test_few_different_inputs_are_shared_by_all_sets() -> None:
    inputs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 6)
    labels = torch.zeros(64, dtype=torch.long)
    assert different([Batch(inputs, labels)]) == 64
    assert different([Batch(torch.randn(64, 6), labels)]) == 64.0**6
    assert different([Batch(Sequences(torch.zeros(64, 6, dtype=torch.long)), labels)]) == math.inf
    (found,) = shared_examples(seen(inputs, labels), seen(inputs, labels, "dev"), lambda: 64, PLAIN)
    assert found.level == "remark"


def test_shared_sequences_are_found_whatever_their_padding() -> None:
    tokens = torch.tensor([[1, 2, 3, 0, 0], [1, 2, 3, 4, 5]])
    padded, cut = Sequences(tokens, torch.tensor([3, 5])), Sequences(tokens[:1, :3], torch.tensor([3]))
    assert fingerprints(cut)[0] == fingerprints(padded)[0] != fingerprints(padded)[1]


KINDS: dict[str, tuple[Any, tuple[int, ...] | None, tuple[int, ...] | None]] = {
    "vector": (torch.zeros(3, 4), (3, 4), (3, 4)),
    "image": (torch.zeros(3, 2, 5, 5), (3, 2, 5, 5), (75, 2)),
    "bytes": (torch.zeros(3, 4, dtype=torch.uint8), None, None),
    "series": (Sequences(torch.zeros(3, 5, 2), torch.tensor([5, 1, 2])), (3, 5, 2), (8, 2)),
    "tokens": (Sequences(torch.zeros(3, 5, dtype=torch.long)), None, None),
    "nodes": (GraphNodes(torch.zeros(9, 4), torch.zeros(2, 0), torch.tensor([1, 4, 5])), (3, 4), (3, 4)),
    "graphs": (GraphBatch(torch.zeros(7, 4), torch.zeros(2, 0), torch.tensor([2, 4, 1])), (3, 4, 4), (7, 4)),
    "else": (object(), None, None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_of_every_kind_of_inputs(kind: str) -> None:
    inputs, examples, features = KINDS[kind]
    for view, shape in ((by_example, examples), (by_feature, features)):
        numbers = view(inputs)
        assert (None if numbers is None else tuple(numbers.shape)) == shape


class Streamed:
    """A split of another make: it knows no tensors, only batches."""

    def __len__(self) -> int:
        return 6

    def in_order(self) -> Iterator[Batch]:
        for start in (0, 3):
            features = torch.zeros(6, 2)
            yield Batch(
                GraphNodes(features, torch.zeros(2, 0, dtype=torch.long), torch.arange(start, start + 3)),
                torch.tensor([0, 1, 2 if start == 0 else 7]),
            )


def test_any_split_is_scanned_by_its_batches() -> None:
    found = scan("train", Streamed(), THREE)  # type: ignore[arg-type]
    assert (found.examples, found.wrong_labels[0].example) == (6, 5)
    assert found.counts is not None and found.counts.tolist() == [2, 2, 1]
