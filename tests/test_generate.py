"""Text from a language model."""

import pytest
import torch
from made import made, transformer

from nntrain.batch import Sequences
from nntrain.generate import Sampling, generate
from nntrain.network import Network, head_for
from nntrain.specs import Classes, Tokens

TOKENS = Tokens(tuple("abcdefg"), 12)
GREEDY = Sampling(temperature=0)
LOGITS = torch.log(torch.tensor([[0.1, 0.4, 0.3, 0.2]]))


def drawn(sampling: Sampling, count: int = 4000) -> torch.Tensor:
    """How often each token is drawn."""
    generator = torch.Generator().manual_seed(0)
    return torch.bincount(sampling.draw(LOGITS.expand(count, -1), generator), minlength=4) / count


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.1, 0.4, 0.3, 0.2]),
        (Sampling(temperature=0), [0, 1, 0, 0]),
        (Sampling(temperature=0.5), [1 / 30, 16 / 30, 9 / 30, 4 / 30]),
        (Sampling(top_k=2), [0, 4 / 7, 3 / 7, 0]),
        (Sampling(top_k=1), [0, 1, 0, 0]),
        (Sampling(top_k=9), [0.1, 0.4, 0.3, 0.2]),
        (Sampling(top_p=0.5), [0, 4 / 7, 3 / 7, 0]),
        (Sampling(top_p=0.3), [0, 1, 0, 0]),
        (Sampling(top_p=0.85), [0, 4 / 9, 3 / 9, 2 / 9]),
        (Sampling(top_k=3, top_p=0.5), [0, 4 / 7, 3 / 7, 0]),
    ],
)
def test_tokens_are_drawn_as_likely_as_they_are(sampling: Sampling, expected: list[float]) -> None:
    found = drawn(sampling)
    torch.testing.assert_close(found, torch.tensor(expected).float(), rtol=0, atol=0.025)
    assert ((found == 0) == (torch.tensor(expected) == 0)).all()


def model(positions: str = "rotary") -> torch.nn.Module:
    torch.manual_seed(0)
    net = transformer(TOKENS, TOKENS, {"type": "decoder", "tied": False}, positions=positions).eval()
    for matrix in (parameter for parameter in net.parameters() if parameter.dim() > 1):
        torch.nn.init.normal_(matrix, std=0.5)
    return net


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
def test_the_most_likely_tokens_are_those_of_full_passes(positions: str) -> None:
    net, text = model(positions), torch.tensor([[0, 1, 2], [6, 5, 4]])
    found = generate(net, text, 9, GREEDY)
    for _ in range(9):
        text = torch.cat((text, net(Sequences(text))[:, -1:].argmax(dim=-1)), dim=1)
    assert torch.equal(found, text)
    assert found.shape == (2, 12)
    assert len(found.unique()) > 3


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
def test_a_text_may_be_longer_than_those_of_the_training(positions: str) -> None:
    net, text = model(positions), torch.tensor([[0, 1, 2]])
    found = generate(net, text, 24, GREEDY)
    assert found.shape == (1, 27)
    starts = [0] * 10 + [7] * 7 + [14] * 7  # where it has seen 12 tokens it goes on from the last 6
    for start, end in zip(starts, range(3, 27), strict=True):
        assert found[0, end] == net(Sequences(found[:, start:end]))[0, -1].argmax(), end


def test_a_prompt_may_be_longer_than_the_sequences_of_the_training() -> None:
    net, text = model("learned"), torch.randint(7, (1, 40))
    found = generate(net, text, 3, GREEDY)
    assert torch.equal(found[:, :40], text)
    assert found[0, 40] == net(Sequences(text[:, -12:]))[0, -1].argmax()


def test_the_same_generator_draws_the_same_text() -> None:
    net, prompt = model(), torch.zeros(1, 1, dtype=torch.long)
    texts = [generate(net, prompt, 30, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(texts[0], texts[1])
    assert not torch.equal(texts[0], texts[2])


def test_a_network_that_keeps_nothing_reads_the_last_tokens_anew() -> None:
    torch.manual_seed(0)
    body = made("model", {"type": "lstm", "hidden": 8}, TOKENS, TOKENS)
    net, text = Network(body, head_for(TOKENS, body)).eval(), torch.tensor([[0, 1, 2]])
    found = generate(net, text, 9, GREEDY, context=5)
    for end in range(3, 12):
        assert found[0, end] == net(Sequences(found[:, max(0, end - 5) : end]))[0, -1].argmax(), end


def test_only_a_language_model_goes_on_with_a_text() -> None:
    with pytest.raises(TypeError, match="only a language model"):
        generate(transformer(TOKENS, Classes(("a", "b")), "encoder"), torch.zeros(1, 1, dtype=torch.long), 1)


def test_the_most_likely_token_is_kept_whatever_top_p_is() -> None:
    assert drawn(Sampling(top_p=0.0)).tolist() == [0, 1, 0, 0]
