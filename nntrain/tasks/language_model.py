"""Which token comes next."""

from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import IGNORED, Batch
from nntrain.device import at_least_single
from nntrain.loss import Counts, Loss, Objective, Term
from nntrain.registry import task
from nntrain.settings import Loss as LossSetting
from nntrain.specs import Tokens
from nntrain.tasks import Detail, Outcome


@task("language_model")
class LanguageModel:
    """The next token at every position, from those before it: outputs are logits (batch, time, vocabulary).

    The targets are the inputs moved by one, or the target of a pair moved by one. The model must not look ahead: a
    recurrent network in one direction, or a transformer decoder.

    Source: Bengio, Ducharme, Vincent, Jauvin, A neural probabilistic language model, 2003.

    Settings:
        loss: what is minimised
    """

    def __init__(self, targets: Tokens, *, loss: LossSetting = "cross_entropy") -> None:
        self.targets = targets
        self._loss = loss(targets)
        per_character = ("bits_per_char",) if targets.unit in ("character", "byte") else ()
        self.metrics = ("perplexity", *per_character, "error_rate")
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)
        self.details: dict[str, Detail] = {}

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        return Loss(loss=Term(self._loss(outputs, batch.targets)))

    def counts(self, batch: Batch) -> Counts:
        return {"loss": (batch.targets != IGNORED).sum()}

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = at_least_single(self.outputs(model, batch))
        return Outcome(outputs, batch.targets, self.loss(outputs, batch), self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The most likely token after each sequence, and its probability."""
        probabilities, tokens = outcome.predictions[:, -1].softmax(dim=1).max(dim=1)
        pairs = zip(tokens.tolist(), probabilities.tolist(), strict=True)
        return [{"next": self.targets.vocabulary[token], "probability": p} for token, p in pairs]

    def untrained_loss(self) -> float | None:
        """The loss of equal outputs, which an untrained network's are near: ln(vocabulary) for cross-entropy."""
        return float(self._loss(torch.zeros(1, len(self.targets)), torch.zeros(1, dtype=torch.long)))
