"""Finding the objects in pictures: what each is, the box around it, and its mask."""

from dataclasses import replace
from operator import itemgetter
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import Batch, Detections, Objects, each
from nntrain.grid import COLUMNS, sheet
from nntrain.loss import Counts, Loss, Objective, Term
from nntrain.outlines import outlined
from nntrain.pictures import images_of, visible
from nntrain.registry import task
from nntrain.run_lengths import encoded
from nntrain.samples import Picture, Sample
from nntrain.settings import Factor
from nntrain.specs import Boxes, Image, Inputs, Instances, Located
from nntrain.tasks import Outcome, Task


class Search(Task):
    """Finding objects, with a model that has losses(images, objects) in training, and finds objects in evaluation.

    L = sum over terms of its sum over the pictures / the pictures; the model's `terms` are logged apart
    """

    measures_loss = False

    def __init__(self, targets: Located, metrics: tuple[str, ...], threshold: float) -> None:
        self.targets = targets
        self.metrics = metrics
        self._threshold = threshold
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)

    def prepare(self, model: Any, inputs: Any, targets: Any) -> None:
        self._terms: tuple[str, ...] = model.terms
        self._size: tuple[int, int] = (inputs.height, inputs.width)
        self.objectives = (replace(self.objectives[0], terms=self._terms),)

    def outputs(self, model: Any, batch: Batch) -> dict[str, Tensor]:
        """The sum of each term: what a detector finds in training is its own affair."""
        return model.losses(batch.inputs, batch.targets)

    def loss(self, outputs: dict[str, Tensor], batch: Batch) -> Loss:
        return Loss({name: Term(value) for name, value in outputs.items()})

    def counts(self, batch: Batch) -> Counts:
        return dict.fromkeys(self._terms, batch.examples)

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        """What is found; there is no loss, since detectors choose with the targets at hand what they learn from."""
        return Outcome(model(batch.inputs), batch.targets, None, self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The objects in each picture, the surest first, in pixels of the picture as it was in its file."""
        found: Detections = outcome.predictions
        sizes = outcome.targets.sizes.tolist()
        return [{"objects": self._told(each(itemgetter(i), found), *size)} for i, size in enumerate(sizes)]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Pictures with the objects that are there, and below them with those that are found."""
        assert isinstance(inputs, Image)
        some = batch.first(COLUMNS)
        images = images_of(some.inputs, inputs)
        assert images is not None
        shown = visible(images)[0]
        there: Objects = some.targets
        if isinstance(self.targets, Boxes):
            there = there._replace(masks=None)
        found: Detections = model(some.inputs)
        names = self.targets.names
        above, below = outlined(shown, there, there.are_there, names), outlined(shown, found, self._sure(found), names)
        return [Picture("objects", sheet(torch.cat((above, below)), columns=len(shown)))]

    def _sure(self, found: Detections) -> Tensor:
        return found.are_there & (found.scores >= self._threshold)

    def _told(self, found: Detections, height: int, width: int) -> list[dict[str, Any]]:
        """The objects that are found in a picture of this size."""
        is_sure = self._sure(found)
        scale = found.boxes.new_tensor([width / self._size[1], height / self._size[0]] * 2)
        boxes = (found.boxes[is_sure] * scale).tolist()
        parts = zip(found.labels[is_sure].tolist(), found.scores[is_sure].tolist(), boxes, strict=True)
        told = [{"class": self.targets.names[label], "score": score, "box": box} for label, score, box in parts]
        if found.masks is None:
            return told
        masks = F.interpolate(found.masks[is_sure][:, None].float(), (height, width))[:, 0] > 0
        return [{**one, "mask": mask} for one, mask in zip(told, encoded(masks.cpu()), strict=True)]


@task("detection")
def detection(targets: Boxes | Instances, *, threshold: Factor = 0.3) -> Search:
    """Every object in a picture: its class, the box around it, and how sure that is.

    The model is a detector, with losses of its own: L = classification + box + ...; each is logged apart, as
    objective/box. There is no loss in evaluation, and map says which model is best.

    Source: Lin et al., Microsoft COCO: common objects in context, 2014, arXiv:1405.0312.

    Settings:
        threshold: the score from which on objects are drawn and told of; metrics look at all
    """
    return Search(Boxes(targets.names, targets.most, targets.counts), ("map", "map_50"), threshold)


@task("instance_segmentation")
def instance_segmentation(targets: Instances, *, threshold: Factor = 0.3) -> Search:
    """Every object in a picture: its class, the box around it, the pixels in which it is seen, and how sure that is.

    As the task detection, with masks. Those in the answers are run lengths as COCO's files have them.

    Source: Lin et al., Microsoft COCO: common objects in context, 2014, arXiv:1405.0312.

    Settings:
        threshold: the score from which on objects are drawn and told of; metrics look at all
    """
    return Search(targets, ("mask_map", "mask_map_50", "map", "map_50"), threshold)
