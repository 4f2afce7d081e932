"""The encoder: segments, readout, pooler."""

import pytest
import torch
from made import transformer

from nntrain.batch import Sequences
from nntrain.specs import Classes, Tokens

TWO = Classes(("no", "yes"))
TOKENS = Tokens((*"abcdef", "|"), 9)
TEXT = torch.tensor([[0, 1, 6, 2, 3, 6, 4], [0, 1, 2, 3, 4, 5, 5]])


def encoder(**settings: object) -> torch.nn.Module:
    return transformer(TOKENS, TWO, {"type": "encoder", **settings}).body


def test_a_segment_ends_with_the_first_separator() -> None:
    segments = encoder(separator="|").segments
    first, second = segments.embedding.weight
    found = segments(TEXT)
    torch.testing.assert_close(found[0], torch.stack([first] * 3 + [second] * 4))
    torch.testing.assert_close(found[1], first.expand(7, -1))


def test_segments_are_added_to_the_embedded_tokens() -> None:
    body = encoder(separator="|", readout="first")
    with torch.no_grad():
        body.segments.embedding.weight[1] = body.segments.embedding.weight[0]
    torch.testing.assert_close(body(Sequences(TEXT)), body(Sequences(TEXT)))
    with_equal = body(Sequences(TEXT))
    with torch.no_grad():
        body.segments.embedding.weight[1] += torch.randn(16)
    assert not torch.allclose(body(Sequences(TEXT))[0], with_equal[0])
    torch.testing.assert_close(body(Sequences(TEXT))[1], with_equal[1])


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("readout", [None, "mean", "first"])
def test_the_readout_is_the_mean_of_true_positions_or_the_first(readout: str | None, norm: str) -> None:
    body, lengths, stack = encoder(norm=norm, readout=readout), torch.tensor([7, 3]), list[torch.Tensor]()
    body.stack.register_forward_hook(lambda module, inputs, output: stack.append(output))
    found, h = body(Sequences(TEXT, lengths)), stack[0]
    expected = h[:, 0] if readout == "first" else torch.stack((h[0].mean(dim=0), h[1, :3].mean(dim=0)))
    torch.testing.assert_close(found, expected)


def test_the_pooler_is_a_layer_upon_the_readout() -> None:
    body = encoder(readout="first", pooler=True)
    stack: list[torch.Tensor] = []
    body.stack.register_forward_hook(lambda module, inputs, output: stack.append(output))
    found, linear = body(Sequences(TEXT)), body.pooler[0]
    torch.testing.assert_close(found, torch.tanh(stack[0][:, 0] @ linear.weight.T + linear.bias))
