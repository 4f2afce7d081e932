"""Numbers and their English names: sequences made from vectors."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.data.in_memory import Examples, Source, as_they_are
from nntrain.registry import data
from nntrain.specs import Tags, Vector

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


@data("number_names", within=as_they_are)
def number_names() -> Source:
    """The numbers from 0 to 999, to be spelt: from a vector of three digits the letters of the English name.

    472 = (4, 7, 2), each digit one of ten inputs that is 1, to "four hundred seventy two" and an end mark

    A small problem of one to many: every letter depends on the number and on how far it is spelt.
    Source: made up; one to many as in Karpathy, The unreasonable effectiveness of recurrent neural networks, 2015.
    """
    names = [spell(number) for number in range(1000)]
    tags = ("end", *sorted(set("".join(names))))
    length = max(map(len, names)) + 1
    digits = torch.tensor([[n // 100, n // 10 % 10, n % 10] for n in range(1000)])
    inputs = F.one_hot(digits, 10).flatten(1).float()
    targets = torch.stack([_labels(name, tags, length) for name in names])
    return Source("number_names", Vector(30), Tags(tags, length), Examples(inputs, targets))


def spell(number: int) -> str:
    """The English name of a number below 1000."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        name, rest = _TENS[number // 10 - 2], number % 10
    else:
        name, rest = f"{_ONES[number // 100]} hundred", number % 100
    return f"{name} {spell(rest)}" if rest else name


def _labels(name: str, tags: tuple[str, ...], length: int) -> Tensor:
    """The letters' numbers and the end mark's; IGNORED behind it."""
    letters = [tags.index(letter) for letter in name] + [0]
    return torch.tensor(letters + [IGNORED] * (length - len(letters)))
