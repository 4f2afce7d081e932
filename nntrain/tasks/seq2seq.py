"""Sequences turned into others: translation."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from nntrain.batch import IGNORED, Batch
from nntrain.data import Split
from nntrain.device import at_least_single
from nntrain.errors import UnfitError
from nntrain.look.examples import first, text_of
from nntrain.loss import Objective
from nntrain.metrics.bleu import without_end
from nntrain.metrics.parts import Views
from nntrain.registry import task
from nntrain.samples import Sample, Text, table
from nntrain.settings import Count, Multiple, NonNegative, Probability
from nntrain.settings import Loss as LossSetting
from nntrain.specs import Inputs, Pairs, Tokens, Written
from nntrain.tasks import Outcome, Task
from nntrain.tasks.labels import LabelLoss
from nntrain.tokenizers import Vocabulary
from nntrain.translate import LENGTH_PENALTY, Search, translate

SHOWN = 10


@task("seq2seq")
class SequenceToSequence(Task):
    """A sequence of tokens turned into another, such as a text into its translation, by an encoder-decoder.

    L = - sum_i sum_t log p(y_it | x_i, y_i1 ... y_it-1) / sum_i |y_i|

    In training and for loss, perplexity and error_rate, each token is foretold from the right ones before it (teacher
    forcing). For bleu and exact_match the model writes targets by itself, up to their end: while it is trained the
    likeliest token again and again, of some examples; `eval` and `predict` search with a beam, in all of them.

    Source: Sutskever, Vinyals, Le, Sequence to sequence learning with neural networks, 2014, arXiv:1409.3215.

    Settings:
        loss: what is minimised
        label_smoothing: the share of a token's weight that is spread over all tokens in training (Szegedy et al.
            2016, arXiv:1512.00567); the loss in evaluation is that against the tokens themselves
        written: how many examples of each part the model writes targets for at an evaluation of the training, drawn
            once and for all; `eval` takes all examples
        beam: how many targets of each source `eval` and `predict` follow at a time; 1 takes the likeliest token,
            again and again
        length_penalty: a in the score by which whole targets of n tokens are compared, log p / ((5 + n) / 6)^a (Wu
            et al. 2016, arXiv:1609.08144); more prefers longer ones; left out, 0.6; a beam of 1 compares none
        longest: a target has at most so many times the tokens of its source, and ten more, and never more than the
            longest one in training
    """

    def __init__(
        self,
        inputs: Pairs,
        vocabulary: Vocabulary | None,
        *,
        loss: LossSetting = "cross_entropy",
        label_smoothing: Probability = 0.0,
        written: Count = 500,
        beam: Count = 4,
        length_penalty: NonNegative | None = None,
        longest: Multiple = 2.0,
    ) -> None:
        if beam == 1 and length_penalty is not None:
            raise UnfitError("a beam of 1 compares no targets; leave it out, or write a wider beam", "length_penalty")
        self.targets = Tokens(inputs.target, inputs.target_length, inputs.unit)
        self._written = Written(self.targets, vocabulary)
        self.measured = Views(written=self._written, foretold=self.targets)
        words = ("bleu",) if inputs.unit != "symbol" else ()
        self.metrics = ("perplexity", "error_rate", "exact_match", *words)
        self._loss = LabelLoss(loss, self.targets, smoothing=label_smoothing)
        self.objectives = (Objective("model", self.outputs, self._loss.training, self._loss.counts),)
        self._examples = written
        self._greedy = Search(longest=longest)
        penalty = LENGTH_PENALTY if length_penalty is None else length_penalty
        self._search = Search(beam=beam, length_penalty=penalty, longest=longest)

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = at_least_single(self.outputs(model, batch))
        loss, counts = self._loss.measured(outputs, batch), self._loss.counts(batch)
        return Outcome({"foretold": outputs}, {"foretold": batch.targets}, loss, counts)

    def further(self, split: Split, is_thorough: bool) -> Iterator[tuple[Callable[..., Outcome], Split]]:
        if is_thorough:
            yield self._found, split
        else:
            yield self._guessed, split.sample(self._examples, seed=0)

    def respond(self, model: nn.Module, batch: Batch) -> list[dict[str, Any]]:
        """The target that is found for each source."""
        return [{"translation": text} for text in self._texts(self._write(model, batch, self._search))]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Some sources with their targets, and what the model writes instead."""
        assert isinstance(inputs, Pairs)
        some = Batch(first(batch, SHOWN), batch.targets[:SHOWN])
        spec = Tokens(inputs.source, inputs.source_length, inputs.unit)
        sources = [text_of(some.inputs.source, spec, i) for i in range(len(some.targets))]
        written = self._texts(self._write(model, some, self._greedy))
        rows = list(zip(sources, self._texts(some.targets), written, strict=True))
        return [Text("translations", table(("source", "target", "written"), rows))]

    def untrained_loss(self) -> float | None:
        return self._loss.of_guessing()

    def _found(self, model: nn.Module, batch: Batch) -> Outcome:
        return self._compared(self._write(model, batch, self._search), batch)

    def _guessed(self, model: nn.Module, batch: Batch) -> Outcome:
        return self._compared(self._write(model, batch, self._greedy), batch)

    def _compared(self, written: Tensor, batch: Batch) -> Outcome:
        both = pad_sequence([written.T, batch.targets.T], padding_value=IGNORED)  # of the same length
        return Outcome({"written": both[:, 0].T}, {"written": both[:, 1].T}, None, {})

    def _write(self, model: nn.Module, batch: Batch, search: Search) -> Tensor:
        """What a model writes (batch, time), IGNORED behind the end."""
        found = translate(model, batch.inputs.source, search)
        mask = found.mask()
        assert mask is not None
        return found.values.masked_fill(~mask, IGNORED)

    def _texts(self, rows: Tensor) -> list[str]:
        return [self._written.text(without_end(row)) for row in rows.tolist()]
