"""Which class the one object in a picture is of, and where it is."""

from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.boxes import around_middle, overlaps
from nntrain.device import at_least_single
from nntrain.errors import UnfitError
from nntrain.grid import sheet
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.metrics.confusion import ConfusionMatrix
from nntrain.overlays import FOUND, framed
from nntrain.pictures import images_of, visible
from nntrain.registry import task
from nntrain.samples import Picture, Sample
from nntrain.settings import Loss as LossSetting
from nntrain.settings import Positive
from nntrain.specs import Box, ClassAndBox, Inputs
from nntrain.tables import Table
from nntrain.tasks import Outcome, Task

SHOWN = 16
SMOOTH = {"type": "huber", "delta": 0.1}


@task("localization")
class Localization(Task):
    """The class of the one object in each picture, and the box around it.

    L = 1/n sum_i loss(z_i, y_i) + box_weight * box_loss(b_i, t_i)

    The model's outputs are (batch, classes + 4): logits z, and numbers s whose sigmoids are the middle, the width and
    the height of the box in shares of the picture's; b and t are the edges of the predicted and the true box in such
    shares. `nntrain predict` gives them in pixels of the picture as the network sees it.

    Source: Sermanet et al., OverFeat, 2013, arXiv:1312.6229; the loss of Girshick, Fast R-CNN, 2015,
    arXiv:1504.08083; boxes as in Carion et al., End-to-end object detection with transformers, 2020,
    arXiv:2005.12872.

    Settings:
        loss: what is minimised of the classes
        box_loss: what is minimised of the boxes: huber (smooth L1), absolute, squared, or giou
        box_weight: how much it counts beside the other: 100 for huber, as if boxes were in tenths of the picture; of
            absolute and giou, which are larger, 1 to 5
    """

    metrics = ("localization_error", "class/error_rate", "box_iou")

    def __init__(
        self,
        targets: ClassAndBox,
        *,
        loss: LossSetting = "cross_entropy",
        box_loss: LossSetting = SMOOTH,
        box_weight: Positive = 100.0,
    ) -> None:
        self.targets = self.measured = targets
        self._class_loss = loss(targets.part("class"))
        self._box_loss = box_loss(Box())
        self._box_weight = box_weight
        self._sides = torch.tensor([targets.width, targets.height] * 2, dtype=torch.get_default_dtype())
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)
        self.details = {"confusion": _OfClass(targets)}

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        if outputs.shape != (len(batch.targets), len(self.targets)):
            needed = (len(batch.targets), len(self.targets))
            raise UnfitError(f"the model's outputs are of shape {tuple(outputs.shape)}, for these targets of {needed}")
        targets, (logits, boxes) = self.targets.by_name(batch.targets), self._parts(outputs)
        of_class = self._class_loss(logits, targets["class"])
        of_box = self._box_loss(boxes, targets["box"] / self._of_picture(boxes))
        return Loss(
            {
                "class": Term(weighted(of_class, batch.weights)),
                "box": Term(weighted(of_box, batch.weights), self._box_weight),
            }
        )

    def counts(self, batch: Batch) -> Counts:
        return dict.fromkeys(("class", "box"), examples_of(batch))

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = at_least_single(self.outputs(model, batch))
        logits, boxes = self._parts(outputs)
        found = {"class": logits, "box": boxes * self._of_picture(boxes)}
        loss = self.loss(outputs, batch)
        apart = Loss({name: Term(term.sum) for name, term in loss.items()})
        return Outcome(found, self.targets.by_name(batch.targets), loss, self.counts(batch), apart)

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The most likely class, its probability under the softmax, and the box: left, top, right and bottom edge."""
        probabilities, classes = outcome.predictions["class"].softmax(dim=1).max(dim=1)
        rows = zip(classes.tolist(), probabilities.tolist(), outcome.predictions["box"].tolist(), strict=True)
        return [{"class": self.targets.names[c], "probability": p, "box": box} for c, p, box in rows]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Some pictures with the true box and the one that is found, what it is taken for, and how well it lies."""
        some = batch._replace(inputs=batch.inputs[:SHOWN], targets=batch.targets[:SHOWN], weights=None)
        pictures = images_of(some.inputs, inputs)
        if pictures is None:
            return []
        outcome = self.evaluate(model, some)
        found, truth = outcome.predictions, outcome.targets
        drawn = framed(framed(visible(pictures)[0], truth["box"]), found["box"], FOUND)
        names = [self.targets.names[c] for c in found["class"].argmax(dim=1).tolist()]
        right = [self.targets.names[c] for c in truth["class"].tolist()]
        shares = [f"IoU {share:.0%}" for share in overlaps(found["box"], truth["box"]).tolist()]
        words = [
            [f"{name} {share}", "" if name == its else f"not {its}"]
            for name, share, its in zip(names, shares, right, strict=True)
        ]
        colours = ["darkgreen" if name == its else "red" for name, its in zip(names, right, strict=True)]
        return [Picture("boxes", sheet(drawn, words, colours))]

    def _parts(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, classes), and boxes in shares of the picture (batch, 4)."""
        logits, box = torch.split(outputs, [len(self.targets.names), 4], dim=1)
        return logits, around_middle(box.sigmoid())

    def _of_picture(self, boxes: Tensor) -> Tensor:
        """Width, height, width, height."""
        self._sides = self._sides.to(boxes)
        return self._sides


class _OfClass:
    """The confusion matrix of the classes alone."""

    def __init__(self, targets: ClassAndBox) -> None:
        self._confusion = ConfusionMatrix(targets.part("class"))

    def measure(self, predictions: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        return self._confusion.measure(predictions["class"], targets["class"])

    def tables(self, state: Tensor) -> list[Table]:
        return self._confusion.tables(state)
