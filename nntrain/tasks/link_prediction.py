"""Which nodes of a graph are linked."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.device import at_least_single
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.losses import LossFunction
from nntrain.registry import task
from nntrain.samples import Sample, Text, table
from nntrain.settings import Count
from nntrain.settings import Loss as LossSetting
from nntrain.specs import Embedding, Inputs, Links
from nntrain.tasks import Outcome, Task
from nntrain.tasks.hardest import largest


@task("link_prediction")
class LinkPrediction(Task):
    """Whether two nodes are linked, by the vectors that the model gives them.

    p(i linked with j) = 1 / (1 + exp(-z_i z_j)), z the model's outputs (nodes, size)

    With a graph network of layers gcn it is the graph autoencoder (GAE). Its batches hold as many pairs without a
    link as links.

    Source: Kipf, Welling, Variational graph auto-encoders, 2016, arXiv:1611.07308.

    Settings:
        size: how many numbers a node's vector has
        loss: what is minimised
    """

    metrics = ("auroc", "average_precision")

    def __init__(self, targets: Links, *, size: Count = 16, loss: LossSetting = "binary_cross_entropy") -> None:
        self.targets = Embedding(size)
        self.measured = targets
        self._loss: LossFunction = loss(targets)
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        """The logit of every pair: the first of each are the first half of the batch's nodes."""
        first, second = at_least_single(model(batch.inputs)).chunk(2)
        return (first * second).sum(dim=1)

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        return Loss(loss=Term(weighted(self._loss(outputs, batch.targets), batch.weights)))

    def counts(self, batch: Batch) -> Counts:
        return {"loss": examples_of(batch)}

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = self.outputs(model, batch)
        return Outcome(outputs, batch.targets, self.loss(outputs, batch), self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """How likely the nodes of each link are linked, and those of a pair without a link."""
        linked, others = outcome.predictions.sigmoid().chunk(2)
        return [{"link": p, "no_link": q} for p, q in zip(linked.tolist(), others.tolist(), strict=True)]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """The pairs of nodes that the model is most wrong about."""
        logits = self.outputs(model, batch)
        order = largest(F.binary_cross_entropy_with_logits(logits, batch.targets.to(logits), reduction="none"))
        pairs = [half[order].tolist() for half in batch.inputs.chosen.chunk(2)]
        truth = ["linked" if target else "not linked" for target in batch.targets[order].tolist()]
        shares = [f"{p:.0%}" for p in logits[order].sigmoid().tolist()]
        rows = [(str(a), str(b), *said) for a, b, *said in zip(*pairs, truth, shares, strict=True)]
        return [Text("hardest", table(("node", "and node", "are", "probability of a link"), rows))]
