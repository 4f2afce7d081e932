"""Digits of which some are labelled wrong, for `scripts/bench/tricks`: a plug-in with a data set to over-fit."""

import torch

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.scikit_learn import digits
from nntrain.registry import data
from nntrain.settings import Factor, Whole


@data("wrong_labels", within=InMemory)
def wrong_labels(*, wrong: Factor = 0.2, seed: Whole = 0) -> Source:
    """The 1,797 handwritten digits of `digits`, some with the label of another class, in all sets alike.

    Who learns the training labels by heart learns what is wrong in them.
    Source: Zhang, Bengio, Hardt, Recht, Vinyals, Understanding deep learning requires rethinking generalization,
    2017, arXiv:1611.03530.

    Settings:
        wrong: how probable it is that a label is wrong
        seed: of which labels are wrong
    """
    right = digits()
    labels, classes = right.train.targets, len(right.targets.names)
    generator = torch.Generator().manual_seed(seed)
    others = (labels + torch.randint(1, classes, labels.shape, generator=generator)) % classes
    is_wrong = torch.rand(labels.shape, generator=generator) < wrong
    examples = Examples(right.train.inputs, torch.where(is_wrong, others, labels))
    return Source("wrong_labels", right.inputs, right.targets, examples, scale=right.scale)
