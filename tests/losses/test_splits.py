"""The mean of a loss over a split is that of one big batch, whatever the batch size, weights and ignored labels."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from made import made
from torch import Tensor, nn

from nntrain.batch import IGNORED, Batch
from nntrain.errors import UnfitError
from nntrain.specs import Classes, LabelSet, Tags, Tokens, Values, Vector

N = 23
CLASSES = Classes(("a", "b", "c"), counts=(2, 6, 12))
TAGS = Tags(("a", "b", "c"), 5, counts=(2, 6, 12))
SPECS = {
    "classification": CLASSES,
    "tagging": TAGS,
    "language_model": Tokens(("a", "b", "c"), 5),
    "regression": Values(("y", "z"), (0.5, -1.0), (2.0, 1.0)),
    "multilabel": LabelSet(("p", "q", "r"), (5, 10, 20), (20, 20, 22)),
}
# Tasks whose loss is a sum: over labels, or over examples where a loss takes those of an example together.
TASKS: list[Any] = [
    *({"type": "classification", "loss": name} for name in ("cross_entropy", "kl", "focal", "hinge", "squared_hinge")),
    {"type": "classification", "label_smoothing": 0.2},
    {"type": "classification", "class_weights": "balanced"},
    {"type": "classification", "class_weights": [3.0, 0.0, 0.5], "label_smoothing": 0.1, "loss": "focal"},
    *({"type": "tagging", "loss": name} for name in ("cross_entropy", "dice", "focal", "hinge")),
    {"type": "tagging", "class_weights": "balanced", "label_smoothing": 0.1},
    {"type": "language_model", "label_smoothing": 0.1},
    *({"type": "regression", "loss": name} for name in ("squared", "absolute", "huber")),
    *({"type": "multilabel", "loss": name} for name in ("binary_cross_entropy", "focal", "dice")),
    {"type": "multilabel", "positive_weights": "balanced"},
]


def task(settings: Any) -> Any:
    return made("task", settings, SPECS[settings["type"]])


def examples(kind: str) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, targets with ignored labels where that may be, and weights of the examples."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(N, generator=generator) + 0.1
    if kind == "classification":
        return torch.randn(N, 3, generator=generator), torch.randint(3, (N,), generator=generator), weights
    if kind == "regression":
        return torch.randn(N, 2, generator=generator), torch.randn(N, 2, generator=generator), weights
    outputs = torch.randn(*((N, 3) if kind == "multilabel" else (N, 5, 3)), generator=generator)
    labels = torch.randint(2 if kind == "multilabel" else 3, outputs.shape[:2], generator=generator)
    return outputs, labels.masked_fill(torch.rand(labels.shape, generator=generator) < 0.3, IGNORED), weights


class Given(nn.Module):
    """Puts out what it is given."""

    def forward(self, x: Any) -> Tensor:
        return x


def batches(kind: str, size: int, with_weights: bool) -> list[Batch]:
    outputs, targets, weights = examples(kind)
    parts = zip(outputs.split(size), targets.split(size), weights.split(size), strict=True)
    return [Batch(z, t, w if with_weights else None) for z, t, w in parts]


def mean(settings: Any, parts: list[Batch], of: Callable[[Any, Batch], tuple[Any, Any]]) -> float:
    """Sums and counts added up, then divided."""
    made_task = task(settings)
    found = [of(made_task, part) for part in parts]
    total = sum(loss["loss"].sum for loss, _ in found)
    return float(total / sum(counts["loss"] for _, counts in found))


def trained(made_task: Any, batch: Batch) -> tuple[Any, Any]:
    (objective,) = made_task.objectives
    return objective.loss(objective.outputs(Given(), batch), batch), objective.counts(batch)


def measured(made_task: Any, batch: Batch) -> tuple[Any, Any]:
    outcome = made_task.evaluate(Given(), batch)
    return outcome.loss, outcome.counts


@pytest.mark.parametrize("settings", TASKS, ids=str)
@pytest.mark.parametrize("with_weights", [False, True])
@pytest.mark.parametrize("of", [trained, measured])
def test_the_mean_over_a_split_is_that_of_one_big_batch(settings: Any, with_weights: bool, of: Any) -> None:
    whole = mean(settings, batches(settings["type"], N, with_weights), of)
    for size in (1, 2, 7, N - 1):
        parts = batches(settings["type"], size, with_weights)
        assert mean(settings, parts, of) == pytest.approx(whole, rel=1e-5), size


@pytest.mark.parametrize("settings", TASKS, ids=str)
def test_weights_of_1_change_nothing_and_a_weight_of_2_is_an_example_twice(settings: Any) -> None:
    (plain,) = batches(settings["type"], N, False)
    ones = plain._replace(weights=torch.ones(N))
    assert mean(settings, [ones], trained) == pytest.approx(mean(settings, [plain], trained), rel=1e-6)
    twos = plain._replace(weights=torch.ones(N).index_fill(0, torch.tensor([3, 5]), 2.0))
    again = [plain, Batch(plain.inputs[[3, 5]], plain.targets[[3, 5]])]
    assert mean(settings, [twos], trained) == pytest.approx(mean(settings, again, trained), rel=1e-5)


@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_class_weights_are_those_of_torch(kind: str) -> None:
    outputs, labels, _ = examples(kind)
    weights = [3.0, 0.0, 0.5]
    found = mean({"type": kind, "class_weights": weights}, batches(kind, 4, False), trained)
    expected = F.cross_entropy(outputs.flatten(0, -2), labels.flatten(), torch.tensor(weights), ignore_index=IGNORED)
    assert found == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_balanced_weights_make_the_classes_of_the_training_set_count_the_same(kind: str) -> None:
    """As scikit-learn's compute_class_weight: n / (classes n_c)."""
    found = mean({"type": kind, "class_weights": "balanced"}, batches(kind, 4, False), trained)
    by_hand = {"type": kind, "class_weights": [20 / (3 * 2), 20 / (3 * 6), 20 / (3 * 12)]}
    assert found == pytest.approx(mean(by_hand, batches(kind, 4, False), trained), rel=1e-6)


