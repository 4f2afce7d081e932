"""Losses against their formulas and against torch, one number for each label or example."""

import math
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from made import made
from torch import Tensor

from nntrain.batch import IGNORED, Sequences
from nntrain.specs import (
    Box,
    Classes,
    Embedding,
    LabelSet,
    Links,
    Mask,
    Reconstruction,
    Tags,
    Transcripts,
    Values,
    Vector,
)

CLASSES = Classes(("a", "b", "c"))
LABELS = LabelSet(("x", "y"))
LOGITS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [3.0, 4.0, -1.0]])
NUMBERS = torch.tensor([2, 0, 1])


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def loss(settings: Any, targets: Any) -> Any:
    return made("loss", settings, targets)


# --- Values.


@pytest.mark.parametrize(
    ("settings", "by_torch"),
    [
        ("squared", lambda z, t: F.mse_loss(z, t, reduction="none")),
        ("absolute", lambda z, t: F.l1_loss(z, t, reduction="none")),
        ("huber", lambda z, t: F.huber_loss(z, t, reduction="none")),
        ({"type": "huber", "delta": 0.3}, lambda z, t: F.huber_loss(z, t, reduction="none", delta=0.3)),
    ],
)
def test_losses_of_values_are_those_of_torch(settings: Any, by_torch: Any) -> None:
    z, t = random(5, 4), random(5, 4).roll(1)
    torch.testing.assert_close(loss(settings, Values(("p", "q", "r", "s")))(z, t), by_torch(z, t).mean(dim=1))
    pictures = loss(settings, Reconstruction(Vector(4)))(z.view(5, 1, 2, 2), t.view(5, 1, 2, 2))
    torch.testing.assert_close(pictures, by_torch(z, t).mean(dim=1))


def test_huber_by_hand() -> None:
    errors = torch.tensor([[0.5], [-2.0], [10.0]])
    found = loss({"type": "huber", "delta": 2.0}, Values(("y",)))(errors, torch.zeros(3, 1))
    assert found.tolist() == pytest.approx([0.125, 2.0, 2 * (10 - 1)])


# --- One of several classes.


def test_focal_by_hand() -> None:
    p = LOGITS.softmax(dim=1)[range(3), NUMBERS]
    for gamma in (0.0, 0.5, 2.0):
        found = loss({"type": "focal", "gamma": gamma}, CLASSES)(LOGITS, NUMBERS)
        torch.testing.assert_close(found, -((1 - p) ** gamma) * p.log())


def test_focal_without_gamma_is_cross_entropy() -> None:
    labels = torch.tensor([2, IGNORED, 1])
    focal, plain = loss({"type": "focal", "gamma": 0}, CLASSES), loss("cross_entropy", CLASSES)
    torch.testing.assert_close(focal(LOGITS, labels), plain(LOGITS, labels))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_of_sure_answers_has_a_finite_slope(gamma: float) -> None:
    sure = torch.tensor([[200.0, -200.0, 0.0], [-200.0, 200.0, 0.0]], requires_grad=True)
    value = loss({"type": "focal", "gamma": gamma}, CLASSES)(sure, torch.tensor([0, 0]))
    assert value.tolist() == pytest.approx([0.0, 400.0])
    (slope,) = torch.autograd.grad(value.sum(), sure)
    assert bool(torch.isfinite(slope).all())


def test_kl_is_that_of_torch() -> None:
    targets = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.0, 0.9, 0.1]])
    expected = F.kl_div(LOGITS.log_softmax(dim=1), targets, reduction="none").sum(dim=1)
    torch.testing.assert_close(loss("kl", CLASSES)(LOGITS, targets), expected)
    itself = loss("kl", CLASSES)(LOGITS, LOGITS.softmax(dim=1))
    torch.testing.assert_close(itself, torch.zeros(3), atol=1e-6, rtol=0)


def test_kl_of_labels_is_cross_entropy() -> None:
    torch.testing.assert_close(loss("kl", CLASSES)(LOGITS, NUMBERS), loss("cross_entropy", CLASSES)(LOGITS, NUMBERS))


@pytest.mark.parametrize("name", ["cross_entropy", "kl", "focal", "hinge", "squared_hinge", "perceptron"])
def test_ignored_labels_are_0_and_distributions_weight_the_classes(name: str) -> None:
    scores, of = random(2, 4, 3), loss(name, Tags(("a", "b", "c"), 4))
    labels = torch.tensor([[2, IGNORED, 0, 1], [1, 1, IGNORED, IGNORED]])
    found = of(scores, labels)
    assert found.shape == labels.shape
    assert bool((found[labels == IGNORED] == 0).all())
    torch.testing.assert_close(found[labels != IGNORED], of(scores[labels != IGNORED], labels[labels != IGNORED]))
    one_hot = F.one_hot(labels.clamp(min=0), 3) * (labels != IGNORED).unsqueeze(2)
    torch.testing.assert_close(of(scores, one_hot.float()), found)


