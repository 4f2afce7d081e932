"""Putting out the inputs again."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.device import at_least_single
from nntrain.loss import Counts, Loss, Objective, Term
from nntrain.registry import task
from nntrain.settings import Loss as LossSetting
from nntrain.settings import NonNegative, Probability
from nntrain.specs import Image, Reconstruction, Vector
from nntrain.tasks import Detail, Outcome


class Coded(NamedTuple):
    """What an autoencoder makes of a batch: codes (batch, code), outputs, and what these are to be, of one shape."""

    code: Tensor
    reconstruction: Tensor
    original: Tensor


@task("autoencoding")
class Autoencoding:
    """The inputs again, from a code: the model has the parts `encoder` and `decoder`; labels are not looked at.

    L = sum_i loss(decoder(c_i), x_i) + sparsity |c_i|_1,  c_i = encoder(noisy x_i)

    Noise is put on the encoder's inputs in training only, and the clean ones are to be found again (denoising);
    the penalty draws codes towards few numbers that are not 0 (sparse). The inputs are the prepared ones. Where a
    model has a part `below`, x_i is what that makes of the inputs: the layers below those that are trained.

    Source: Hinton, Salakhutdinov 2006; denoising: Vincent et al., Extracting and composing robust features with
    denoising autoencoders, 2008; sparse: Goodfellow, Bengio, Courville, Deep Learning, section 14.2.1.

    Settings:
        loss: between outputs and inputs
        noise: the deviation of normal noise that is added to each input
        masked: the share of the inputs that is set to 0
        sparsity: how much the code's absolute values count beside the loss
    """

    metrics = ("reconstruction_error",)

    def __init__(
        self,
        inputs: Vector | Image,
        *,
        loss: LossSetting = "squared",
        noise: NonNegative = 0.0,
        masked: Probability = 0.0,
        sparsity: NonNegative = 0.0,
    ) -> None:
        self.targets = Reconstruction(inputs)
        self.noise = noise
        self.masked = masked
        self.sparsity = sparsity
        self._loss = loss(self.targets)
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)
        self.details: dict[str, Detail] = {}

    def outputs(self, model: nn.Module, batch: Batch) -> Coded:
        seen = _seen(model, batch.inputs)
        return _coded(model, self._noisy(seen), seen)

    def loss(self, outputs: Coded, batch: Batch) -> Loss:
        error = Term(self._loss(outputs.reconstruction, outputs.original))
        return Loss(error=error, sparsity=Term(at_least_single(outputs.code).abs().sum(), self.sparsity))

    def counts(self, batch: Batch) -> Counts:
        return dict.fromkeys(("error", "sparsity"), len(batch.inputs))

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        seen = _seen(model, batch.inputs)
        outputs = _coded(model, seen, seen)
        return Outcome(at_least_single(outputs.reconstruction), seen, self.loss(outputs, batch), self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The reconstruction of each example, flat."""
        return [{"reconstruction": row} for row in outcome.predictions.flatten(1).tolist()]

    def untrained_loss(self) -> float | None:
        """Nothing is known of it: inputs have any size."""
        return None

    def _noisy(self, inputs: Tensor) -> Tensor:
        if self.noise:
            inputs = inputs + self.noise * torch.randn_like(inputs)
        return inputs * (torch.rand_like(inputs) >= self.masked) if self.masked else inputs


def _seen(model: Any, inputs: Tensor) -> Tensor:
    below = getattr(model, "below", None)
    return inputs if below is None else below(inputs)


def _coded(model: Any, inputs: Tensor, original: Tensor) -> Coded:
    code = model.encoder(inputs)
    return Coded(code, model.decoder(code), original)
