"""The examples that a model finds hardest, to be looked at."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import Batch, Sequences
from nntrain.grid import sheet
from nntrain.look.examples import input_of, target_of, text_of
from nntrain.pictures import images_of, visible
from nntrain.samples import Picture, Sample, Text, table
from nntrain.specs import Classes, Inputs, Targets, Tokens

SHOWN = 16


def hardest(logits: Tensor, batch: Batch, inputs: Inputs, targets: Classes) -> list[Sample]:
    """The examples whose classes the model finds least likely, with what it takes them for."""
    order = largest(F.cross_entropy(logits, batch.targets, reduction="none"))
    probabilities, found = logits[order].softmax(dim=1).max(dim=1)
    answers = [targets.names[c] for c in found.tolist()]
    right = [targets.names[c] for c in batch.targets[order].tolist()]
    shares = [f"{p:.0%}" for p in probabilities.tolist()]
    images = images_of(batch.inputs[order], inputs) if isinstance(batch.inputs, Tensor) else None
    if images is not None:
        both = list(zip(answers, right, shares, strict=True))
        words = [[f"{answer} {share}", "" if answer == name else f"not {name}"] for answer, name, share in both]
        colours = ["darkgreen" if answer == name else "red" for answer, name, _ in both]
        return [Picture("hardest", sheet(visible(images)[0], words, colours))]
    rows = list(zip(_described(order, batch, inputs), right, answers, shares, strict=True))
    return [Text("hardest", table(("example", "class", "taken for", "probability"), rows))]


def farthest(losses: Tensor, answers: Tensor, batch: Batch, inputs: Inputs, targets: Targets) -> list[Sample]:
    """The examples with the largest losses, what they should have and what the model says (batch, ...), as text."""
    order = largest(losses)
    right, found = ([target_of(its[i], targets) for i in order.tolist()] for its in (batch.targets, answers))
    rows = list(zip(_described(order, batch, inputs), right, found, strict=True))
    return [Text("hardest", table(("example", "right", "found"), rows))]


def largest(losses: Tensor) -> Tensor:
    """Which of the losses (n,) are the largest, in their order."""
    return losses.argsort(descending=True, stable=True)[:SHOWN]


def _described(order: Tensor, batch: Batch, inputs: Inputs) -> Sequence[str]:
    """Texts whole, of all else the first numbers."""
    if isinstance(inputs, Tokens) and isinstance(batch.inputs, Sequences):
        return [text_of(batch.inputs, inputs, i) for i in order.tolist()]
    return [input_of(batch.inputs, inputs, i) for i in order.tolist()]
