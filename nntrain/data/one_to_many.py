"""Vectors or images, and the sequences that are made from them."""

from collections.abc import Iterator, Sequence
from importlib import import_module

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nntrain.batch import IGNORED, Pair, Sequences
from nntrain.data.in_memory import Examples, Source
from nntrain.data.plain_files import READERS, Piece
from nntrain.specs import OneToMany, Tokens

MARKS = ("<begin>", "<end>")  # the first tokens of the vocabulary, as `OneToMany` has them


def written(name: str, inputs: OneToMany, sources: Tensor, sequences: Sequence[Sequence[str]]) -> Source:
    """A set of sources (n, ...), each with the tokens of its sequence, without marks.

    What is known of a sequence begins with the first mark; what is to be predicted ends with the second.
    """
    numbers = {token: number for number, token in enumerate(inputs.vocabulary)}
    rows = [torch.tensor([numbers[token] for token in sequence], dtype=torch.long) for sequence in sequences]
    begin, end = (torch.tensor([mark]) for mark in (OneToMany.begin, OneToMany.end))
    known = pad_sequence([torch.cat((begin, row)) for row in rows], batch_first=True, padding_value=OneToMany.end)
    following = pad_sequence([torch.cat((row, end)) for row in rows], batch_first=True, padding_value=IGNORED)
    lengths = torch.tensor([len(row) + 1 for row in rows])
    targets = Tokens(inputs.vocabulary, inputs.target_length, inputs.unit)
    return Source(name, inputs, targets, Examples(Pair(sources, Sequences(known, lengths)), following))


def read(inputs: OneToMany, paths: Sequence[str]) -> Iterator[Piece]:
    """The sources in files, of whose sequences only the beginning is known."""
    for piece in import_module(READERS[type(inputs.source)]).read(inputs.source, paths):
        if piece.inputs is None:
            yield piece
            continue
        count = len(piece.inputs)
        begun = Sequences(torch.full((count, 1), OneToMany.begin), torch.ones(count, dtype=torch.long))
        yield Piece(Pair(piece.inputs, begun), piece.sources, piece.failures)
