"""The examples that a classifier finds hardest, to be looked at."""

import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import Batch, Sequences
from nntrain.grid import sheet
from nntrain.look.examples import text_of
from nntrain.pictures import images_of, visible
from nntrain.samples import Picture, Sample, Text, table
from nntrain.specs import Classes, Inputs, Tokens

SHOWN = 16


def hardest(logits: Tensor, batch: Batch, inputs: Inputs, targets: Classes) -> list[Sample]:
    """Images, or text, whose classes the model finds least likely, with what it takes them for; else nothing."""
    order = F.cross_entropy(logits, batch.targets, reduction="none").argsort(descending=True, stable=True)[:SHOWN]
    images = images_of(batch.inputs[order], inputs) if isinstance(batch.inputs, Tensor) else None
    probabilities, found = logits[order].softmax(dim=1).max(dim=1)
    answers = [targets.names[c] for c in found.tolist()]
    right = [targets.names[c] for c in batch.targets[order].tolist()]
    shares = [f"{p:.0%}" for p in probabilities.tolist()]
    if images is not None:
        both = list(zip(answers, right, shares, strict=True))
        words = [[f"{answer} {share}", "" if answer == name else f"not {name}"] for answer, name, share in both]
        colours = ["darkgreen" if answer == name else "red" for answer, name, _ in both]
        return [Picture("hardest", sheet(visible(images)[0], words, colours))]
    if isinstance(inputs, Tokens) and isinstance(batch.inputs, Sequences):
        texts = [text_of(batch.inputs, inputs, i) for i in order.tolist()]
        rows = list(zip(texts, right, answers, shares, strict=True))
        return [Text("hardest", table(("text", "class", "taken for", "probability"), rows))]
    return []
