"""Made-up sequences that are to be remembered, and said again."""

import torch

from nntrain.batch import IGNORED, Pair, Sequences
from nntrain.data.in_memory import Examples, Source, as_they_are
from nntrain.registry import data
from nntrain.settings import Count, Whole
from nntrain.specs import Pairs, Tags, Tokens

BLANK = "_"
BEGIN, END = "<begin>", "<end>"


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


@data("reversal_pairs", within=as_they_are)
def reversal_pairs(*, length: Count = 10, symbols: Count = 26, examples: Count = 10_000, seed: Whole = 0) -> Source:
    """Random symbols, up to `length` of them, to be translated into the same in reverse.

    source a_1 ... a_n;  target <begin> a_n ... a_1;  what is to be predicted a_n ... a_1 <end>

    Made up. Every n is equally likely. Since each token is predicted from the right ones before it, exact_match is
    the share of sequences that a model which always goes on with its most likely token translates without a fault.
    Source: after Sutskever, Vinyals, Le, Sequence to sequence learning, 2014, arXiv:1409.3215, who reverse sources.

    Settings:
        length: the longest n
        symbols: how many different symbols there are
        examples: how many pairs, before they are divided
        seed: of the pairs; not the run's
    """
    generator = torch.Generator().manual_seed(seed)
    said = torch.randint(symbols, (examples, length), generator=generator)
    lengths = torch.randint(1, length + 1, (examples,), generator=generator)
    places = torch.arange(length + 1)
    backwards = said.gather(1, (lengths[:, None] - 1 - places[:length]).clamp(min=0)) + 2  # after <begin> and <end>
    begin = torch.full((examples, 1), Pairs.begin)
    target = torch.cat((begin, backwards), dim=1)
    following = torch.cat((backwards, begin), dim=1).masked_fill(places == lengths[:, None], Pairs.end)
    names = _names(symbols)
    return Source(
        "reversal_pairs",
        Pairs(names, (BEGIN, END, *names), length, length + 1),
        Tokens((BEGIN, END, *names), length + 1),
        Examples(
            Pair(Sequences(said, lengths), Sequences(target, lengths + 1)),
            following.masked_fill(places > lengths[:, None], IGNORED),
        ),
    )


def _random(length: int, symbols: int, examples: int, seed: int) -> torch.Tensor:
    return torch.randint(symbols, (examples, length), generator=torch.Generator().manual_seed(seed))


def _source(name: str, said: torch.Tensor, expected: torch.Tensor, symbols: int) -> Source:
    names, length = _names(symbols), 2 * said.shape[1]
    inputs = torch.cat((said, torch.full_like(said, symbols)), dim=1)
    targets = torch.cat((torch.full_like(said, IGNORED), expected), dim=1)
    return Source(name, Tokens((*names, BLANK), length), Tags(names, length), Examples(Sequences(inputs), targets))


def _names(symbols: int) -> tuple[str, ...]:
    return tuple(chr(ord("a") + i) if symbols <= 26 else str(i) for i in range(symbols))
