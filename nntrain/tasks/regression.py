"""One or several real numbers for each example."""

from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.device import at_least_single
from nntrain.errors import UnfitError
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.losses import LossFunction
from nntrain.registry import task
from nntrain.samples import Sample
from nntrain.settings import Loss as LossSetting
from nntrain.specs import Inputs, Values
from nntrain.tasks import Outcome, Task
from nntrain.tasks.deep_supervision import supervised
from nntrain.tasks.hardest import farthest


@task("regression", within=supervised)
class Regression(Task):
    """Real numbers for each example: the model's outputs are of shape (batch, values).

    The model learns the standardised targets (t - mean) / deviation, mean and deviation being the training
    set's, so that rates and penalties mean the same whatever the units; the loss is in these units, and the
    metrics are in the data's own.

    Source: Bishop, Pattern Recognition and Machine Learning, section 3.1.

    Settings:
        loss: what is minimised
        standardize: whether the model learns standardised targets or the targets as they are
    """

    metrics = ("rmse", "mae", "r2")

    def __init__(self, targets: Values, *, loss: LossSetting = "squared", standardize: bool = True) -> None:
        self.targets = targets
        self._loss: LossFunction = loss(targets)
        self._names = targets.names
        self._standardize = standardize
        self._mean = torch.tensor(targets.mean if standardize else [0.0] * len(targets))
        self._deviation = torch.tensor(targets.deviation if standardize else [1.0] * len(targets))
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        if outputs.shape != batch.targets.shape:  # broadcasting would compare every output with every target
            found, needed = tuple(outputs.shape), tuple(batch.targets.shape)
            raise UnfitError(f"the model's outputs are of shape {found}, but the targets are of shape {needed}")
        mean, deviation = self._scale(batch.targets.device)
        return Loss(loss=Term(weighted(self._loss(outputs, (batch.targets - mean) / deviation), batch.weights)))

    def counts(self, batch: Batch) -> Counts:
        return {"loss": examples_of(batch)}

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = at_least_single(self.outputs(model, batch))
        mean, deviation = self._scale(batch.targets.device)
        return Outcome(outputs * deviation + mean, batch.targets, self.loss(outputs, batch), self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The values of each example, in the data's units."""
        return [dict(zip(self._names, row, strict=True)) for row in outcome.predictions.tolist()]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Some examples with their values and those that are found, the farthest from each other first."""
        found = self.evaluate(model, batch).predictions
        distances = ((found - batch.targets) / self._scale(found.device)[1]).square().sum(dim=1)
        return farthest(distances, found, batch, inputs, self.targets)

    def untrained_loss(self) -> float | None:
        """The loss of putting out the mean of standardised targets that are a deviation away from it."""
        zeros = torch.zeros(1, len(self.targets))
        return float(self._loss(zeros, zeros + 1)) if self._standardize else None

    def _scale(self, device: torch.device) -> tuple[Tensor, Tensor]:
        self._mean, self._deviation = self._mean.to(device), self._deviation.to(device)
        return self._mean, self._deviation
