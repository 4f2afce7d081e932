"""Which token comes next."""

from typing import Any

from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.device import at_least_single
from nntrain.generate import generate
from nntrain.look.examples import said
from nntrain.loss import Objective
from nntrain.registry import task
from nntrain.samples import Sample, Text
from nntrain.settings import Loss as LossSetting
from nntrain.settings import Probability
from nntrain.specs import Inputs, Tokens
from nntrain.tasks import Outcome, Task
from nntrain.tasks.deep_supervision import supervised
from nntrain.tasks.labels import LabelLoss

PROMPT = 32  # tokens
LONGEST = 128
CONTINUED = 2  # examples


@task("language_model", within=supervised)
class LanguageModel(Task):
    """The next token at every position, from those before it: outputs are logits (batch, time, vocabulary).

    The targets are the inputs moved by one, or the target of a pair moved by one. The model must not look ahead: a
    recurrent network in one direction, or a transformer decoder.

    Source: Bengio, Ducharme, Vincent, Jauvin, A neural probabilistic language model, 2003.

    Settings:
        loss: what is minimised
        label_smoothing: the share of a token's weight that is spread over all tokens in training (Szegedy et al.
            2016, arXiv:1512.00567); the loss in evaluation is that against the tokens themselves
    """

    def __init__(
        self, targets: Tokens, *, loss: LossSetting = "cross_entropy", label_smoothing: Probability = 0.0
    ) -> None:
        self.targets = targets
        self._loss = LabelLoss(loss, targets, smoothing=label_smoothing)
        per_character = ("bits_per_char",) if targets.unit in ("character", "byte") else ()
        self.metrics = ("perplexity", *per_character, "error_rate")
        self.objectives = (Objective("model", self.outputs, self._loss.training, self._loss.counts),)

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = at_least_single(self.outputs(model, batch))
        return Outcome(outputs, batch.targets, self._loss.measured(outputs, batch), self._loss.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The most likely token after each sequence, and its probability."""
        probabilities, tokens = outcome.predictions[:, -1].softmax(dim=1).max(dim=1)
        pairs = zip(tokens.tolist(), probabilities.tolist(), strict=True)
        return [{"next": self.targets.vocabulary[token], "probability": p} for token, p in pairs]

    def samples(self, model: Any, batch: Batch, inputs: Inputs) -> list[Sample]:
        """How the model goes on with the beginnings of two examples."""
        if not isinstance(inputs, Tokens):
            return []
        start = max(1, min(PROMPT, inputs.length // 2))
        prompts = batch.inputs.values[:CONTINUED, :start]
        texts = generate(model, prompts, min(LONGEST, inputs.length), context=inputs.length)
        shown = ((said(part, inputs.vocabulary, inputs.unit) for part in (t[:start], t[start:])) for t in texts)
        return [Text("continuation", "\n\n".join(f"```\n{begun}|{gone_on}\n```" for begun, gone_on in shown))]

    def untrained_loss(self) -> float | None:
        return self._loss.of_guessing()
