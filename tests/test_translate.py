"""Targets of an encoder-decoder, a token at a time."""

import itertools
from typing import Any

import pytest
import torch
from made import made, transformer
from torch import Tensor

from nntrain.batch import Pair, Sequences
from nntrain.data.recall import reversal_pairs
from nntrain.errors import UserError
from nntrain.network import Network, head_for
from nntrain.specs import Pairs, Tokens
from nntrain.translate import Search, translate

LONGEST = 6
PAIRS = Pairs(tuple("abcde"), ("<begin>", "<end>", *"ABC"), 7, LONGEST)
RECURRENT = [
    {"cell": cell, "attention": attention}
    for cell in ("lstm", "gru", "rnn")
    for attention in ("bahdanau", "luong", {"type": "luong", "score": "dot"})
]
WRITERS: list[Any] = ["transformer", *RECURRENT]


def writer(kind: Any, pairs: Pairs = PAIRS) -> Network:
    """An encoder-decoder whose weights are so large that its answers differ."""
    targets = Tokens(pairs.target, pairs.target_length)
    torch.manual_seed(0)
    if kind == "transformer":
        net = transformer(pairs, targets, {"type": "encoder_decoder", "tied": False})
    else:
        body = made("model", {"type": "rnn_encoder_decoder", "hidden": 8, "layers": 2, **kind}, pairs, targets)
        net = Network(body, head_for(targets, body))
    assert isinstance(net.head.bias, Tensor)
    for matrix in (parameter for parameter in net.parameters() if parameter.dim() > 1):
        torch.nn.init.normal_(matrix)
    with torch.no_grad():
        net.head.bias[Pairs.end] = 0.5
    return net.eval()


def sources(count: int = 50) -> Sequences:
    return Sequences(torch.randint(5, (count, 7)), torch.randint(1, 8, (count,)))


def greedy(net: Network, source: Sequences, limits: Tensor) -> list[list[int]]:
    """The likeliest token after those before it, by full passes, up to and with the end."""
    target = torch.full((len(source.values), 1), Pairs.begin)
    for _ in range(LONGEST):
        target = torch.cat((target, net(Pair(source, Sequences(target)))[:, -1:].argmax(dim=-1)), dim=1)
    rows = [row[:limit] for row, limit in zip(target[:, 1:].tolist(), limits.tolist(), strict=True)]
    return [row[: row.index(Pairs.end) + 1] if Pairs.end in row else row for row in rows]


def rows_of(found: Sequences) -> list[list[int]]:
    assert found.lengths is not None
    return [row[:length] for row, length in zip(found.values.tolist(), found.lengths.tolist(), strict=True)]


@pytest.mark.parametrize("kind", WRITERS, ids=str)
def test_a_beam_of_one_takes_the_likeliest_token_again_and_again(kind: Any) -> None:
    net, source = writer(kind), sources()
    found = rows_of(translate(net, source))
    assert found == greedy(net, source, torch.full((50,), LONGEST))
    assert len({len(row) for row in found}) > 1


@pytest.mark.parametrize("kind", WRITERS[:3], ids=str)
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 2.0])
def test_a_beam_as_wide_as_all_targets_finds_the_best_of_all(kind: Any, length_penalty: float) -> None:
    pairs = Pairs(tuple("abcde"), ("<begin>", "<end>", *"AB"), 7, 4)
    net, source = writer(kind, pairs), sources(8)
    found = rows_of(translate(net, source, Search(beam=4**4, length_penalty=length_penalty)))
    others = [token for token in range(4) if token != Pairs.end]
    whole = [(*some, Pairs.end) for n in range(4) for some in itertools.product(others, repeat=n)]
    scores = torch.stack([score(net, source, target, length_penalty) for target in whole], dim=1)
    assert [tuple(row) for row in found] == [whole[i] for i in scores.argmax(dim=1).tolist()]


def score(net: Network, source: Sequences, target: tuple[int, ...], length_penalty: float) -> Tensor:
    """log p / ((5 + n) / 6)^a of a target for each source, by a full pass."""
    known = torch.tensor([[Pairs.begin, *target[:-1]]]).expand(len(source.values), -1)
    log_p = net(Pair(source, Sequences(known))).log_softmax(dim=-1)
    each = log_p.gather(2, torch.tensor(target).view(1, -1, 1).expand(len(log_p), -1, 1))
    return each.sum(dim=(1, 2)) / ((5 + len(target)) / 6) ** length_penalty


def test_a_wider_beam_finds_what_is_likelier_on_average() -> None:
    net, source = writer("transformer"), sources()
    narrow, wide = (rows_of(translate(net, source, Search(beam=beam, length_penalty=0.0))) for beam in (1, 8))
    ended = [i for i in range(50) if Pairs.end in narrow[i] and Pairs.end in wide[i]]

    def log_p(rows: list[list[int]]) -> Tensor:
        one = [Sequences(source.values[i : i + 1], source.lengths[i : i + 1]) for i in ended]
        return torch.stack([score(net, s, tuple(rows[i]), 0.0)[0] for i, s in zip(ended, one, strict=True)])

    assert len(ended) > 10
    assert log_p(wide).sum() > log_p(narrow).sum()


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("kind", ["transformer", RECURRENT[0], RECURRENT[1]], ids=str)
def test_a_translation_does_not_depend_on_the_others_in_its_batch(kind: Any, beam: int) -> None:
    net, source = writer(kind), sources(12)
    assert source.lengths is not None
    together = rows_of(translate(net, source, Search(beam=beam)))
    for i, length in enumerate(source.lengths.tolist()):
        alone = translate(net, Sequences(source.values[i : i + 1, :length]), Search(beam=beam))
        assert rows_of(alone) == [together[i]]


def test_a_target_is_no_longer_than_it_may_become() -> None:
    pairs = Pairs(tuple("abcde"), ("<begin>", "<end>", *"ABC"), 7, 40)
    net = writer("transformer", pairs)
    with torch.no_grad():
        net.head.bias[Pairs.end] = -100.0  # never ends
    source = Sequences(torch.zeros(2, 7, dtype=torch.long), torch.tensor([2, 7]))
    for beam in (1, 3):
        assert translate(net, source, Search(beam=beam, longest=1.5)).lengths.tolist() == [13, 20]
    assert translate(net, source, Search(longest=9.0)).lengths.tolist() == [28, 40]


def test_pairs_are_learned_and_translated() -> None:
    """A few steps: what is right under teacher forcing at every position is what is translated without a fault."""
    torch.manual_seed(0)
    source = reversal_pairs(length=3, symbols=3, examples=200)
    net = transformer(source.inputs, source.targets, "encoder_decoder", width=32, positions="sinusoidal")
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.005)
    for _ in range(60):
        logits = net(source.train.inputs)
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), source.train.targets.flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    net.eval()
    forced = net(source.train.inputs).argmax(dim=-1)
    exact = ((forced == source.train.targets) | (source.train.targets == -100)).all(dim=1)
    found = rows_of(translate(net, source.train.inputs.source))
    whole = [row == [t for t in right.tolist() if t != -100] for row, right in zip(found, source.train.targets)]  # noqa: B905
    assert exact.tolist() == whole
    assert exact.float().mean() > 0.5


def test_models_together_do_not_translate() -> None:
    with pytest.raises(UserError, match="models together do not write"):
        translate(torch.nn.Identity(), sources(1))
