"""How well sequences of labels or tokens are predicted."""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.registry import metric
from nntrain.specs import Tags, Tokens, Written


@metric("exact_match")
class ExactMatch:
    """The share of sequences in which the most likely label is the right one at every position.

    exact_match = 1/n sum_i prod_t [argmax_c z_itc = y_it]

    Predictions z (batch, time, classes), or labels that a model wrote by itself (batch, time); targets y (batch,
    time), positions IGNORED counting as right; from 0 to 1.
    Source: Rajpurkar, Zhang, Lopyrev, Liang, SQuAD: 100,000+ questions for machine comprehension of text, 2016.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Tags | Tokens | Written) -> None:
        self._are_labels = isinstance(targets, Written)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        labels = predictions if self._are_labels else predictions.argmax(dim=-1)
        right = (labels == targets) | (targets == IGNORED)
        whole = right.all(dim=1).sum()
        return torch.stack((whole, torch.full_like(whole, len(targets))))

    def value(self, state: Tensor) -> float:
        whole, count = state.tolist()
        return whole / count


@metric("perplexity")
class Perplexity:
    """Between how many equally likely tokens the model is in doubt, on average.

    perplexity = exp(-1/n sum_i log p(y_i)), p = softmax(z)

    Predictions z are logits (batch, time, vocabulary), targets y (batch, time) without those IGNORED.
    Source: Jelinek et al., Perplexity, a measure of the difficulty of speech recognition tasks, 1977.
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Tags | Tokens) -> None:
        pass

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return _surprise(predictions, targets)

    def value(self, state: Tensor) -> float:
        nats, count = state.tolist()
        try:
            return math.exp(nats / count)
        except OverflowError:
            return math.inf


@metric("unigram_perplexity")
class UnigramPerplexity:
    """The perplexity of the best guess that sees nothing: it knows how frequent each token is among the targets.

    unigram_perplexity = exp(-sum_v f_v log f_v), f_v the share of the targets that are v

    What a model's perplexity is to be compared with; targets y (batch, time) without those IGNORED.
    Source: Shannon, Prediction and entropy of printed English, 1951.
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Tags | Tokens) -> None:
        self._tokens = len(targets)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return torch.bincount(targets[targets != IGNORED], minlength=self._tokens)

    def value(self, state: Tensor) -> float:
        counts = state[state > 0].double()
        shares = counts / counts.sum()
        return float(torch.exp(-(shares * shares.log()).sum()))


@metric("bits_per_char")
class BitsPerCharacter:
    """How many bits a token costs under the model, for tokens that are characters (or bytes).

    bits_per_char = -1/n sum_i log2 p(y_i), p = softmax(z)

    Predictions z are logits (batch, time, vocabulary), targets y (batch, time) without those IGNORED.
    Source: Shannon, Prediction and entropy of printed English, 1951.
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Tokens) -> None:
        pass

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return _surprise(predictions, targets)

    def value(self, state: Tensor) -> float:
        nats, count = state.tolist()
        return nats / count / math.log(2)


def _surprise(predictions: Tensor, targets: Tensor) -> Tensor:
    """The sum of -log p in nats, and the number of tokens."""
    logits, labels = predictions.flatten(0, -2), targets.flatten()
    nats = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum").double()
    return torch.stack((nats, (labels != IGNORED).sum().double()))
