"""Which class every pixel of a picture belongs to."""

import io
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.attachments import Attachment
from nntrain.batch import Batch
from nntrain.device import at_least_single
from nntrain.errors import UnfitError
from nntrain.grid import sheet
from nntrain.loss import Loss, Objective
from nntrain.metrics.confusion import ConfusionMatrix
from nntrain.metrics.overlap import Overlaps, intersection_over_union
from nntrain.overlays import laid_over, palette
from nntrain.pictures import images_of, visible
from nntrain.registry import task
from nntrain.samples import Picture, Sample
from nntrain.settings import Loss as LossSetting
from nntrain.settings import Probability
from nntrain.specs import Inputs, Mask
from nntrain.tasks import Outcome, Task
from nntrain.tasks.labels import ClassWeights, LabelLoss
from nntrain.tasks.labels import class_weights as weights_of

SHOWN = 8


@task("segmentation")
class Segmentation(Task):
    """One class for every pixel: the model's outputs are logits (batch, height, width, classes).

    L = sum_i w_i loss(z_i, t_i) / sum_i w_i over all pixels i but those IGNORED, with w_i the weight of the picture
    times that of the pixel's class; label smoothing as in classification

    The error rate is that of pixels. `nntrain predict` says what share of each picture each class has; with --out it
    writes the masks as well, PNG files as large as the pictures whose numbers are the classes', into a folder that is
    called like the file.

    Source: Long, Shelhamer, Darrell, Fully convolutional networks for semantic segmentation, 2015, arXiv:1411.4038.

    Settings:
        loss: what is minimised: cross_entropy pixel by pixel, dice by the overlap of what is found and what is there
        label_smoothing: e, the share of a label's weight that is spread over all classes in training
        class_weights: a weight for each class, in their order, or balanced, so that all classes count the same in
            the training set; left out, all pixels do
    """

    metrics = ("mean_iou", "error_rate")

    def __init__(
        self,
        targets: Mask,
        *,
        loss: LossSetting = "cross_entropy",
        label_smoothing: Probability = 0.0,
        class_weights: ClassWeights = None,
    ) -> None:
        self.targets = targets
        self._loss = LabelLoss(loss, targets, weights_of(class_weights, targets), label_smoothing)
        self.objectives = (Objective("model", self.outputs, self.loss, self._loss.counts),)
        self.details = {"overlaps": Overlaps(targets)}

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        needed = (*batch.targets.shape[:3], len(self.targets))
        if outputs.shape != needed:
            raise UnfitError(f"the model's outputs are of shape {tuple(outputs.shape)}, for these masks of {needed}")
        return self._loss.training(outputs, batch)

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = at_least_single(self.outputs(model, batch))
        return Outcome(outputs, batch.targets, self._loss.measured(outputs, batch), self._loss.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The share of each class's pixels in each picture, and the mask."""
        return [self._answer(mask) for mask in outcome.predictions.argmax(dim=-1).cpu()]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Some pictures, each beside what every pixel shows and what it is taken for."""
        pictures, truth = images_of(batch.inputs[:SHOWN], inputs), batch.targets[:SHOWN]
        if pictures is None:
            return []
        logits = self.outputs(model, batch._replace(inputs=batch.inputs[:SHOWN], targets=truth))
        (shown,) = visible(pictures.expand(-1, 3, -1, -1))
        masks = [laid_over(shown, mask, len(self.targets)) for mask in (truth, logits.argmax(dim=-1))]
        found = [f"mean IoU {self._overlap(*pair):.0%}" for pair in zip(logits, truth, strict=True)]
        words = [[word] for name in found for word in ("picture", "truth", name)]
        beside = torch.stack((shown, *masks), dim=1).flatten(0, 1)
        return [Picture("masks", sheet(beside, words, columns=6))]

    def untrained_loss(self) -> float | None:
        return self._loss.of_guessing()

    def _answer(self, mask: Tensor) -> dict[str, Any]:
        shares = torch.bincount(mask.flatten(), minlength=len(self.targets)) / mask.numel()
        by_name = dict(zip(self.targets.names, shares.tolist(), strict=True))
        return {"shares": by_name, "mask": Attachment(partial(png_of, mask), ".png")}

    def _overlap(self, logits: Tensor, truth: Tensor) -> float:
        """The mean intersection over union of one picture."""
        counts = ConfusionMatrix(self.targets).measure(logits.unsqueeze(0), truth.unsqueeze(0))
        return float(intersection_over_union(counts).nanmean())


def png_of(mask: Tensor, row: Mapping[str, Any]) -> bytes:
    """A PNG file with a colour map, whose numbers are the classes'; of the size that the row says, where it does."""
    from PIL import Image

    picture = Image.fromarray(mask.to(torch.uint8).numpy())
    picture.putpalette(palette(256).flatten().tolist())
    if "width" in row:
        picture = picture.resize((row["width"], row["height"]), Image.Resampling.NEAREST)
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()
