"""Learning to know examples again, without labels."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.augmentations import Augmentation
from nntrain.batch import Batch
from nntrain.device import at_least_single
from nntrain.errors import UnfitError
from nntrain.grid import sheet
from nntrain.look.examples import input_of
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.losses import LossFunction
from nntrain.pictures import images_of, visible
from nntrain.registry import task
from nntrain.samples import Picture, Sample, Text, table
from nntrain.settings import Augmentation as AugmentationSetting
from nntrain.settings import Count
from nntrain.settings import Loss as LossSetting
from nntrain.specs import Embedding, Image, Inputs, Vector
from nntrain.tasks import Outcome, Task

SHOWN = 16


@task("contrastive")
class Contrastive(Task):
    """Two views of an example, changed at random, are to be near each other and far from those of other examples.

    L = sum_i loss(z_i, z'_i beside all others of the batch), z and z' the model's outputs (batch, size) for both views

    Labels are not looked at. What the body has learned is a start for tasks with few labels:
    init: {from: RUN, match: ^body}. Views are made of the prepared inputs, so that images are best left as pixels
    (standardize: false). The loss depends on how large the batches are: large ones make it harder, and teach more.

    Source: Chen, Kornblith, Norouzi, Hinton, A simple framework for contrastive learning of visual representations,
    2020, arXiv:2002.05709.

    Settings:
        views: the random changes that make a view, one after the other
        size: how many numbers the model puts out for a view
        loss: between the views of a batch
    """

    metrics = ("mismatch",)

    def __init__(
        self,
        inputs: Vector | Image,
        *,
        views: list[AugmentationSetting] = ["noise"],  # noqa: B006
        size: Count = 64,
        loss: LossSetting = "contrastive",
    ) -> None:
        if not views:
            raise UnfitError("without changes both views are the same; name one at least", "views")
        self.targets = Embedding(size)
        self._views: list[Augmentation] = [change(inputs) for change in views]
        self._loss: LossFunction = loss(self.targets)
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        """The embeddings of a view of each example, then of another of each (2 batch, size)."""
        return model(torch.cat((self._view(batch.inputs), self._view(batch.inputs))))

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        return Loss(loss=Term(weighted(self._loss(outputs, batch.targets), batch.weights)))

    def counts(self, batch: Batch) -> Counts:
        return {"loss": examples_of(batch)}

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        """The predictions are the embeddings of one view of each example, the targets those of the other."""
        outputs = at_least_single(self.outputs(model, batch))
        one, other = outputs.chunk(2)
        return Outcome(one, other, self.loss(outputs, batch), self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The embedding of a view of each example."""
        return [{"embedding": row} for row in outcome.predictions.tolist()]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Views of some examples, each beside the second view that is nearest to it: its own, or another's."""
        views = [self._view(batch.inputs) for _ in range(2)]
        one, other = (F.normalize(at_least_single(model(view)), dim=1) for view in views)
        nearest = (one @ other.T).argmax(dim=1)[:SHOWN]
        said = ["its own" if n == i else "another's" for i, n in enumerate(nearest.tolist())]
        first, second = views[0][:SHOWN], views[1][nearest]
        pictures = [images_of(part, inputs) for part in (first, second)]
        if pictures[0] is None or pictures[1] is None:
            both = [[input_of(part, inputs, i) for i in range(len(said))] for part in (first, second)]
            return [
                Text("views", table(("view", "nearest second view", "which is"), list(zip(*both, said, strict=True))))
            ]
        beside = torch.cat(visible(pictures[0], pictures[1]), dim=3)
        colours = ["darkgreen" if word == "its own" else "red" for word in said]
        return [Picture("views", sheet(beside, [[word] for word in said], colours))]

    def _view(self, inputs: Tensor) -> Tensor:
        for change in self._views:
            inputs = change(inputs)
        return inputs
