"""Attentions of recurrent decoders: against their formulas, without padding, and step by step."""

from typing import Any

import pytest
import torch
from made import made
from torch import Tensor, nn

from nntrain.attentions.bahdanau import Bahdanau
from nntrain.attentions.luong import Luong
from nntrain.batch import Pair, Sequences
from nntrain.errors import UnfitError
from nntrain.forms.attention import Memory
from nntrain.specs import Pairs, Tokens

HIDDEN, EMBEDDED, MEMORY = 4, 3, 6
PAIRS = Pairs(tuple("abcde"), ("<begin>", "<end>", *"ABC"), 7, 6)


def layers(features: int) -> nn.RNNBase:
    return nn.GRU(features, HIDDEN, num_layers=2, batch_first=True)


def given() -> tuple[Tensor, tuple[Tensor, ...], Memory]:
    torch.manual_seed(1)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    return torch.randn(2, 4, EMBEDDED), (torch.randn(2, 2, HIDDEN),), Memory(torch.randn(2, 5, MEMORY), mask)


@pytest.mark.parametrize("score", ["general", "dot"])
def test_luong_looks_with_the_state_after_each_step(score: Any) -> None:
    torch.manual_seed(0)
    x, states, memory = given()
    if score == "dot":
        memory = memory._replace(features=memory.features[..., :HIDDEN])
    seen = memory.features.shape[2]
    attention = Luong(layers, EMBEDDED, HIDDEN, seen, score=score)
    features, after = attention(x, states, memory)
    for i in range(2):
        h = states[0][:, i : i + 1]
        source = memory.features[i, : int(memory.mask[i].sum())]  # type: ignore[index]
        for t in range(4):
            out, h = attention.layers(x[i : i + 1, t : t + 1], h)
            query = out.flatten()
            keys = source @ attention.key.weight.T if score == "general" else source
            weights = torch.exp(keys @ query) / torch.exp(keys @ query).sum()
            context = weights @ source
            expected = torch.tanh(attention.out(torch.cat((context, query))))
            torch.testing.assert_close(features[i, t], expected)
        torch.testing.assert_close(after[0][:, i : i + 1], h)


def test_bahdanau_looks_with_the_state_before_each_step() -> None:
    torch.manual_seed(0)
    x, states, memory = given()
    attention = Bahdanau(layers, EMBEDDED, HIDDEN, MEMORY, units=5)
    features, _ = attention(x, states, memory)
    for i in range(2):
        h = states[0][:, i : i + 1]
        source = memory.features[i, : int(memory.mask[i].sum())]  # type: ignore[index]
        for t in range(4):
            query = attention.query(h[-1, 0])
            scores = torch.stack([attention.score(torch.tanh(query + attention.key(m))) for m in source]).flatten()
            context = scores.softmax(dim=0) @ source
            out, h = attention.layers(torch.cat((x[i, t], context)).view(1, 1, -1), h)
            expected = torch.tanh(attention.out(torch.cat((out.flatten(), context, x[i, t]))))
            torch.testing.assert_close(features[i, t], expected)


@pytest.mark.parametrize("attention", ["bahdanau", "luong"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_no_token_depends_on_those_after_it_nor_on_padding(attention: str, cell: str) -> None:
    torch.manual_seed(0)
    settings = {"type": "rnn_encoder_decoder", "hidden": 8, "layers": 2, "cell": cell, "attention": attention}
    net = made("model", settings, PAIRS, Tokens(PAIRS.target, 6)).eval()
    source = Sequences(torch.randint(5, (3, 7)), torch.tensor([7, 4, 1]))
    target = torch.randint(5, (3, 6))
    features = net(Pair(source, Sequences(target)))
    later = target.clone()
    later[:, 3:] = (later[:, 3:] + 1) % 5
    torch.testing.assert_close(net(Pair(source, Sequences(later)))[:, :3], features[:, :3])
    assert not torch.allclose(net(Pair(source, Sequences(later)))[:, 3:], features[:, 3:])
    alone = net(Pair(Sequences(source.values[1:2, :4]), Sequences(target[1:2])))
    torch.testing.assert_close(alone[0], features[1])
    other = net(Pair(Sequences(source.values.roll(1, 1), source.lengths), Sequences(target)))
    assert not torch.allclose(other[0], features[0])  # the source is seen


def test_units_that_two_directions_cannot_share_are_refused() -> None:
    with pytest.raises(UnfitError, match="take an even number"):
        made("model", {"type": "rnn_encoder_decoder", "hidden": 7}, PAIRS, Tokens(PAIRS.target, 6))
