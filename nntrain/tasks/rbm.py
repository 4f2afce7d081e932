"""Learning how likely inputs are by contrastive divergence."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.registry import task
from nntrain.settings import Count
from nntrain.specs import Density, Image, Vector
from nntrain.tasks import Detail, Outcome


class Energies(NamedTuple):
    """Free energies of the data and of the model's own samples, (batch,) each."""

    data: Tensor
    samples: Tensor


@task("rbm")
class ContrastiveDivergence:
    """The distribution of the inputs, for a model with a free energy F; labels are not looked at.

    L = mean F(data) - mean F(samples), samples = so many steps of Gibbs sampling, taken as constants

    Its gradient is that of contrastive divergence, CD-k, or of persistent chains where the model has them. The
    value of L says little: watch reconstruction_error, and where they can be had the metrics pseudo_likelihood
    and log_likelihood.

    Source: Hinton, Training products of experts by minimizing contrastive divergence, 2002; Tieleman, Training
    restricted Boltzmann machines using approximations to the likelihood gradient, 2008.

    Settings:
        steps: k, the steps of Gibbs sampling
    """

    metrics = ("reconstruction_error",)

    def __init__(self, inputs: Vector | Image, *, steps: Count = 1) -> None:
        self.targets = Density(inputs)
        self.steps = steps
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)
        self.details: dict[str, Detail] = {}

    def outputs(self, model: Any, batch: Batch) -> Energies:
        data = batch.inputs.flatten(1)
        return Energies(model.free_energy(data), model.free_energy(model.fantasies(data, self.steps)))

    def loss(self, outputs: Energies, batch: Batch) -> Loss:
        data = weighted(outputs.data, batch.weights)
        return Loss(loss=Term(data - outputs.samples.mean() * examples_of(batch)))

    def counts(self, batch: Batch) -> Counts:
        return {"loss": examples_of(batch)}

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        """The predictions are the model itself, which the metrics ask how likely the inputs are."""
        return Outcome(model, batch.inputs, None, self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The free energy of each example: the lower, the likelier."""
        return [
            {"free_energy": energy} for energy in outcome.predictions.free_energy(outcome.targets.flatten(1)).tolist()
        ]

    def untrained_loss(self) -> float | None:
        """Nothing is known of it."""
        return None
