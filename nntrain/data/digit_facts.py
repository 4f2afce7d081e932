"""Handwritten digits with several targets each."""

from dataclasses import replace

import torch

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.scikit_learn import digits
from nntrain.registry import data
from nntrain.specs import Classes, Several, Values


@data("digit_facts", within=InMemory)
def digit_facts() -> Source:
    """The 1,797 digits of scikit-learn, and of each three things to be told: which, whether it is odd, how grey.

    digit: 0 to 9; parity: even or odd; grey: the mean of its pixels, from 0 to 1

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998.
    """
    plain = digits()
    images, numbers = plain.train.inputs, plain.train.targets
    grey = plain.scale * images.flatten(1).mean(dim=1)
    targets = torch.stack((numbers.float(), (numbers % 2).float(), grey), dim=1)
    assert isinstance(plain.targets, Classes)
    parts = (plain.targets, Classes(("even", "odd")), Values(("grey",)))
    facts = Several(("digit", "parity", "grey"), parts)
    return replace(plain, name="digit_facts", targets=facts, train=Examples(images, targets))
