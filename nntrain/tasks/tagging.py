"""Which class each position of a sequence belongs to."""

from typing import Any

from torch import Tensor, nn

from nntrain.batch import IGNORED, Batch
from nntrain.device import at_least_single
from nntrain.loss import Objective
from nntrain.metrics.confusion import ConfusionMatrix
from nntrain.registry import task
from nntrain.samples import Sample, Text, table
from nntrain.settings import Loss as LossSetting
from nntrain.settings import Probability
from nntrain.specs import Inputs, Tags, Tokens
from nntrain.tasks import Outcome, Task
from nntrain.tasks.deep_supervision import supervised
from nntrain.tasks.labels import ClassWeights, LabelLoss
from nntrain.tasks.labels import class_weights as weights_of

SHOWN = 8


@task("tagging", within=supervised)
class Tagging(Task):
    """One class for every position of a sequence (many to many): outputs are logits (batch, time, classes).

    L = sum_i w_i loss(z_i, t_i) / sum_i w_i over all positions i that have a label, padding and others IGNORED,
    with w_i the weight of the sequence times that of the label's class; label smoothing as in classification.

    Source: Graves, Supervised Sequence Labelling with Recurrent Neural Networks, 2012, chapter 2.

    Settings:
        loss: what is minimised
        label_smoothing: e, the share of a label's weight that is spread over all classes in training
        class_weights: a weight for each class, in their order, or balanced, so that all classes count the same in
            the training set; left out, all positions do
    """

    metrics = ("error_rate", "accuracy", "exact_match")

    def __init__(
        self,
        targets: Tags,
        *,
        loss: LossSetting = "cross_entropy",
        label_smoothing: Probability = 0.0,
        class_weights: ClassWeights = None,
    ) -> None:
        self.targets = targets
        self._loss = LabelLoss(loss, targets, weights_of(class_weights, targets), label_smoothing)
        self.objectives = (Objective("model", self.outputs, self._loss.training, self._loss.counts),)
        self.details = {"confusion": ConfusionMatrix(targets)}

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = at_least_single(self.outputs(model, batch))
        return Outcome(outputs, batch.targets, self._loss.measured(outputs, batch), self._loss.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The most likely class of every position that has a label."""
        found = zip(outcome.predictions.argmax(dim=2), outcome.targets != IGNORED, strict=True)
        return [{"tags": [self.targets.names[c] for c in row[labelled].tolist()]} for row, labelled in found]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Some sequences with the tags that are found, and the right ones where these are others."""
        found = self.evaluate(model, batch).predictions.argmax(dim=2)
        rows = [[self._tagged(batch, inputs, found[i], i)] for i in range(min(SHOWN, len(found)))]
        return [Text("tags", table(("tags that are found, and in bold where they are wrong",), rows))]

    def untrained_loss(self) -> float | None:
        return self._loss.of_guessing()

    def _tagged(self, batch: Batch, inputs: Inputs, found: Tensor, i: int) -> str:
        """The labelled positions of a sequence as word/TAG (the tag alone where inputs are no tokens)."""
        names, labels = self.targets.names, batch.targets[i]
        words = batch.inputs.values[i] if isinstance(inputs, Tokens) else None
        said = []
        for t in (labels != IGNORED).nonzero().flatten().tolist():
            word = f"{inputs.vocabulary[int(words[t])]}/" if words is not None and isinstance(inputs, Tokens) else ""
            answer, right = names[int(found[t])], names[int(labels[t])]
            said.append(f"{word}{answer}" if answer == right else f"**{word}{answer}** ({right})")
        return " ".join(said)
