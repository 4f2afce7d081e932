"""Precision, recall, F1 and their relatives against scikit-learn, merged over batches of any size."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from made import made
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.errors import UnfitError
from nntrain.specs import Classes, LabelSet, Links, Tags, Transcripts

N = 61
CLASSES = Classes(("ant", "bee", "cat", "dog"))
PAIR = Classes(("benign", "malignant"))
LABELS = LabelSet(("red", "green", "blue"))
SIZES = [[N], [1] * N, [60, 1], [7] * 8 + [5]]
each_size = pytest.mark.parametrize("sizes", SIZES, ids=["whole", "ones", "uneven", "sevens"])


def drawn(classes: int) -> tuple[Tensor, Tensor]:
    """Logits and labels; some logits are equal."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(classes, (N,), generator=generator)
    logits = torch.randn(N, classes, generator=generator).round(decimals=1)
    logits[torch.arange(N), targets] += 1
    return logits, targets


def drawn_labels() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(N, 3, generator=generator) < torch.tensor([0.2, 0.5, 0.8])).long()
    return (torch.randn(N, 3, generator=generator) + targets - 0.5).round(decimals=1), targets


def value(settings: Any, spec: Any, predictions: Tensor, targets: Tensor, sizes: Sequence[int]) -> float:
    """The metric of all examples, its states added up over batches of these sizes."""
    metric = made("metric", settings, spec)
    first, *rest = zip(torch.split(predictions, sizes), torch.split(targets, sizes), strict=True)
    state = metric.measure(*first)
    for batch in rest:
        state = state + metric.measure(*batch)
    return metric.value(state)


NAMES = ("precision", "recall", "f1")


@each_size
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("of", ["macro", "micro", "cat"])
def test_decisions_between_classes(name: str, of: str, sizes: list[int]) -> None:
    logits, targets = drawn(4)
    how: dict[str, Any] = {"average": "macro", "labels": [2]} if of == "cat" else {"average": of}
    expected = getattr(sklearn_metrics, f"{name}_score")(targets, logits.argmax(dim=1), **how)
    assert 0.3 < expected < 0.9
    found = value({"type": name, "of": of}, CLASSES, logits, targets, sizes)
    assert found == pytest.approx(expected, rel=1e-12)


@each_size
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("of", ["macro", "micro", "green"])
def test_decisions_on_labels(name: str, of: str, sizes: list[int]) -> None:
    logits, targets = drawn_labels()
    score = getattr(sklearn_metrics, f"{name}_score")
    found = logits > 0
    expected = score(targets[:, 1], found[:, 1]) if of == "green" else score(targets, found, average=of)
    assert value({"type": name, "of": of}, LABELS, logits, targets, sizes) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_is_over_classes_that_occur(name: str) -> None:
    """As in scikit-learn: bee is neither right nor taken for, cat never right, dog never taken for."""
    targets, guesses = torch.tensor([0, 0, 3, 0]), torch.tensor([0, 2, 0, 0])
    expected = getattr(sklearn_metrics, f"{name}_score")(targets, guesses, average="macro", zero_division=0)
    assert value(name, CLASSES, torch.eye(4)[guesses], targets, [4]) == pytest.approx(expected)