def test_smoothing_of_labels_some_of_which_are_ignored_is_that_of_torch() -> None:
    outputs, labels, _ = examples("tagging")
    found = mean({"type": "tagging", "label_smoothing": 0.3}, batches("tagging", 4, False), trained)
    expected = F.cross_entropy(outputs.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, label_smoothing=0.3)
    assert found == pytest.approx(expected.item(), rel=1e-5)


def test_positive_weights_are_those_of_torch_over_the_sum_of_weights() -> None:
    outputs, labels, _ = examples("multilabel")
    weights = torch.tensor([15 / 5, 10 / 10, 2 / 20])  # how many examples lack each label, by how many have it
    found = mean({"type": "multilabel", "positive_weights": "balanced"}, batches("multilabel", 4, False), trained)
    each = F.binary_cross_entropy_with_logits(
        outputs, labels.clamp(min=0).float(), pos_weight=weights, reduction="none"
    )
    counted = torch.where(labels == 1, weights, 1.0) * (labels != IGNORED)
    assert found == pytest.approx(((each * (labels != IGNORED)).sum() / counted.sum()).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"type": "classification", "class_weights": [1.0]},
            r"a weight for each of 3 classes \(a, b, c\); found 1",
        ),
        ({"type": "classification", "class_weights": [0.0, 0.0, 0.0]}, "found zeros alone"),
        ({"type": "tagging", "loss": "dice", "class_weights": "balanced"}, "takes all labels of an example together"),
        ({"type": "multilabel", "positive_weights": [1.0]}, r"a weight for each of 3 labels \(p, q, r\); found 1"),
        ({"type": "multilabel", "loss": "dice", "positive_weights": "balanced"}, "takes all labels of an example"),
    ],
)
def test_weights_that_do_not_fit_are_refused(settings: Any, said: str) -> None:
    with pytest.raises(UnfitError, match=said):
        task(settings)


def test_a_batch_without_labels_changes_nothing() -> None:
    """Its loss and gradient are 0, not 0 / 0."""
    empty = Batch(torch.randn(2, 5, 3, requires_grad=True), torch.full((2, 5), IGNORED))
    loss, counts = trained(task({"type": "tagging"}), empty)
    value = loss.over(counts)
    (slope,) = torch.autograd.grad(value, empty.inputs)
    assert value.item() == 0 and not bool(slope.any())


def test_reconstructions_and_densities_are_weighted_too() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, weights = torch.rand(N, 4, generator=generator), torch.rand(N, generator=generator)
    autoencoding = made("task", "autoencoding", Vector(4))
    model = nn.Module()
    model.encoder, model.decoder = nn.Linear(4, 2), nn.Linear(2, 4)
    batch = Batch(inputs, torch.zeros(N), weights)
    found = autoencoding.loss(autoencoding.outputs(model, batch), batch).over(autoencoding.counts(batch))
    each = (model.decoder(model.encoder(inputs)) - inputs).square().mean(dim=1)
    assert found.item() == pytest.approx(((each * weights).sum() / weights.sum()).item(), rel=1e-5)


def test_weights_of_sequences_are_of_all_their_labels() -> None:
    outputs, labels, weights = examples("tagging")
    batch = Batch(outputs, labels, weights)
    each = F.cross_entropy(outputs.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none").view(N, 5)
    counted = weights[:, None] * (labels != IGNORED)
    expected = (each * weights[:, None]).sum() / counted.sum()
    assert mean({"type": "tagging"}, [batch], trained) == pytest.approx(expected.item(), rel=1e-5)
