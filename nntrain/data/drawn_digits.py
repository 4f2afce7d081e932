"""Handwritten digits, to be drawn pixel by pixel from what they mean."""

import torch.nn.functional as F

from nntrain.data.in_memory import Source, as_they_are
from nntrain.data.one_to_many import MARKS, written
from nntrain.data.scikit_learn import digits
from nntrain.registry import data
from nntrain.specs import Classes, Image, OneToMany, Vector

GREYS = 17


@data("drawn_digits", within=as_they_are)
def drawn_digits() -> Source:
    """1,797 handwritten digits, to be drawn row by row from their label: one of ten inputs is 1.

    The sequence is the 64 pixels of an 8x8 image, from the top left, each one of 17 grey values: a token. As there are
    many ways to write a digit, a model is not asked to say the right ones, but how likely each is.
    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998; pixel by pixel as
    in van den Oord, Kalchbrenner, Kavukcuoglu, Pixel recurrent neural networks, 2016, arXiv:1601.06759.
    """
    plain = digits()
    assert isinstance(plain.inputs, Image) and isinstance(plain.targets, Classes)
    labels = F.one_hot(plain.train.targets, len(plain.targets)).float()
    pixels = plain.train.inputs.flatten(1).long()
    greys = tuple(map(str, range(GREYS)))
    inputs = OneToMany(Vector(labels.shape[1]), (*MARKS, *greys), pixels.shape[1] + 1, "grey", plain.inputs)
    return written("drawn_digits", inputs, labels, [[greys[value] for value in row] for row in pixels.tolist()])
