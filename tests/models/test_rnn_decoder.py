"""Sequences made from one vector or image."""

from typing import Any

import pytest
import torch
from made import component

from nntrain.batch import Pair, Sequences
from nntrain.generate import Sampling, generate
from nntrain.network import Network, network_for
from nntrain.specs import Image, OneToMany, Tokens, Vector

VOCABULARY = ("<begin>", "<end>", *"abcde")


def decoder(source: Vector | Image, **settings: Any) -> Network:
    torch.manual_seed(0)
    chosen = component("model", {"type": "rnn_decoder", "hidden": 6, **settings})
    inputs = OneToMany(source, VOCABULARY, 8)
    net = network_for(chosen, inputs, Tokens(VOCABULARY, 8)).eval()
    for matrix in (parameter for parameter in net.parameters() if parameter.dim() > 1):
        torch.nn.init.normal_(matrix, std=0.7)
    assert isinstance(net, Network)
    return net


CASES = [
    (Vector(3), {}),
    (Vector(3), {"cell": "gru", "layers": 2, "embedding": 4}),
    (Image(1, 8, 8), {"encoder": {"type": "cnn", "readout": "average"}, "layers": 2}),
]


@pytest.mark.parametrize(("source", "settings"), CASES)
def test_what_is_made_token_by_token_is_what_full_passes_make(source: Vector | Image, settings: Any) -> None:
    net, given = decoder(source, **settings), torch.randn(40, *source.shape)
    known = torch.full((40, 1), OneToMany.begin)
    for _ in range(8):
        logits = net(Pair(given, Sequences(known)))
        known = torch.cat((known, logits[:, -1:].argmax(dim=-1)), dim=1)
    made = generate(net, known[:, :1], 8, Sampling(temperature=0), source=given)
    assert torch.equal(made, known)
    assert len({tuple(row) for row in made.tolist()}) > 1


def test_a_token_is_not_told_of_those_after_it() -> None:
    net, given = decoder(Vector(3)), torch.randn(5, 3)
    known = torch.randint(7, (5, 8))
    other = known.clone()
    other[:, 4:] = (other[:, 4:] + 1) % 7
    one, two = (net(Pair(given, Sequences(tokens))) for tokens in (known, other))
    assert torch.equal(one[:, :4], two[:, :4]) and not torch.equal(one[:, 4:], two[:, 4:])


def test_every_step_sees_the_source() -> None:
    """With states that forget all, what is left of the source is what stands beside each token."""
    net, known = decoder(Vector(3), cell="gru"), torch.zeros(4, 8, dtype=torch.long)
    rnn = net.body.layers
    for name, parameter in rnn.named_parameters():
        if "hh" in name:
            torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(rnn.bias_ih_l0[6:12], -30.0)  # the update gate: nothing of the state before is kept
    out = net(Pair(torch.randn(4, 3), Sequences(known)))
    torch.testing.assert_close(out, out[:, :1].expand_as(out))
    assert not torch.allclose(out[0], out[1])


def test_sequences_are_drawn_with_the_models_probabilities() -> None:
    net = decoder(Vector(3))
    given = torch.randn(1, 3).expand(4000, -1)
    torch.manual_seed(1)
    made = generate(net, torch.zeros(4000, 1, dtype=torch.long), 1, source=given)[:, 1:]
    expected = net(Pair(given[:1], Sequences(torch.zeros(1, 1, dtype=torch.long))))[0, 0].softmax(dim=0)
    found = torch.bincount(made[:, 0], minlength=7) / 4000
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0)
