"""Learning from a network that was trained before."""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.data import Learned
from nntrain.device import at_least_single
from nntrain.errors import UnfitError
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.losses.cross_entropy import KullbackLeibler
from nntrain.registry import task
from nntrain.samples import Sample
from nntrain.settings import Loss as LossSetting
from nntrain.settings import PathText, Positive, Probability
from nntrain.specs import Classes, Inputs
from nntrain.tasks import Outcome, Task
from nntrain.tasks.classification import Classification
from nntrain.teacher import Teacher


@task("distillation")
class Distillation(Task):
    """One class for each example, learned from the answers of a trained network, the teacher, beside the labels.

    L = hard loss(z, y) + (1 - hard) T^2 KL(softmax(v / T), softmax(z / T)), v the teacher's logits, z the model's

    How likely the teacher finds the wrong classes says what examples are like. Evaluation measures the loss against
    the labels alone, and needs no teacher; metrics are those of classification. The teacher is a checkpoint of a
    classifier of the same inputs and classes, of nntrain's own models; it may be prepared by another training set.

    Source: Hinton, Vinyals, Dean, Distilling the knowledge in a neural network, 2015, arXiv:1503.02531.

    Settings:
        teacher: a checkpoint, or the folder of a run (its best model, else its last)
        temperature: T, which lets small probabilities be seen
        hard: the share of the loss against the labels
        loss: between outputs and labels
    """

    metrics = Classification.metrics

    def __init__(
        self,
        targets: Classes,
        learned: Learned,
        *,
        teacher: PathText,
        temperature: Positive = 4.0,
        hard: Probability = 0.1,
        loss: LossSetting = "cross_entropy",
    ) -> None:
        self.targets = targets
        self.temperature = temperature
        self.hard = hard
        self._learned = learned
        self._place = teacher
        self._by_labels = Classification(targets, loss=loss)
        self._divergence = KullbackLeibler(targets)
        self.objectives = (Objective("model", self._by_labels.outputs, self.loss, self.counts),)
        self.details = self._by_labels.details

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        (by_labels,) = self._by_labels.objectives
        answers = (self.teacher(batch.inputs) / self.temperature).softmax(dim=1)
        soft = self.temperature**2 * self._divergence(at_least_single(outputs) / self.temperature, answers)
        return Loss(
            hard=Term(by_labels.loss(outputs, batch)["loss"].sum, self.hard),
            soft=Term(weighted(soft, batch.weights), 1 - self.hard),
        )

    def counts(self, batch: Batch) -> Counts:
        return dict.fromkeys(("hard", "soft"), examples_of(batch))

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        return self._by_labels.evaluate(model, batch)

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        return self._by_labels.answers(outcome)

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        return self._by_labels.samples(model, batch, inputs)

    def untrained_loss(self) -> float | None:
        return self._by_labels.untrained_loss()

    def check(self, batch: Batch) -> None:
        """UnfitError where the teacher is none for this batch."""
        answers = self.teacher(batch.inputs)
        if answers.shape != (batch.examples, len(self.targets)):
            raise UnfitError(f"the teacher puts out {tuple(answers.shape)} for {batch.examples} examples", "teacher")

    @cached_property
    def teacher(self) -> Any:
        """Read when it is needed first: a taught model can be used without its teacher."""
        try:
            with torch.random.fork_rng([]):
                return Teacher(self._place, self._learned)
        except UnfitError as error:
            raise UnfitError(str(error), "teacher") from None
