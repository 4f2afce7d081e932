"""The decoder: its head, its last position, and the cache."""

import pytest
import torch
from made import transformer

from nntrain.batch import Sequences
from nntrain.specs import Classes, Tokens

TOKENS = Tokens(tuple("abcdefg"), 12)
TEXT = torch.randint(7, (3, 12), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("tied", [None, True])
def test_a_tied_head_is_the_embedding(tied: bool | None) -> None:
    net = transformer(TOKENS, TOKENS, {"type": "decoder", "tied": tied})
    assert net.head.weight is net.body.embedding.inputs.weight
    assert net.head.bias is None
    x = Sequences(TEXT)
    torch.testing.assert_close(net(x), net.body(x) @ net.body.embedding.inputs.weight.T)


def test_a_head_that_is_not_tied_has_weights_of_its_own() -> None:
    net = transformer(TOKENS, TOKENS, {"type": "decoder", "tied": False})
    assert net.head.weight is not net.body.embedding.inputs.weight
    assert net.head.bias is not None


def test_an_untrained_language_model_finds_all_tokens_equally_likely() -> None:
    torch.manual_seed(0)
    chances = transformer(TOKENS, TOKENS, "decoder")(Sequences(TEXT)).softmax(dim=-1)
    torch.testing.assert_close(chances, torch.full_like(chances, 1 / 7), rtol=0.5, atol=0)


def test_features_of_a_whole_sequence_are_those_of_its_last_position() -> None:
    one, every = transformer(TOKENS, Classes(("no", "yes")), "decoder"), transformer(TOKENS, TOKENS, "decoder")
    one.body.load_state_dict(every.body.state_dict())
    lengths = torch.tensor([12, 1, 7])
    features = every.body(Sequences(TEXT))
    torch.testing.assert_close(one.body(Sequences(TEXT)), features[:, -1])
    expected = torch.stack((features[0, 11], features[1, 0], features[2, 6]))
    torch.testing.assert_close(one.body(Sequences(TEXT, lengths)), expected)


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary", "none"])
@pytest.mark.parametrize("pieces", [[1] * 12, [5, 1, 1, 1, 4], [12], [3, 9]])
def test_logits_with_a_cache_are_those_of_the_full_pass(pieces: list[int], positions: str, norm: str) -> None:
    torch.manual_seed(0)
    net = transformer(TOKENS, TOKENS, {"type": "decoder", "norm": norm}, positions=positions).eval()
    caches = net.body.new_caches()
    found = [net.head(net.body(Sequences(piece), caches)) for piece in TEXT.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(found, dim=1), net(Sequences(TEXT)))
    assert [cache.length for cache in caches] == [12, 12]
