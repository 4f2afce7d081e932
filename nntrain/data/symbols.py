"""Sequences of symbols in files: a sequence a line, blanks between its symbols."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import torch

from nntrain.batch import Pair, Sequences
from nntrain.data.lines import Fault, Line, lines
from nntrain.data.plain_files import Piece
from nntrain.data.ragged import Ragged
from nntrain.errors import UserError
from nntrain.specs import Pairs, Tokens

PIECE = 1000  # lines that are read at a time


def read(inputs: Tokens | Pairs, paths: Sequence[str]) -> Iterator[Piece]:
    """The sequences in files, by the symbols that the model was trained on; of pairs the sources."""
    names = inputs.source if isinstance(inputs, Pairs) else inputs.vocabulary
    numbers = {name: number for number, name in enumerate(names)}
    for path in paths:
        found = lines(path)
        try:
            while some := list(islice(found, PIECE)):
                yield _piece(inputs, some, numbers)
        except UserError as error:
            yield Piece(None, [], [str(error)])


def _piece(inputs: Tokens | Pairs, some: Sequence[Line | Fault], numbers: Mapping[str, int]) -> Piece:
    rows, sources, failures = [], [], []
    for line in some:
        fault = line if isinstance(line, Fault) else _fault(line, numbers)
        if fault is not None:
            failures.append(str(fault))
        elif not isinstance(line, Fault):
            rows.append(np.array([numbers[name] for name in line[1].split()], dtype=np.int32))
            sources.append(line[0]._asdict())
    if not rows:
        return Piece(None, [], failures)
    sequences = Ragged.of(rows).padded(torch.arange(len(rows)))
    begin = Sequences(torch.full((len(rows), 1), Pairs.begin), torch.ones(len(rows), dtype=torch.long))
    return Piece(Pair(sequences, begin) if isinstance(inputs, Pairs) else sequences, sources, failures)


def _fault(line: Line, numbers: Mapping[str, int]) -> Fault | None:
    place, text = line
    unknown = next((name for name in text.split() if name not in numbers), None)
    if unknown is not None:
        return Fault(place, f"the symbol '{unknown}' is not one of those of the training set")
    return None if text.split() else Fault(place, "there are no symbols")
