"""Time-delay and sequential memory networks against their sums, and what padding and the future do to them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.errors import UnfitError
from nntrain.models.fsmn import SequentialMemoryNetwork
from nntrain.models.tdnn import TimeDelayNetwork
from nntrain.network import parameter_count
from nntrain.specs import Classes, Series, Tags, Tokens

FEATURES, HIDDEN, TIME = 3, 4, 9
SERIES, TEXT = Series(FEATURES, TIME), Tokens(tuple("abcde"), TIME)
ONE, MANY = Classes(("a", "b")), Tags(("a", "b"), TIME)
LENGTHS = torch.tensor([9, 1, 4, 6])
PADDING = torch.arange(TIME) >= LENGTHS[:, None]

NETWORKS: dict[str, Callable[..., nn.Module]] = {"tdnn": TimeDelayNetwork, "fsmn": SequentialMemoryNetwork}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def series(batch: int = 4) -> Tensor:
    return torch.randn(batch, TIME, FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def at(steps: Tensor, t: int) -> Tensor:
    """The vector at a step of (time, units), zero outside."""
    return steps[t] if 0 <= t < len(steps) else torch.zeros_like(steps[0])


def tdnn_of_one(body: Any, x: Tensor, back: int, ahead: int, dilations: list[int]) -> Tensor:
    """h_t = f(sum_i W_i h_{t + i d} + b), step by step, over one sequence without padding."""
    h = x
    for layer, d in zip(body.layers, dilations, strict=True):
        weight, bias = layer.weights.weight, layer.weights.bias
        sums = [sum(weight[:, :, i + back] @ at(h, t + i * d) for i in range(-back, ahead + 1)) for t in range(len(h))]
        h = torch.tanh(torch.stack(sums) + bias)
    return h


def fsmn_of_one(body: Any, x: Tensor, back: int, ahead: int) -> Tensor:
    """m_t = sum_i a_i h_{t-i} + sum_j c_j h_{t+j};  h' = f(W h + V m + b), step by step, over one sequence."""
    h = torch.tanh(x @ body.input.weight.T + body.input.bias)
    for memory, layer in zip(body.memories, body.layers, strict=True):
        taps = memory.taps.weight[:, 0].T  # (taps, units)
        a, c = taps[: back + 1].flip(0), taps[back + 1 :]
        m = torch.stack(
            [
                sum(a[i] * at(h, t - i) for i in range(back + 1))
                + sum(c[j - 1] * at(h, t + j) for j in range(1, ahead + 1))
                for t in range(len(h))
            ]
        )
        W, V = layer.weight.chunk(2, dim=1)
        h = torch.tanh(h @ W.T + m @ V.T + layer.bias)
    return h


@pytest.mark.parametrize(("back", "ahead", "dilations"), [(2, 1, [1, 2]), (0, 2, [3]), (2, 0, [1, 1, 4]), (0, 0, [1])])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_the_time_delay_network_by_its_sums(
    back: int, ahead: int, dilations: list[int], lengths: Tensor | None
) -> None:
    torch.manual_seed(0)
    settings: Any = {"look_back": back, "look_ahead": ahead, "dilations": dilations, "activation": "tanh"}
    many, one = (TimeDelayNetwork(SERIES, t, hidden=HIDDEN, **settings).double() for t in (MANY, ONE))
    one.load_state_dict(many.state_dict())
    x = series()
    for i, length in enumerate([TIME] * 4 if lengths is None else lengths.tolist()):
        expected = tdnn_of_one(many, x[i, :length], back, ahead, dilations)
        close(many(Sequences(x, lengths))[i, :length], expected)
        close(one(Sequences(x, lengths))[i], expected.mean(dim=0))


@pytest.mark.parametrize(("back", "ahead", "layers"), [(2, 1, 2), (0, 3, 1), (3, 0, 3), (0, 0, 1), (20, 20, 2)])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_the_memory_network_by_its_sums(back: int, ahead: int, layers: int, lengths: Tensor | None) -> None:
    torch.manual_seed(0)
    settings: Any = {"look_back": back, "look_ahead": ahead, "layers": layers, "activation": "tanh"}
    many, one = (SequentialMemoryNetwork(SERIES, t, hidden=HIDDEN, **settings).double() for t in (MANY, ONE))
    one.load_state_dict(many.state_dict())
    x = series()
    for i, length in enumerate([TIME] * 4 if lengths is None else lengths.tolist()):
        expected = fsmn_of_one(many, x[i, :length], back, ahead)
        close(many(Sequences(x, lengths))[i, :length], expected)
        close(one(Sequences(x, lengths))[i], expected.mean(dim=0))


