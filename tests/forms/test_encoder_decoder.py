"""Encoder and decoder: masks, the cache, the head."""

import pytest
import torch
from made import transformer

from nntrain.batch import Pair, Sequences
from nntrain.network import Network
from nntrain.specs import Pairs, Tokens

PAIRS = Pairs(tuple("abcdefg"), tuple("ABCDE"), 9, 6)
SOURCE = torch.randint(7, (4, 9), generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(5, (4, 6), generator=torch.Generator().manual_seed(1))
POSITIONS = ("learned", "sinusoidal", "rotary", "none")


def network(positions: str = "learned", **form: object) -> Network:
    torch.manual_seed(0)
    targets = Tokens(PAIRS.target, 6)
    return transformer(PAIRS, targets, {"type": "encoder_decoder", **form}, positions=positions).eval()


@pytest.mark.parametrize("positions", POSITIONS)
def test_the_target_is_seen_up_to_each_position(positions: str) -> None:
    net = network(positions)
    others = TARGET.clone()
    others[:, 3:] = (others[:, 3:] + 1) % 5
    found, changed = (net(Pair(Sequences(SOURCE), Sequences(target))) for target in (TARGET, others))
    torch.testing.assert_close(found[:, :3], changed[:, :3], rtol=0, atol=0)
    assert (found[:, 3:] != changed[:, 3:]).any(dim=-1).all()


@pytest.mark.parametrize("positions", POSITIONS)
def test_the_source_is_seen_from_each_position_but_for_its_padding(positions: str) -> None:
    net, lengths = network(positions), torch.tensor([9, 1, 5, 8])
    mask = Sequences(SOURCE, lengths).mask()
    found = net(Pair(Sequences(SOURCE, lengths), Sequences(TARGET)))
    other_padding = torch.where(mask, SOURCE, (SOURCE + 1) % 7)
    other_source = torch.where(mask, (SOURCE + 1) % 7, SOURCE)
    torch.testing.assert_close(net(Pair(Sequences(other_padding, lengths), Sequences(TARGET))), found)
    assert (net(Pair(Sequences(other_source, lengths), Sequences(TARGET))) != found).any(dim=-1).all()


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("positions", POSITIONS)
def test_logits_with_a_cache_are_those_of_the_full_pass(positions: str, norm: str) -> None:
    net, source = network(positions, norm=norm), Sequences(SOURCE, torch.tensor([9, 1, 5, 8]))
    memory, caches = net.body.encode(source), net.body.new_caches()
    found = [net.head(net.body.decode(Sequences(token), memory, caches)) for token in TARGET.split(1, dim=1)]
    torch.testing.assert_close(torch.cat(found, dim=1), net(Pair(source, Sequences(TARGET))))


def test_a_tied_head_is_the_targets_embedding() -> None:
    tied, untied = network(), network(tied=False)
    assert tied.head.weight is tied.body.target_embedding.inputs.weight
    assert untied.head.weight.shape == (5, 16)
    assert untied.head.weight is not untied.body.target_embedding.inputs.weight
