"""Which tokens are hidden in a text."""

from itertools import pairwise
from typing import Any, NamedTuple

from torch import Tensor, nn

from nntrain.batch import IGNORED, Batch, Sequences
from nntrain.device import at_least_single
from nntrain.look.examples import said
from nntrain.loss import Counts, Loss, Objective
from nntrain.registry import task
from nntrain.samples import Sample, Text
from nntrain.settings import Loss as LossSetting
from nntrain.settings import Probability, Share
from nntrain.specs import Inputs, Tags, Tokens
from nntrain.tasks import Outcome, Task
from nntrain.tasks.labels import LabelLoss
from nntrain.tasks.masking import Masking

MASK = "[MASK]"
SHOWN = 2  # examples


class Told(NamedTuple):
    """What a model says of every place (batch, time, tokens), and what is hidden (batch, time)."""

    logits: Tensor
    hidden: Tensor


@task("masked_language_model")
class MaskedLanguageModel(Task):
    """Tokens that are hidden, from those on both sides of them: outputs are logits (batch, time, vocabulary).

    L = - sum_i sum_(t in M_i) log p(x_it | x_i with M_i hidden) / sum_i |M_i|

    M_i is a share of the places of each sequence, one at least, drawn anew in every step: eight in ten of them hold
    [MASK], one in ten any token, and one in ten what it was. In evaluation a sequence always has the same places
    hidden. The data gives the tokens; its targets are not looked at. The model sees both sides, as a transformer
    encoder or a recurrent network in both directions. It knows one token more than the data has, [MASK], which stands
    for what `predict` is to find in a text.

    Source: Devlin, Chang, Lee, Toutanova, BERT, 2018, arXiv:1810.04805, section 3.1.

    Settings:
        share: of the places of a sequence that are hidden
        loss: what is minimised
        label_smoothing: the share of a token's weight that is spread over all tokens in training (Szegedy et al.
            2016, arXiv:1512.00567); the loss in evaluation is that against the tokens themselves
    """

    metrics = ("perplexity", "accuracy")

    def __init__(
        self,
        inputs: Tokens,
        *,
        share: Share = 0.15,
        loss: LossSetting = "cross_entropy",
        label_smoothing: Probability = 0.0,
    ) -> None:
        self.targets = Tags(inputs.vocabulary, inputs.length)
        self._masking = Masking(share, len(inputs), inputs.length)
        self._loss = LabelLoss(loss, self.targets, smoothing=label_smoothing)
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)

    def seen(self, inputs: Inputs) -> Inputs:
        assert isinstance(inputs, Tokens)
        return Tokens((*inputs.vocabulary, MASK), inputs.length, inputs.unit)

    def outputs(self, model: nn.Module, batch: Batch) -> Told:
        masked = self._masking(batch.inputs)
        return Told(model(masked.inputs), masked.targets)

    def loss(self, outputs: Told, batch: Batch) -> Loss:
        return self._loss.training(outputs.logits, batch._replace(targets=outputs.hidden))

    def counts(self, batch: Batch) -> Counts:
        chosen = self._masking.count(batch.inputs)
        return {"loss": chosen.sum() if batch.weights is None else (chosen * batch.weights).sum()}

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        told, hidden = self._told(model, batch)
        loss = self._loss.measured(told, batch._replace(targets=hidden))
        return Outcome(told, hidden, loss, self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The likeliest token of each place that was hidden, and how likely it is."""
        probabilities, tokens = outcome.predictions.softmax(dim=-1).max(dim=-1)
        names, rows = self.targets.names, zip(tokens, probabilities, outcome.targets != IGNORED, strict=True)
        return [
            {"guesses": [names[n] for n in row[places].tolist()], "probabilities": likely[places].tolist()}
            for row, likely, places in rows
        ]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Two examples with their hidden places, and with what the model takes to be there."""
        assert isinstance(inputs, Tokens)
        values, lengths = batch.inputs
        some = Batch(Sequences(values[:SHOWN], None if lengths is None else lengths[:SHOWN]), batch.targets[:SHOWN])
        told, hidden = self._told(model, some)
        places, guesses = hidden != IGNORED, told.argmax(dim=-1)
        masked = some.inputs.values.masked_fill(places, len(inputs))
        filled = guesses.where(places, some.inputs.values)
        spec = self.seen(inputs)
        assert isinstance(spec, Tokens)
        texts = [[_text(row, spec, some.inputs, i) for row in (masked[i], filled[i])] for i in range(len(masked))]
        return [Text("filled", "\n\n".join(f"```\n{text}\n```" for pair in texts for text in pair))]

    def untrained_loss(self) -> float | None:
        return self._loss.of_guessing()

    def _told(self, model: nn.Module, batch: Batch) -> Told:
        masked = self._masking.always_alike(batch.inputs)
        return Told(at_least_single(model(masked.inputs)), masked.targets)


def _text(row: Tensor, spec: Tokens, given: Sequences, i: int) -> str:
    """A row of tokens without its padding, with marks where tokens are hidden."""
    tokens = row if given.lengths is None else row[: int(given.lengths[i])]
    mask = len(spec) - 1
    ends = [-1, *(tokens == mask).nonzero().flatten().tolist(), len(tokens)]
    parts = [tokens[start + 1 : end] for start, end in pairwise(ends)]
    return MASK.join(said(part, spec.vocabulary, spec.unit) for part in parts)
