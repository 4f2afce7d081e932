"""Made-up sequences that are to be remembered, and said again."""

import torch

from nntrain.batch import IGNORED, Sequences
from nntrain.data.in_memory import Examples, Source, as_they_are
from nntrain.registry import data
from nntrain.settings import Count, Whole
from nntrain.specs import Tags, Tokens

BLANK = "_"


@data("reversal", within=as_they_are)
def reversal(*, length: Count = 20, symbols: Count = 26, examples: Count = 10_000, seed: Whole = 0) -> Source:
    """Random symbols and as many blanks; at the blanks the symbols are to be said in reverse.

    inputs a_1 ... a_n _ ... _;  targets none at the first n positions, then a_n ... a_1

    Made up. Position n + t has to find what stands at n + 1 - t.
    Source: after Graves, Wayne, Danihelka, Neural Turing machines, 2014, arXiv:1410.5401, section 4.1.

    Settings:
        length: n
        symbols: how many different symbols there are
        examples: how many sequences, before they are divided
        seed: of the sequences; not the run's
    """
    said = _random(length, symbols, examples, seed)
    return _source("reversal", said, said.flip(1), symbols)


@data("copy", within=as_they_are)
def copy(*, length: Count = 20, symbols: Count = 26, examples: Count = 10_000, seed: Whole = 0) -> Source:
    """Random symbols and as many blanks; at the blanks the symbols are to be said again.

    inputs a_1 ... a_n _ ... _;  targets none at the first n positions, then a_1 ... a_n

    Made up. Position n + t has to find what stands at t, n positions before it.
    Source: Graves, Wayne, Danihelka, Neural Turing machines, 2014, arXiv:1410.5401, section 4.1.

    Settings:
        length: n
        symbols: how many different symbols there are
        examples: how many sequences, before they are divided
        seed: of the sequences; not the run's
    """
    said = _random(length, symbols, examples, seed)
    return _source("copy", said, said, symbols)


def _random(length: int, symbols: int, examples: int, seed: int) -> torch.Tensor:
    return torch.randint(symbols, (examples, length), generator=torch.Generator().manual_seed(seed))


def _source(name: str, said: torch.Tensor, expected: torch.Tensor, symbols: int) -> Source:
    names = tuple(chr(ord("a") + i) if symbols <= 26 else str(i) for i in range(symbols))
    length = 2 * said.shape[1]
    inputs = torch.cat((said, torch.full_like(said, symbols)), dim=1)
    targets = torch.cat((torch.full_like(said, IGNORED), expected), dim=1)
    return Source(name, Tokens((*names, BLANK), length), Tags(names, length), Examples(Sequences(inputs), targets))