@pytest.mark.parametrize("name", [*NAMES, "calibration_error", {"type": "top_k_error", "k": 1}])
def test_ignored_positions_are_left_out(name: Any) -> None:
    logits, targets = drawn(4)
    tags = Tags(CLASSES.names, 4)
    padded = torch.cat((targets[:56].view(14, 4), torch.full((14, 2), IGNORED)), dim=1)
    longer = torch.cat((logits[:56].view(14, 4, 4), 9 * torch.ones(14, 2, 4).cumsum(dim=2)), dim=1)
    expected = value(name, CLASSES, logits[:56], targets[:56], [56])
    assert value(name, tags, longer, padded, [5, 9]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", [*NAMES, "hamming_loss", "auroc", "average_precision", "calibration_error"])
def test_labels_that_nobody_knows_are_left_out(name: str) -> None:
    logits, targets = drawn_labels()
    one = LabelSet(("red",))
    unknown = torch.cat((targets[:, :1], torch.full((9, 1), IGNORED)))
    longer = torch.cat((logits[:, :1], torch.randn(9, 1)))
    expected = value(name, one, logits[:, :1], targets[:, :1], [N])
    assert value(name, one, longer, unknown, [3, N + 6]) == pytest.approx(expected, rel=1e-12)


@each_size
def test_hamming_loss(sizes: list[int]) -> None:
    logits, targets = drawn_labels()
    expected = sklearn_metrics.hamming_loss(targets, logits > 0)
    assert value("hamming_loss", LABELS, logits, targets, sizes) == pytest.approx(expected, rel=1e-12)


@each_size
@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_error(k: int, sizes: list[int]) -> None:
    logits, targets = drawn(4)
    logits = logits + 1e-4 * torch.randn(N, 4, generator=torch.Generator().manual_seed(1))  # no two are equal
    expected = 1 - sklearn_metrics.top_k_accuracy_score(targets, logits, k=k)
    assert value({"type": "top_k_error", "k": k}, CLASSES, logits, targets, sizes) == pytest.approx(expected)


# --- Whatever the threshold.


@each_size
def test_ranking_of_two_classes(sizes: list[int]) -> None:
    logits, targets = drawn(2)
    scores = logits[:, 1].double() - logits[:, 0].double()
    auroc = sklearn_metrics.roc_auc_score(targets, scores)
    assert 0.6 < auroc < 0.95
    assert value("auroc", PAIR, logits, targets, sizes) == pytest.approx(auroc, rel=1e-12)
    assert value({"type": "auroc", "of": "benign"}, PAIR, logits, targets, sizes) == pytest.approx(auroc, rel=1e-12)
    for of, expected in (
        ("malignant", sklearn_metrics.average_precision_score(targets, scores)),
        ("benign", sklearn_metrics.average_precision_score(1 - targets, -scores)),
    ):
        found = value({"type": "average_precision", "of": of}, PAIR, logits, targets, sizes)
        assert found == pytest.approx(expected, rel=1e-12)
    assert value("average_precision", PAIR, logits, targets, sizes) == pytest.approx(
        sklearn_metrics.average_precision_score(targets, scores), rel=1e-12
    )


@each_size
def test_ranking_of_several_classes(sizes: list[int]) -> None:
    logits, targets = drawn(4)
    p = logits.double().softmax(dim=1)
    expected = sklearn_metrics.roc_auc_score(targets, p, multi_class="ovr", average="macro")
    assert value("auroc", CLASSES, logits, targets, sizes) == pytest.approx(expected, rel=1e-12)
    one_hot = torch.nn.functional.one_hot(targets)
    expected = sklearn_metrics.average_precision_score(one_hot, p)
    assert value("average_precision", CLASSES, logits, targets, sizes) == pytest.approx(expected, rel=1e-9)
    cat = sklearn_metrics.roc_auc_score(one_hot[:, 2], p[:, 2])
    assert value({"type": "auroc", "of": "cat"}, CLASSES, logits, targets, sizes) == pytest.approx(cat, rel=1e-12)


@each_size
def test_ranking_of_labels_and_links(sizes: list[int]) -> None:
    logits, targets = drawn_labels()
    for name, score in (
        ("auroc", sklearn_metrics.roc_auc_score),
        ("average_precision", sklearn_metrics.average_precision_score),
    ):
        assert value(name, LABELS, logits, targets, sizes) == pytest.approx(score(targets, logits), rel=1e-12)
        links = value(name, Links(), logits[:, 1], targets[:, 1], sizes)
        assert links == pytest.approx(score(targets[:, 1], logits[:, 1]), rel=1e-12)


def test_sure_answers_keep_their_order() -> None:
    """Probabilities that float32 rounds to 1 are told apart by their logits."""
    logits = torch.tensor([[0.0, 30.0], [0.0, 40.0], [0.0, 35.0], [0.0, 20.0]])
    assert value("auroc", PAIR, logits, torch.tensor([0, 1, 1, 0]), [4]) == 1


def test_ranking_of_one_kind_alone_is_not_a_number() -> None:
    assert torch.isnan(torch.tensor(value("auroc", PAIR, torch.randn(3, 2), torch.ones(3).long(), [3])))
    assert torch.isnan(torch.tensor(value("average_precision", PAIR, torch.randn(3, 2), torch.zeros(3).long(), [3])))


# --- Calibration.


@each_size
def test_calibration_error_by_hand(sizes: list[int]) -> None:
    logits, targets = drawn(4)
    confidence, answer = logits.softmax(dim=1).max(dim=1)
    total = 0.0
    for b in range(10):
        inside = (confidence > b / 10) & (confidence <= (b + 1) / 10)
        if inside.any():
            gap = (answer == targets)[inside].double().mean() - confidence[inside].double().mean()
            total += float(inside.double().mean() * gap.abs())
    found = value({"type": "calibration_error", "bins": 10}, CLASSES, logits, targets, sizes)
    assert found == pytest.approx(total, rel=1e-6)


def test_probabilities_that_are_how_often_it_is_so_are_calibrated() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(200_000, 1, generator=generator)
    targets = torch.bernoulli(logits.sigmoid(), generator=generator).long()
    one = LabelSet(("rain",))
    assert value("calibration_error", one, logits, targets, [200_000]) < 0.005
    assert value("calibration_error", one, 3 * logits, targets, [200_000]) > 0.08


# --- Spans.

BIO = Tags(("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), 7)


def spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Kind, first and last position of each span, by reading from left to right."""
    found, start = set(), None
    for t in range(len(tags) + 1):
        mark, _, kind = tags[t].partition("-") if t < len(tags) else ("O", "", "")
        if start is not None and (mark != "I" or kind != start[0]):
            found.add((*start, t - 1))
            start = None
        if mark == "B" or (mark == "I" and start is None):
            start = (kind, t)
    return found


@pytest.mark.parametrize("sizes", [[200], [1] * 200, [7] * 28 + [4]], ids=["whole", "ones", "sevens"])
def test_span_f1_against_reading_from_left_to_right(sizes: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(5, (200, 7), generator=generator)
    guesses = torch.where(torch.rand(200, 7, generator=generator) < 0.8, targets, targets.roll(1, dims=0))
    ignored = torch.rand(200, 7, generator=generator) < 0.25
    right = found = there = 0
    for labels, guess, out in zip(targets.tolist(), guesses.tolist(), ignored.tolist(), strict=True):
        one, other = (spans([BIO.names[c] for c, o in zip(row, out, strict=True) if not o]) for row in (labels, guess))
        right, found, there = right + len(one & other), found + len(other), there + len(one)
    expected = 2 * right / (found + there)
    assert 0.3 < expected < 0.9
    assert value("span_f1", BIO, torch.eye(5)[guesses], targets.masked_fill(ignored, IGNORED), sizes) == expected


def test_span_f1_is_for_tags_of_spans() -> None:
    with pytest.raises(UnfitError, match="among these tags is 'NOUN'"):
        made("metric", "span_f1", Tags(("O", "NOUN"), 3))


# --- Transcripts.


def distance(a: Sequence[int], b: Sequence[int]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        before, row = row, [i]
        for j, y in enumerate(b, start=1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
    return row[-1]


@pytest.mark.parametrize("sizes", [[100], [1] * 100, [7] * 14 + [2]], ids=["whole", "ones", "sevens"])
def test_symbol_error_rate_against_levenshteins_table(sizes: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)

    def sequences(longest: int) -> Tensor:
        lengths = torch.randint(longest + 1, (100, 1), generator=generator)
        return torch.randint(3, (100, longest), generator=generator).masked_fill(
            torch.arange(longest) >= lengths, IGNORED
        )

    some, others = sequences(6), sequences(8)
    rows = zip(some.tolist(), others.tolist(), strict=True)
    pairs = [([s for s in a if s >= 0], [s for s in b if s >= 0]) for a, b in rows]
    expected = sum(distance(a, b) for a, b in pairs) / sum(len(b) for _, b in pairs)
    assert value("symbol_error_rate", Transcripts(("a", "b", "c"), 8), some, others, sizes) == pytest.approx(expected)


# --- Which way is up, and what is refused.


def test_which_way_is_up() -> None:
    lower = {"calibration_error", "hamming_loss", "symbol_error_rate", "top_k_error"}
    specs: dict[str, Any] = {"hamming_loss": LABELS, "span_f1": BIO, "symbol_error_rate": Transcripts(("a",), 3)}
    names = [*NAMES, "auroc", "average_precision", "span_f1", *lower]
    many = Classes(tuple("abcdefg"))
    found = {name for name in names if made("metric", name, specs.get(name, many)).better == "lower"}
    assert found == lower


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"type": "f1", "of": "cart"}, "there is no class or label 'cart'; did you mean 'cat'?"),
        ({"type": "auroc", "of": "macro"}, "there is no class or label 'macro'"),
        ({"type": "top_k_error", "k": 4}, "of 4 classes the right one is always among 4; take fewer"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: Any, said: str) -> None:
    with pytest.raises(UnfitError, match=said.replace("?", r"\?")):
        made("metric", settings, CLASSES)
