"""Vectors or images, and the sequences that are made from them."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nntrain.batch import IGNORED, Pair, Sequences
from nntrain.data import plain_files
from nntrain.data.in_memory import Examples
from nntrain.data.plain_files import Piece
from nntrain.specs import OneToMany

MARKS = ("<begin>", "<end>")  # the first tokens of the vocabulary, as `OneToMany` has them


def examples(source: Tensor, tokens: Tensor, lengths: Tensor) -> Examples:
    """Sources (n, ...), and tokens (n, time) of which so many are each source's, without the marks.

    What is to be predicted ends with the mark of the end, IGNORED behind it; what is known begins with the other.
    """
    places = torch.arange(tokens.shape[1] + 1)
    begin = torch.full((len(tokens), 1), OneToMany.begin)
    known = torch.cat((begin, tokens), dim=1)
    following = torch.cat((tokens, begin), dim=1).masked_fill(places == lengths[:, None], OneToMany.end)
    following = following.masked_fill(places > lengths[:, None], IGNORED)
    known = known.masked_fill(places > lengths[:, None], OneToMany.begin)
    return Examples(Pair(source, Sequences(known, lengths + 1)), following)


def read(inputs: OneToMany, paths: Sequence[str]) -> Iterator[Piece]:
    """The sources in files, of whose sequences only the beginning is known."""
    for piece in plain_files.read(inputs.source, paths):
        if piece.inputs is None:
            yield piece
            continue
        count = len(piece.inputs)
        begun = Sequences(torch.full((count, 1), OneToMany.begin), torch.ones(count, dtype=torch.long))
        yield Piece(Pair(piece.inputs, begun), piece.sources, piece.failures)