# --- Sets of labels, links.


def test_binary_cross_entropy_is_that_of_torch() -> None:
    z, t = random(5, 2), torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0], [IGNORED, 1]])
    found = loss("binary_cross_entropy", LABELS)(z, t)
    expected = F.binary_cross_entropy_with_logits(z, t.clamp(min=0).float(), reduction="none")
    expected[4, 0] = 0
    torch.testing.assert_close(found, expected)
    links = loss("binary_cross_entropy", Links())(z[:, 1], t[:, 1])
    torch.testing.assert_close(links, expected[:, 1])


def test_focal_of_labels_by_hand() -> None:
    z, t = random(4, 2), torch.tensor([[0, 1], [1, 1], [0, 0], [1, IGNORED]])
    p = torch.where(t == 1, torch.sigmoid(z), 1 - torch.sigmoid(z))
    expected = -((1 - p) ** 2) * p.log()
    expected[3, 1] = 0
    torch.testing.assert_close(loss("focal", LABELS)(z, t), expected)
    binary = loss("binary_cross_entropy", LABELS)(z, t)
    torch.testing.assert_close(loss({"type": "focal", "gamma": 0}, LABELS)(z, t), binary)


# --- Overlap.


def test_dice_of_tags_by_hand() -> None:
    scores, labels = random(2, 4, 3), torch.tensor([[2, 0, 0, 1], [1, 1, IGNORED, IGNORED]])
    found = loss({"type": "dice", "smooth": 0.5}, Tags(("a", "b", "c"), 4))(scores, labels)
    for i, length in enumerate((4, 2)):
        p = scores[i, :length].softmax(dim=1)
        overlaps = []
        for c in range(3):
            y = (labels[i, :length] == c).float()
            overlaps.append((2 * (p[:, c] * y).sum() + 0.5) / (p[:, c].sum() + y.sum() + 0.5))
        assert found[i].item() == pytest.approx(1 - sum(overlaps).item() / 3)


def test_dice_of_labels_by_hand() -> None:
    z, t = random(3, 2), torch.tensor([[0, 1], [1, 1], [IGNORED, 1]])
    p = torch.sigmoid(z)
    found = loss("dice", LABELS)(z, t)
    known = [p[0], p[1], p[2, 1:]]
    there = [t[0], t[1], t[2, 1:]]
    expected = [1 - (2 * (q * y).sum() + 1) / (q.sum() + y.sum() + 1) for q, y in zip(known, there, strict=True)]
    assert found.tolist() == pytest.approx(torch.stack(expected).tolist())


def test_perfect_dice_is_0() -> None:
    labels = torch.tensor([[2, 0, 0, 1]])
    scores = 100.0 * F.one_hot(labels, 3)
    assert loss("dice", Tags(("a", "b", "c"), 4))(scores, labels).item() == pytest.approx(0, abs=1e-6)


# --- Transcripts.


def collapsed(path: tuple[int, ...], blank: int) -> list[int]:
    """Without repetitions, then without blanks."""
    kept = [s for i, s in enumerate(path) if i == 0 or s != path[i - 1]]
    return [s for s in kept if s != blank]


def test_ctc_sums_over_all_paths_that_become_the_transcript() -> None:
    symbols, steps = 2, 5
    of = loss("ctc", Transcripts(("a", "b"), 3))
    scores, transcripts = random(3, steps, symbols + 1), [[0, 1], [1, 1], [0]]
    lengths = torch.tensor([5, 4, 3])
    targets = torch.tensor([[0, 1, IGNORED], [1, 1, IGNORED], [0, IGNORED, IGNORED]])
    found = of(Sequences(scores, lengths), targets)
    for i, transcript in enumerate(transcripts):
        p = scores[i].softmax(dim=1)
        paths = product(range(symbols + 1), repeat=int(lengths[i]))
        total = sum(
            math.prod(float(p[t, s]) for t, s in enumerate(path))
            for path in paths
            if collapsed(path, blank=symbols) == transcript
        )
        assert found[i].item() == pytest.approx(-math.log(total), rel=1e-5)


def test_ctc_of_a_transcript_that_does_not_fit_counts_nothing() -> None:
    scores = random(1, 2, 3).requires_grad_()
    value = loss("ctc", Transcripts(("a", "b"), 2))(Sequences(scores), torch.tensor([[1, 1]]))
    (slope,) = torch.autograd.grad(value.sum(), scores)
    assert value.item() == 0 and not bool(slope.any())


