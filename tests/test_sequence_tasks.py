"""Tagging and language models: losses and metrics over positions, whatever the padding and the batches."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import IGNORED, Batch, Sequences
from nntrain.losses.cross_entropy import CrossEntropy
from nntrain.metrics.classification import Accuracy, ErrorRate
from nntrain.metrics.sequences import BitsPerCharacter, ExactMatch, Perplexity
from nntrain.specs import Tags, Tokens
from nntrain.tasks.language_model import LanguageModel
from nntrain.tasks.tagging import Tagging

TAGS = Tags(("a", "b", "c"), 4)
LETTERS = Tokens(("x", "y", "z"), 4, "character")
LOGITS = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([[0, 2, 1, 1], [2, 0, IGNORED, IGNORED]])
BATCH = Batch(Sequences(torch.zeros(2, 4, dtype=torch.long), torch.tensor([4, 2])), TARGETS)


class Fixed(nn.Module):
    def forward(self, x: Sequences) -> Tensor:
        return LOGITS


def labelled() -> list[tuple[Tensor, int]]:
    return [(LOGITS[i, t], int(TARGETS[i, t])) for i in range(2) for t in range(4) if TARGETS[i, t] != IGNORED]


def nats() -> float:
    """-sum log softmax(z)_y, position by position."""
    return sum(float(z.exp().sum().log() - z[y]) for z, y in labelled())


@pytest.mark.parametrize("task", [Tagging(TAGS, loss=CrossEntropy), LanguageModel(LETTERS, loss=CrossEntropy)])
def test_the_loss_is_the_mean_over_labelled_positions(task: Tagging | LanguageModel) -> None:
    (objective,) = task.objectives
    counts = objective.counts(BATCH)
    value = objective.loss(objective.outputs(Fixed(), BATCH), BATCH).over(counts)
    assert int(counts["loss"]) == 6
    assert float(value) == pytest.approx(nats() / 6, rel=1e-6)
    outcome = task.evaluate(Fixed(), BATCH)
    assert outcome.loss is not None
    assert float(outcome.loss.over(outcome.counts)) == pytest.approx(nats() / 6, rel=1e-6)
    assert task.untrained_loss() == pytest.approx(math.log(3))


@pytest.mark.parametrize("task", [Tagging(TAGS, loss=CrossEntropy), LanguageModel(LETTERS, loss=CrossEntropy)])
def test_two_batches_make_the_gradient_of_one(task: Tagging | LanguageModel) -> None:
    (objective,) = task.objectives
    logits = LOGITS.clone().requires_grad_()
    halves = [Batch(None, TARGETS[i : i + 1]) for i in range(2)]
    counts = {"loss": sum(objective.counts(half)["loss"] for half in halves)}
    value = sum(objective.loss(logits[i : i + 1], half).over(counts) for i, half in enumerate(halves))
    (split,) = torch.autograd.grad(value, logits)
    (whole,) = torch.autograd.grad(F.cross_entropy(logits.flatten(0, 1), TARGETS.flatten()), logits)
    torch.testing.assert_close(split, whole)


def test_metrics_count_labelled_positions_alone() -> None:
    right = sum(int(z.argmax()) == y for z, y in labelled())
    assert Accuracy(TAGS).value(Accuracy(TAGS).measure(LOGITS, TARGETS)) == pytest.approx(right / 6)
    assert ErrorRate(TAGS).value(ErrorRate(TAGS).measure(LOGITS, TARGETS)) == pytest.approx(1 - right / 6)


def test_perplexity_and_bits_are_those_of_the_mean_surprise() -> None:
    perplexity, bits = Perplexity(LETTERS), BitsPerCharacter(LETTERS)
    assert perplexity.value(perplexity.measure(LOGITS, TARGETS)) == pytest.approx(math.exp(nats() / 6))
    assert bits.value(bits.measure(LOGITS, TARGETS)) == pytest.approx(nats() / 6 / math.log(2))


def test_perplexity_of_a_hopeless_model_is_infinite_and_no_crash() -> None:
    assert Perplexity(LETTERS).value(torch.tensor([1e6, 1.0], dtype=torch.float64)) == math.inf


def test_exact_match_wants_every_labelled_position() -> None:
    logits = F.one_hot(torch.tensor([[0, 2, 1, 1], [2, 1, 0, 0]]), 3).float()
    metric = ExactMatch(TAGS)
    assert metric.value(metric.measure(logits, TARGETS)) == 0.5
    logits[1, 1] = torch.tensor([1.0, 0.0, 0.0])
    assert metric.value(metric.measure(logits, TARGETS)) == 1.0


@pytest.mark.parametrize("metric", [Accuracy(TAGS), ExactMatch(TAGS), Perplexity(TAGS), BitsPerCharacter(LETTERS)])
def test_states_of_batches_add_up_to_that_of_the_whole(
    metric: Accuracy | ExactMatch | Perplexity | BitsPerCharacter,
) -> None:
    parts = metric.measure(LOGITS[:1], TARGETS[:1]) + metric.measure(LOGITS[1:], TARGETS[1:])
    assert metric.value(parts) == pytest.approx(metric.value(metric.measure(LOGITS, TARGETS)))


def test_the_confusion_matrix_leaves_padding_out() -> None:
    matrix = Tagging(TAGS, loss=CrossEntropy).details["confusion"].measure(LOGITS, TARGETS)
    assert int(matrix.sum()) == 6
    assert int(matrix.diagonal().sum()) == sum(int(z.argmax()) == y for z, y in labelled())


def test_metrics_of_a_language_model_depend_on_what_a_token_is() -> None:
    assert LanguageModel(LETTERS, loss=CrossEntropy).metrics == ("perplexity", "bits_per_char", "error_rate")
    words = Tokens(("x", "y"), 4, "word")
    assert LanguageModel(words, loss=CrossEntropy).metrics == ("perplexity", "error_rate")
