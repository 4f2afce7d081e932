"""Putting out the inputs again."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.device import at_least_single
from nntrain.errors import UnfitError
from nntrain.grid import COLUMNS, sheet
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.losses import LossFunction
from nntrain.pictures import images_of, visible
from nntrain.registry import task
from nntrain.samples import Picture, Projection, Sample
from nntrain.settings import Loss as LossSetting
from nntrain.settings import NonNegative, Probability
from nntrain.specs import Image, Inputs, Reconstruction, Vector
from nntrain.tasks import Outcome, Task
from nntrain.tasks.corruption import Corruption


class Coded(NamedTuple):
    """What an autoencoder makes of a batch: codes (batch, code), outputs, and what these are to be, of one shape."""

    code: Tensor
    reconstruction: Tensor
    original: Tensor


@task("autoencoding")
class Autoencoding(Task):
    """The inputs again, from a code: the model has the parts `encoder` and `decoder`; labels are not looked at.

    L = sum_i loss(decoder(c_i), x_i) + sparsity |c_i|_1,  c_i = encoder(x_i)

    The penalty draws codes towards few numbers that are not 0 (sparse). The inputs are the prepared ones. Where a
    model has a part `below`, x_i is what that makes of the inputs: the layers below those that are trained; its
    part `inputs_of` leads back.

    Source: Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006; sparse:
    Goodfellow, Bengio, Courville, Deep Learning, section 14.2.1.

    Settings:
        loss: between outputs and inputs
        sparsity: how much the code's absolute values count beside the loss
    """

    metrics = ("reconstruction_error",)

    def __init__(
        self,
        inputs: Vector | Image,
        corruption: Corruption | None = None,
        *,
        loss: LossSetting = "squared",
        sparsity: NonNegative = 0.0,
    ) -> None:
        self.targets = Reconstruction(inputs)
        self.sparsity = sparsity
        self._corruption = corruption
        self._loss: LossFunction = loss(self.targets)
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)

    def outputs(self, model: Any, batch: Batch) -> Coded:
        if hasattr(self._loss, "predicted") and getattr(model, "makes_activations", False):
            raise UnfitError(
                "it takes log-odds, but this layer's outputs are those of its activation; take squared", "loss"
            )
        seen = _seen(model, batch.inputs)
        return _coded(model, self._corruption(seen) if self._corruption else seen, seen)

    def loss(self, outputs: Coded, batch: Batch) -> Loss:
        error = weighted(self._loss(outputs.reconstruction, outputs.original), batch.weights)
        size = weighted(at_least_single(outputs.code).abs(), batch.weights)
        return Loss(error=Term(error), sparsity=Term(size, self.sparsity))

    def counts(self, batch: Batch) -> Counts:
        return dict.fromkeys(("error", "sparsity"), examples_of(batch))

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        seen = _seen(model, batch.inputs)
        outputs = _coded(model, self._given(seen), seen)
        predictions = self._predicted(at_least_single(outputs.reconstruction))
        return Outcome(predictions, seen, self.loss(outputs, batch), self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The reconstruction of each example, flat."""
        return [{"reconstruction": row} for row in outcome.predictions.flatten(1).tolist()]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Images above what the model makes of them, and between them the noisy ones that it is given."""
        images = images_of(batch.inputs[:COLUMNS], inputs)
        if images is None:
            return []
        given = self._given(_seen(model, batch.inputs[:COLUMNS]))
        made = self._predicted(at_least_single(_coded(model, given, given).reconstruction))
        shown = [_inputs_of(model, part) for part in ([given, made] if self._corruption else [made])]
        others = [part for part in (images_of(each, inputs) for each in shown) if part is not None]
        return [Picture("reconstructions", sheet(torch.cat(visible(images, *others)), columns=len(images)))]

    def projection(self, model: Any, batch: Batch, inputs: Inputs) -> Projection:
        """The codes, each with its example's label."""
        codes = at_least_single(model.encoder(_seen(model, batch.inputs))).flatten(1)
        labels = batch.targets.reshape(len(codes), -1)[:, 0].tolist()
        return Projection(codes, [f"{label:g}" for label in labels], images_of(batch.inputs, inputs))

    def check(self, batch: Batch) -> None:
        """UnfitError where the loss takes probabilities and the inputs are none."""
        low, high = (float(limit) for limit in batch.inputs.aminmax())
        if hasattr(self._loss, "predicted") and not 0 <= low <= high <= 1:
            found = f"it takes inputs from 0 to 1, but these are from {low:.3g} to {high:.3g}"
            raise UnfitError(f"{found}; write data.standardize: false, or another loss", "loss")

    def _given(self, inputs: Tensor) -> Tensor:
        """What the model is given in evaluation."""
        return self._corruption.always_alike(inputs) if self._corruption else inputs

    def _predicted(self, outputs: Tensor) -> Tensor:
        """The reconstructions that outputs stand for."""
        predicted = getattr(self._loss, "predicted", None)
        return outputs if predicted is None else predicted(outputs)


@task("denoising")
def denoising(
    inputs: Vector | Image,
    *,
    loss: LossSetting = "squared",
    noise: NonNegative = 0.3,
    masked: Probability = 0.0,
    sparsity: NonNegative = 0.0,
) -> Autoencoding:
    """The clean inputs from noisy ones, by way of a code: what is learned must know what inputs look like.

    L = sum_i loss(decoder(c_i), x_i) + sparsity |c_i|_1,  c_i = encoder((x_i + noise n) m), n normal, m 0 or 1

    Noise is drawn anew in every step; in evaluation every example has the same noise each time, and
    reconstruction_error is between clean inputs and what is made of the noisy ones.

    Source: Vincent, Larochelle, Bengio, Manzagol, Extracting and composing robust features with denoising
    autoencoders, 2008.

    Settings:
        loss: between outputs and clean inputs
        noise: the deviation of normal noise that is added to each input
        masked: the share of the inputs that is set to 0
        sparsity: how much the code's absolute values count beside the loss
    """
    if noise == 0 and masked == 0:
        raise UnfitError("without noise and masked inputs it is the task autoencoding; take that", "noise")
    return Autoencoding(inputs, Corruption(noise, masked), loss=loss, sparsity=sparsity)


def _seen(model: Any, inputs: Tensor) -> Tensor:
    below = getattr(model, "below", None)
    return inputs if below is None else below(inputs)


def _inputs_of(model: Any, seen: Tensor) -> Tensor:
    """The inputs that such features stand for."""
    inputs_of = getattr(model, "inputs_of", None)
    return seen if inputs_of is None else inputs_of(seen)


def _coded(model: Any, inputs: Tensor, original: Tensor) -> Coded:
    code = model.encoder(inputs)
    return Coded(code, model.decoder(code), original)
