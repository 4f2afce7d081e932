"""Which of several classes an example belongs to."""

from typing import Any

from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.device import at_least_single
from nntrain.loss import Objective
from nntrain.metrics.confusion import ConfusionMatrix
from nntrain.registry import task
from nntrain.samples import Sample
from nntrain.settings import Loss as LossSetting
from nntrain.settings import Probability
from nntrain.specs import Classes, Inputs
from nntrain.tasks import Outcome, Task
from nntrain.tasks.deep_supervision import supervised
from nntrain.tasks.hardest import hardest
from nntrain.tasks.labels import ClassWeights, LabelLoss
from nntrain.tasks.labels import class_weights as weights_of


@task("classification", within=supervised)
class Classification(Task):
    """One class for each example: the model's outputs are logits (batch, classes).

    L = sum_i w_i loss(z_i, t_i) / sum_i w_i, with w_i the weight of the example times that of its class

    With label smoothing e the training targets are t = (1 - e) onehot(y) + e / classes (Szegedy et al. 2016,
    arXiv:1512.00567); evaluation always measures the loss against the labels themselves, and metrics count every
    example once.

    Source: Bishop, Pattern Recognition and Machine Learning, section 4.3.

    Settings:
        loss: what is minimised
        label_smoothing: e, the share of a label's weight that is spread over all classes
        class_weights: a weight for each class, in their order, or balanced, so that all classes count the same in
            the training set; left out, all examples do
    """

    metrics = ("error_rate", "accuracy")

    def __init__(
        self,
        targets: Classes,
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
        """The most likely class of each example, and its probability under the softmax."""
        probabilities, classes = outcome.predictions.softmax(dim=1).max(dim=1)
        pairs = zip(classes.tolist(), probabilities.tolist(), strict=True)
        return [{"class": self.targets.names[c], "probability": p} for c, p in pairs]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        return hardest(self.evaluate(model, batch).predictions, batch, inputs, self.targets)

    def untrained_loss(self) -> float | None:
        return self._loss.of_guessing()
