"""Targets of an encoder-decoder, a token at a time."""

import pytest
import torch
from made import transformer

from nntrain.batch import Pair, Sequences
from nntrain.data.recall import reversal_pairs
from nntrain.specs import Classes, Pairs, Tokens
from nntrain.translate import translate


def test_a_target_is_that_of_full_passes_up_to_its_end() -> None:
    torch.manual_seed(0)
    pairs = Pairs(tuple("abcde"), ("<begin>", "<end>", *"ABC"), 7, 6)
    net = transformer(pairs, Tokens(pairs.target, 6), {"type": "encoder_decoder", "tied": False}).eval()
    for matrix in (parameter for parameter in net.parameters() if parameter.dim() > 1):
        torch.nn.init.normal_(matrix, std=0.5)
    source = Sequences(torch.randint(5, (50, 7)), torch.randint(1, 8, (50,)))
    target = torch.full((50, 1), Pairs.begin)
    for _ in range(6):
        target = torch.cat((target, net(Pair(source, Sequences(target)))[:, -1:].argmax(dim=-1)), dim=1)
    found = translate(net, source)
    assert torch.equal(found.values, target[:, 1:])
    rows = [row.tolist() for row in target[:, 1:]]
    assert found.lengths.tolist() == [row.index(Pairs.end) + 1 if Pairs.end in row else 6 for row in rows]
    assert len(set(found.lengths.tolist())) > 1


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
    found = translate(net, source.train.inputs.source)
    whole = [
        found.values[i, : found.lengths[i]].tolist() == [t for t in row.tolist() if t != -100]
        for i, row in enumerate(source.train.targets)
    ]
    assert exact.tolist() == whole
    assert exact.float().mean() > 0.5


def test_only_an_encoder_decoder_translates() -> None:
    net = transformer(Tokens(("a", "b"), 3), Classes(("a", "b")), "encoder")
    with pytest.raises(TypeError, match="only an encoder-decoder"):
        translate(net, Sequences(torch.zeros(1, 1, dtype=torch.long)))
