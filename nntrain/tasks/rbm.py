"""Learning how likely inputs are by contrastive divergence."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.grid import sheet
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.pictures import images_of, visible
from nntrain.registry import task
from nntrain.samples import Picture, Sample
from nntrain.settings import Count
from nntrain.specs import Density, Image, Inputs, Vector
from nntrain.tasks import Outcome, Task

SHOWN = 64
GIBBS_STEPS = 100


class Energies(NamedTuple):
    """Free energies of the data and of the model's own samples, (batch,) each."""

    data: Tensor
    samples: Tensor


@task("rbm")
class ContrastiveDivergence(Task):
    """The distribution of the inputs, for a model with a free energy F; labels are not looked at.

    Of a stack of such models the top one learns the distribution of what those below make of the inputs.

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
    measures_loss = False

    def __init__(self, inputs: Vector | Image, *, steps: Count = 1) -> None:
        self.targets = Density(inputs)
        self.steps = steps
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts, has_value=False),)

    def outputs(self, model: Any, batch: Batch) -> Energies:
        data = model.below(batch.inputs)
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
        model: Any = outcome.predictions
        return [{"free_energy": energy} for energy in model.free_energy(model.below(outcome.targets)).tolist()]

    def samples(self, model: Any, batch: Batch, inputs: Inputs) -> list[Sample]:
        """The hidden units' weights as images, and what the model makes in some steps of Gibbs sampling."""
        made = model.inputs_of(model.fantasies(model.below(batch.inputs), GIBBS_STEPS)[:SHOWN])
        fields = model.receptive_fields()[:SHOWN]
        shown = {"weights": images_of(fields, inputs), "samples": images_of(made, inputs)}
        return [Picture(name, sheet(visible(images)[0])) for name, images in shown.items() if images is not None]