@every_network
@pytest.mark.parametrize("targets", [ONE, MANY])
def test_padding_changes_nothing(network: Any, targets: Any) -> None:
    torch.manual_seed(0)
    body, x = network(SERIES, targets, hidden=HIDDEN).double(), series()
    outputs = body(Sequences(x, LENGTHS))
    assert torch.equal(body(Sequences(x.masked_fill(PADDING.unsqueeze(-1), torch.nan), LENGTHS)), outputs)
    longer = body(Sequences(F.pad(x, (0, 0, 0, 5)), LENGTHS))
    if targets is MANY:
        close(longer[:, :TIME][~PADDING], outputs[~PADDING])
    else:
        close(longer, outputs)


@every_network
def test_tokens_are_embedded_and_their_padding_changes_nothing(network: Any) -> None:
    torch.manual_seed(0)
    body = network(TEXT, ONE, hidden=HIDDEN, embedding=FEATURES)
    same = network(SERIES, ONE, hidden=HIDDEN)
    same.load_state_dict(body.state_dict(), strict=False)
    tokens = torch.randint(5, (4, TIME))
    outputs = body(Sequences(tokens, LENGTHS))
    close(outputs, same(Sequences(body.frames.embedding(tokens), LENGTHS)))
    assert torch.equal(body(Sequences((tokens + 1).where(PADDING, tokens) % 5, LENGTHS)), outputs)
    assert network(TEXT, ONE, hidden=HIDDEN).frames.embedding.weight.shape == (5, HIDDEN)


@every_network
def test_without_looking_ahead_the_future_changes_nothing(network: Any) -> None:
    torch.manual_seed(0)
    x, other = series(), series()
    other[:, 5:] += 1
    for ahead, sees in ((0, False), (1, True)):
        body = network(SERIES, MANY, hidden=HIDDEN, look_ahead=ahead, activation="tanh").double()
        before, after = body(Sequences(x)), body(Sequences(other))
        assert torch.equal(before[:, :5], after[:, :5]) is not sees
        assert not torch.isclose(before[:, 5:], after[:, 5:]).any()


@every_network
def test_a_language_model_may_not_look_ahead(network: Any) -> None:
    with pytest.raises(UnfitError, match="next tokens, which the model must not see; write 0") as refused:
        network(TEXT, TEXT)
    assert refused.value.path == ("look_ahead",)
    body = network(TEXT, TEXT, look_ahead=0)
    tokens = torch.randint(5, (2, TIME))
    assert torch.equal(
        body(Sequences(tokens))[:, :3], body(Sequences(tokens.index_fill(1, torch.tensor([3]), 0)))[:, :3]
    )


@every_network
def test_an_embedding_of_series_is_refused(network: Any) -> None:
    with pytest.raises(UnfitError, match="only tokens are embedded, and the inputs are series of 9 steps") as refused:
        network(SERIES, ONE, embedding=5)
    assert refused.value.path == ("embedding",)


@pytest.mark.parametrize("dilations", [[], [1], [1, 5, 9]])
def test_parameters_of_the_time_delay_network(dilations: list[int]) -> None:
    body = TimeDelayNetwork(SERIES, ONE, hidden=10, look_back=2, look_ahead=4, dilations=dilations)
    sizes = [FEATURES, *[10] * len(dilations)]
    assert parameter_count(body) == sum(7 * below * 10 + 10 for below in sizes[:-1])
    assert body.features == sizes[-1]


@pytest.mark.parametrize("layers", [1, 3])
def test_parameters_of_the_memory_network(layers: int) -> None:
    body = SequentialMemoryNetwork(SERIES, ONE, hidden=10, layers=layers, look_back=2, look_ahead=4)
    assert parameter_count(body) == (FEATURES + 1) * 10 + layers * (7 * 10 + (2 * 10 + 1) * 10)


@every_network
def test_dropout_acts_in_training_only(network: Any) -> None:
    torch.manual_seed(0)
    body, x = network(SERIES, MANY, hidden=400, dropout=0.3, activation="sigmoid"), Sequences(series().float())
    assert (body(x) == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    body.eval()
    assert torch.equal(body(x), body(x)) and not (body(x) == 0).any()


@every_network
def test_derivatives_and_low_precision(network: Any) -> None:
    torch.manual_seed(0)
    body, x = network(SERIES, ONE, hidden=HIDDEN, activation="tanh"), series()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = body(Sequences(x.float(), LENGTHS))
    torch.testing.assert_close(low.float(), body(Sequences(x.float(), LENGTHS)), atol=0.03, rtol=0.03)
    x.requires_grad_()
    body.double()
    assert torch.autograd.gradcheck(lambda x: body(Sequences(x, LENGTHS)), x, fast_mode=True)
