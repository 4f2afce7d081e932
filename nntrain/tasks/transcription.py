"""Which symbols a sequence holds, in their order."""

from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import IGNORED, Batch, Sequences
from nntrain.device import at_least_single
from nntrain.look.examples import said
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.losses import LossFunction
from nntrain.registry import task
from nntrain.samples import Sample, Text, table
from nntrain.settings import Loss as LossSetting
from nntrain.specs import Inputs, Tags, Transcripts
from nntrain.tasks import Outcome, Task

SHOWN = 16


@task("transcription")
class Transcription(Task):
    """The symbols in a sequence, in their order, learned without being told where each of them is.

    The model's outputs are logits (batch, time, symbols + 1): at every step a symbol, or blank for none. What is
    read is the most likely path, without repetitions and blanks.

    Source: Graves, Fernandez, Gomez, Schmidhuber, Connectionist temporal classification, 2006.

    Settings:
        loss: what is minimised
    """

    metrics = ("symbol_error_rate",)

    def __init__(self, targets: Transcripts, *, loss: LossSetting = "ctc") -> None:
        self.targets = Tags((*targets.names, "blank"), targets.length)
        self.measured = targets
        self._loss: LossFunction = loss(targets)
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)

    def outputs(self, model: nn.Module, batch: Batch) -> Sequences:
        return Sequences(model(batch.inputs), batch.inputs.lengths)

    def loss(self, outputs: Sequences, batch: Batch) -> Loss:
        return Loss(loss=Term(weighted(self._loss(outputs, batch.targets), batch.weights)))

    def counts(self, batch: Batch) -> Counts:
        return {"loss": examples_of(batch)}

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = self.outputs(model, batch)
        return Outcome(read(outputs), batch.targets, self.loss(outputs, batch), self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The symbols that are read in each sequence."""
        names = self.measured.names
        return [{"symbols": [names[s] for s in row if s != IGNORED]} for row in outcome.predictions.tolist()]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """What is read in some sequences, beside what is there."""
        read_there = zip(read(self.outputs(model, batch))[:SHOWN], batch.targets[:SHOWN], strict=True)
        rows = [[said(row[row != IGNORED], self.measured.names, "symbol") for row in both] for both in read_there]
        return [Text("transcripts", table(("read", "there"), rows))]


def read(outputs: Sequences) -> Tensor:
    """The symbols of the most likely path (batch, time), IGNORED behind the last; of logits, the last for blank."""
    logits, mask = at_least_single(outputs.values), outputs.mask()
    path = logits.argmax(dim=2)
    blank = logits.shape[2] - 1
    is_new = torch.ones_like(path, dtype=torch.bool)
    is_new[:, 1:] = path[:, 1:] != path[:, :-1]
    is_symbol = is_new & (path != blank)
    if mask is not None:
        is_symbol &= mask
    order = (~is_symbol).long().argsort(dim=1, stable=True)
    return path.masked_fill(~is_symbol, IGNORED).gather(1, order)
