"""Making new examples, by playing against a network that tells them from real ones."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import Batch
from nntrain.data import Learned
from nntrain.device import at_least_single
from nntrain.grid import drawn, sheet
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.pictures import images_of, scatter, visible
from nntrain.registry import task
from nntrain.samples import Picture, Sample
from nntrain.settings import Count, NonNegative
from nntrain.specs import Image, Inputs, Samples, Vector
from nntrain.tasks import Outcome, Task

SHOWN = 64
MADE = 500


@task("gan")
class AdversarialGame(Task):
    """New examples like the inputs: generator and discriminator are trained against each other.

    discriminator: -log D(x) - log(1 - D(G(n)));  generator: -log D(G(n)), the form whose gradient does not vanish

    Labels are not looked at. With instance noise D sees x + noise n in place of every example x, real or made: what is
    made then overlaps with what is real from the start, and no part of it is left out; stages with less and less
    noise end with sharp samples. Each of the two objectives may have an optimizer of its own:
    optimizer: {discriminator: {type: adam, lr: 0.0004}, generator: {type: adam, lr: 0.0001}}.
    The loss in evaluation is the sum of both; in balance, where D = 1/2, it is 3 ln 2.

    Source: Goodfellow et al., Generative adversarial networks, 2014, arXiv:1406.2661; instance noise: Sonderby et al.,
    Amortised MAP inference for image super-resolution, 2017, arXiv:1610.04490.

    Settings:
        noise: the deviation of instance noise, in the numbers of the inputs as they are prepared
        discriminator_every: the discriminator is trained at every so many steps
        generator_every: the generator is trained at every so many steps
    """

    metrics = ("coverage",)

    def __init__(
        self,
        inputs: Vector | Image,
        learned: Learned | None = None,
        *,
        noise: NonNegative = 0.0,
        discriminator_every: Count = 1,
        generator_every: Count = 1,
    ) -> None:
        self.targets = Samples(inputs)
        self.measured = Samples(inputs, learned)
        self._noise = noise
        self.objectives = (
            Objective("discriminator", self.judgements, self.discriminator_loss, self.counts, discriminator_every),
            Objective("generator", self.judged_samples, self.generator_loss, self.counts, generator_every),
        )

    def judgements(self, model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """The discriminator's logits of the real examples, and of as many made ones."""
        with torch.no_grad():
            samples = model.make(len(batch.inputs))
        return self._judged(model, batch.inputs), self._judged(model, samples)

    def judged_samples(self, model: Any, batch: Batch) -> Tensor:
        return self._judged(model, model.make(len(batch.inputs)))

    def discriminator_loss(self, outputs: tuple[Tensor, Tensor], batch: Batch) -> Loss:
        real, made = (at_least_single(logits) for logits in outputs)
        return Loss(loss=Term(weighted(F.softplus(-real) + F.softplus(made), batch.weights)))

    def generator_loss(self, outputs: Tensor, batch: Batch) -> Loss:
        return Loss(loss=Term(weighted(F.softplus(-at_least_single(outputs)), batch.weights)))

    def counts(self, batch: Batch) -> Counts:
        return {"loss": examples_of(batch)}

    def evaluate(self, model: Any, batch: Batch) -> Outcome:
        samples = model.make(len(batch.inputs))
        real, made = self._judged(model, batch.inputs), self._judged(model, samples)
        both = self.discriminator_loss((real, made), batch)["loss"].sum + self.generator_loss(made, batch)["loss"].sum
        return Outcome(at_least_single(samples), batch.inputs, Loss(loss=Term(both)), self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """A made example, flat, in the place of each real one."""
        return [{"sample": row} for row in outcome.predictions.flatten(1).tolist()]

    def samples(self, model: Any, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Made images; or made points of the plane, over real ones in grey."""
        made = at_least_single(model.make(MADE))
        images = images_of(made[:SHOWN], inputs)
        if images is not None:
            return [Picture("samples", sheet(visible(images)[0]))]
        if inputs.shape != (2,):
            return []
        return [Picture("samples", drawn(scatter((batch.inputs, (0.7, 0.7, 0.7)), (made, (0.1, 0.3, 0.8)))))]

    def _judged(self, model: Any, examples: Tensor) -> Tensor:
        """The discriminator's logits of examples, behind instance noise."""
        return model.judge(examples + self._noise * torch.randn_like(examples) if self._noise else examples)

    def untrained_loss(self) -> float | None:
        """3 ln 2, the logits of an untrained discriminator being near 0."""
        return 3 * float(F.softplus(torch.zeros(())))
