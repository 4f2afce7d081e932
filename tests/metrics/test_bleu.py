"""BLEU as sacreBLEU counts it, whatever the size of the batches."""

import random
from typing import Any

import pytest
import torch
from sacrebleu import corpus_bleu
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nntrain.batch import IGNORED
from nntrain.metrics.bleu import Bleu
from nntrain.metrics.sequences import ExactMatch, UnigramPerplexity
from nntrain.specs import Pairs, Tokens, Written
from nntrain.tokenizers.bpe import BytePairs

TEXTS = [
    "Two young, White males are outside near many bushes.",
    "Several men in hard hats are operating a giant pulley system.",
    'A little girl\'s "wooden" playhouse cost $3.50, not 1,000!',
    "A man in a blue shirt is standing on a ladder cleaning a window.",
    "No.",
    "Zwei Männer stehen am Herd und bereiten Essen zu.",
]
VOCABULARY = BytePairs(size=300).learn(TEXTS, ("<begin>", "<end>"))
WRITTEN = Written(Tokens(VOCABULARY.tokens, 50, "piece"), VOCABULARY)


def rows(texts: list[str]) -> Tensor:
    """Tokens with their end, IGNORED behind it."""
    numbers = [torch.tensor([*row.tolist(), Pairs.end]) for row in VOCABULARY.numbers(texts)]
    return pad_sequence(numbers, batch_first=True, padding_value=IGNORED)


def value(metric: Any, predictions: list[Tensor], targets: list[Tensor]) -> float:
    states = [metric.measure(*both) for both in zip(predictions, targets, strict=True)]
    return metric.value(sum(states[1:], start=states[0]))


def shuffled(text: str, seed: int) -> str:
    """A text with some words missing or moved."""
    generator, words = random.Random(seed), text.split(" ")
    at = generator.randrange(len(words))
    return " ".join(words[at:] + words[: max(0, at - 1)]) if seed % 3 else text.replace("a", "the", 1)


def test_it_is_sacrebleu() -> None:
    for seed in range(5):
        hypotheses = [shuffled(text, seed + i) for i, text in enumerate(TEXTS)]
        expected = corpus_bleu(hypotheses, [TEXTS])
        assert value(Bleu(WRITTEN), [rows(hypotheses)], [rows(TEXTS)]) == pytest.approx(expected.score, abs=1e-9)
        assert 0 < expected.score < 100


@pytest.mark.parametrize("size", [1, 2, 4])
def test_it_does_not_depend_on_the_size_of_the_batches(size: int) -> None:
    hypotheses = [shuffled(text, i) for i, text in enumerate(TEXTS)]
    parts = [slice(start, start + size) for start in range(0, len(TEXTS), size)]
    found = value(Bleu(WRITTEN), [rows(hypotheses[p]) for p in parts], [rows(TEXTS[p]) for p in parts])
    assert found == pytest.approx(corpus_bleu(hypotheses, [TEXTS]).score, abs=1e-9)


@pytest.mark.parametrize("hypotheses", [["No."] * 6, [""] * 6, ["entirely other words"] * 6, TEXTS])
def test_what_fits_nothing_is_smoothed_as_there(hypotheses: list[str]) -> None:
    found = value(Bleu(WRITTEN), [rows(hypotheses)], [rows(TEXTS)])
    assert found == pytest.approx(corpus_bleu(hypotheses, [TEXTS]).score, abs=1e-9)


def test_a_translation_matches_where_it_is_the_target_up_to_its_end() -> None:
    """Of five, one is right, one has a wrong token, one is too long, one too short, and one does not end."""
    targets = torch.tensor([[4, 5, 1, IGNORED, IGNORED]] * 5)
    other = [[4, 5, 1, IGNORED, IGNORED], [4, 6, 1, IGNORED, IGNORED], [4, 5, 5, 1, IGNORED]]
    predictions = torch.tensor([*other, [4, 1, IGNORED, IGNORED, IGNORED], [4, 5, 5, 5, 5]])
    assert value(ExactMatch(WRITTEN), [predictions], [targets]) == pytest.approx(0.2)


def test_the_unigram_guess_knows_how_frequent_tokens_are() -> None:
    targets = torch.tensor([[0, 0, 1, IGNORED], [2, 0, 1, IGNORED]])
    metric = UnigramPerplexity(Tokens(tuple("abcd"), 4))
    expected = torch.distributions.Categorical(torch.tensor([3 / 6, 2 / 6, 1 / 6])).entropy().exp()
    assert value(metric, [targets], [targets]) == pytest.approx(float(expected), rel=1e-6)
    assert value(metric, [targets[:1], targets[1:]], [targets[:1], targets[1:]]) == pytest.approx(float(expected))