# --- Views.


def test_contrastive_is_the_formula_of_its_paper() -> None:
    views, temperature = random(6, 4), 0.3
    found = loss({"type": "contrastive", "temperature": temperature}, Embedding(4))(views, torch.zeros(3))

    def likeness(i: int, j: int) -> float:
        return math.exp(F.cosine_similarity(views[i], views[j], dim=0).item() / temperature)

    def one(i: int, j: int) -> float:
        return -math.log(likeness(i, j) / sum(likeness(i, k) for k in range(6) if k != i))

    assert found.tolist() == pytest.approx([(one(i, i + 3) + one(i + 3, i)) / 2 for i in range(3)], rel=1e-5)


# --- Masks and boxes.


def test_dice_of_masks_is_that_of_their_pixels_in_a_row() -> None:
    outputs, labels = random(3, 4, 5, 2), torch.randint(2, (3, 4, 5), generator=torch.Generator().manual_seed(0))
    labels[0, 1, 2] = IGNORED
    in_rows = loss("dice", Tags(("a", "b"), 20))(outputs.flatten(1, 2), labels.flatten(1))
    torch.testing.assert_close(loss("dice", Mask(("a", "b")))(outputs, labels), in_rows)


def test_cross_entropy_of_masks_is_that_of_torch() -> None:
    outputs, labels = random(3, 4, 5, 2), torch.randint(2, (3, 4, 5), generator=torch.Generator().manual_seed(0))
    labels[0, 1, 2] = IGNORED
    expected = F.cross_entropy(outputs.movedim(-1, 1), labels, ignore_index=IGNORED, reduction="none")
    torch.testing.assert_close(loss("cross_entropy", Mask(("a", "b")))(outputs, labels), expected)


def test_generalized_iou_by_hand() -> None:
    """The same box; half of it; one beside it, with a gap as wide as both."""
    one = torch.tensor([[0.0, 0, 2, 2]]).expand(3, 4)
    other = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 2], [4, 0, 6, 2]])
    assert loss("giou", Box())(one, other).tolist() == pytest.approx([0, 1 / 2, 1 + 4 / 12], abs=1e-6)


# --- All.

SPREAD = torch.tensor([0.0, 0, 1, 1])  # makes a box of any numbers
CASES: list[tuple[str, Any, Tensor, Tensor]] = [
    ("squared", Values(("y", "z")), random(4, 2), random(4, 2)),
    ("absolute", Values(("y", "z")), random(4, 2), random(4, 2).roll(1)),
    ("huber", Values(("y", "z")), 2 * random(4, 2), random(4, 2).roll(1)),
    ("cross_entropy", CLASSES, random(4, 3), torch.tensor([0, 1, 2, 1])),
    ("kl", CLASSES, random(4, 3), random(4, 3).softmax(dim=1)),
    ("focal", CLASSES, random(4, 3), torch.tensor([0, 1, 2, 1])),
    ("focal", LABELS, random(4, 2), torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0]])),
    ("binary_cross_entropy", LABELS, random(4, 2), torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0]])),
    ("dice", Tags(("a", "b", "c"), 4), random(2, 4, 3), torch.tensor([[2, 0, 0, 1], [1, 1, IGNORED, IGNORED]])),
    ("dice", Mask(("a", "b")), random(2, 2, 3, 2), torch.tensor([[[0, 1, 1], [1, 0, IGNORED]]] * 2)),
    (
        "giou",
        Box(),
        random(4, 4).abs() + torch.tensor([0.0, 0, 1, 1]),
        random(4, 4).abs() + torch.tensor([0.0, 0, 2, 2]),
    ),
    ("contrastive", Embedding(3), random(6, 3), torch.zeros(3)),
]


@pytest.mark.parametrize(("name", "spec", "outputs", "targets"), CASES)
def test_derivatives_against_differences(name: str, spec: Any, outputs: Tensor, targets: Tensor) -> None:
    of = loss(name, spec)
    exact = targets.double() if targets.is_floating_point() else targets
    assert torch.autograd.gradcheck(lambda z: of(z, exact).sum(), outputs.double().requires_grad_())


@pytest.mark.parametrize(("name", "spec", "outputs", "targets"), CASES)
def test_losses_of_bfloat16_outputs_are_in_float32(name: str, spec: Any, outputs: Tensor, targets: Tensor) -> None:
    of = loss(name, spec)
    value = of(outputs.bfloat16(), targets)
    assert value.dtype == torch.float32
    assert torch.equal(value, of(outputs.bfloat16().float(), targets))
