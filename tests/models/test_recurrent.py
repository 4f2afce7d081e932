"""Recurrent networks against their written formulas, and what padding, the future and the settings do to them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.errors import UnfitError
from nntrain.models.gru import gru
from nntrain.models.higher_order_rnn import higher_order_rnn
from nntrain.models.lstm import lstm
from nntrain.models.recurrent import Recurrent
from nntrain.models.rnn import rnn
from nntrain.network import parameter_count
from nntrain.specs import Classes, Series, Tags, Tokens, Values, Vector

FEATURES, HIDDEN, TIME = 3, 4, 7
SERIES = Series(FEATURES, TIME)
ONE, MANY = Classes(("a", "b")), Tags(("a", "b"), TIME)
LENGTHS = torch.tensor([7, 1, 4, 6])
State = tuple[Tensor, ...]

NETWORKS: dict[str, Callable[..., Recurrent]] = {
    "rnn": rnn,
    "lstm": lstm,
    "squashed lstm": lambda *given, **settings: lstm(*given, cell="squashed", **settings),
    "gru": gru,
    "higher order": lambda *given, **settings: higher_order_rnn(*given, order=3, **settings),
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def series(batch: int = 4, time: int = TIME) -> Tensor:
    return torch.randn(batch, time, FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def rnn_step(cell: nn.Module, x: Tensor, h: Tensor) -> State:
    return (torch.tanh(cell.weight_ih_l0 @ x + cell.bias_ih_l0 + cell.weight_hh_l0 @ h + cell.bias_hh_l0),)


def relu_step(cell: nn.Module, x: Tensor, h: Tensor) -> State:
    return (F.relu(cell.weight_ih_l0 @ x + cell.bias_ih_l0 + cell.weight_hh_l0 @ h + cell.bias_hh_l0),)


def lstm_step(cell: nn.Module, x: Tensor, h: Tensor, c: Tensor) -> State:
    wi, wf, wc, wo = cell.weight_ih_l0.chunk(4)
    ui, uf, uc, uo = cell.weight_hh_l0.chunk(4)
    bi, bf, bc, bo = (cell.bias_ih_l0 + cell.bias_hh_l0).chunk(4)
    i, f, o = (torch.sigmoid(w @ x + u @ h + b) for w, u, b in ((wi, ui, bi), (wf, uf, bf), (wo, uo, bo)))
    c = f * c + i * torch.tanh(wc @ x + uc @ h + bc)
    return o * torch.tanh(c), c


def squashed_step(cell: nn.Module, x: Tensor, h: Tensor, c: Tensor) -> State:
    (wi, wf, wc, wo), (ui, uf, uc, uo) = cell.weight_xh.chunk(4), cell.weight_hh.chunk(4)
    bi, bf, bc, bo = cell.bias.chunk(4)
    i, f, o = (torch.sigmoid(w @ x + u @ h + b) for w, u, b in ((wi, ui, bi), (wf, uf, bf), (wo, uo, bo)))
    c = torch.sigmoid(f * c + i * torch.tanh(wc @ x + uc @ h + bc))
    return o * torch.tanh(c), c


def gru_step(cell: nn.Module, x: Tensor, h: Tensor) -> State:
    (wr, wz, wn), (ur, uz, un) = cell.weight_ih_l0.chunk(3), cell.weight_hh_l0.chunk(3)
    (br, bz, bn), (dr, dz, dn) = cell.bias_ih_l0.chunk(3), cell.bias_hh_l0.chunk(3)
    r = torch.sigmoid(wr @ x + br + ur @ h + dr)
    z = torch.sigmoid(wz @ x + bz + uz @ h + dz)
    n = torch.tanh(wn @ x + bn + r * (un @ h + dn))
    return ((1 - z) * n + z * h,)


def order_3_step(cell: nn.Module, x: Tensor, h1: Tensor, h2: Tensor, h3: Tensor) -> State:
    u1, u2, u3 = cell.weight_hh.chunk(3, dim=1)
    return torch.tanh(u1 @ h1 + u2 @ h2 + u3 @ h3 + cell.weight_xh @ x + cell.bias), h1, h2


FORMULAS: dict[str, tuple[Callable[..., Recurrent], Callable[..., State], int]] = {
    "rnn": (rnn, rnn_step, 1),
    "rnn with relu": (lambda *given, **settings: rnn(*given, activation="relu", **settings), relu_step, 1),
    "lstm": (lstm, lstm_step, 2),
    "squashed lstm": (NETWORKS["squashed lstm"], squashed_step, 2),
    "gru": (gru, gru_step, 1),
    "higher order": (NETWORKS["higher order"], order_3_step, 3),
}
every_formula = pytest.mark.parametrize(("network", "step", "kept"), FORMULAS.values(), ids=FORMULAS)


def loop(cell: nn.Module, step: Callable[..., State], kept: int, xs: Tensor) -> Tensor:
    """The states of one sequence (time, hidden), step by step."""
    state: State = (torch.zeros(HIDDEN, dtype=torch.float64),) * kept
    states = []
    for x in xs:
        state = step(cell, x, *state)
        states.append(state[0])
    return torch.stack(states)


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


@every_formula
def test_states_by_the_formula(network: Any, step: Any, kept: int) -> None:
    torch.manual_seed(0)
    body, x = network(SERIES, MANY, hidden=HIDDEN).double(), series()
    expected = torch.stack([loop(body.layers[0].forwards, step, kept, xs) for xs in x])
    close(body(Sequences(x)), expected)
    one = network(SERIES, ONE, hidden=HIDDEN).double()
    one.load_state_dict(body.state_dict())
    close(one(Sequences(x)), expected[:, -1])


@every_formula
def test_two_layers_in_both_directions_over_padded_sequences(network: Any, step: Any, kept: int) -> None:
    torch.manual_seed(0)
    body, x = network(SERIES, MANY, hidden=HIDDEN, layers=2, bidirectional=True).double(), series()
    one = network(SERIES, ONE, hidden=HIDDEN, layers=2, bidirectional=True).double()
    one.load_state_dict(body.state_dict())
    states, ends = body(Sequences(x, LENGTHS)), one(Sequences(x, LENGTHS))
    assert states.shape == (4, TIME, 2 * HIDDEN)
    for i, length in enumerate(LENGTHS.tolist()):
        values = x[i, :length]
        for layer in body.layers:
            backwards = loop(layer.backwards, step, kept, values.flip(0)).flip(0)
            values = torch.cat((loop(layer.forwards, step, kept, values), backwards), dim=1)
        close(states[i, :length], values)
        close(ends[i], torch.cat((values[-1, :HIDDEN], values[0, HIDDEN:])))


@every_network
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("targets", [ONE, MANY])
def test_padding_changes_nothing(network: Any, bidirectional: bool, targets: Any) -> None:
    torch.manual_seed(0)
    body = network(SERIES, targets, hidden=HIDDEN, layers=2, bidirectional=bidirectional).double()
    x, padding = series(), torch.arange(TIME) >= LENGTHS[:, None]
    outputs = body(Sequences(x, LENGTHS))
    assert torch.equal(body(Sequences(x.masked_fill(padding.unsqueeze(-1), torch.nan), LENGTHS)), outputs)
    longer = body(Sequences(F.pad(x, (0, 0, 0, 3)), LENGTHS))
    shorter = body(Sequences(x[2:3, :4]))  # whose length is 4
    if targets is MANY:
        close(longer[:, :TIME][~padding], outputs[~padding])
        close(shorter[0], outputs[2, :4])
    else:
        close(longer, outputs)
        close(shorter[0], outputs[2])


@every_network
def test_padding_tokens_change_nothing(network: Any) -> None:
    torch.manual_seed(0)
    body = network(Tokens(tuple("abcde"), TIME), ONE, hidden=HIDDEN, bidirectional=True)
    tokens, padding = torch.randint(5, (4, TIME)), torch.arange(TIME) >= LENGTHS[:, None]
    outputs = body(Sequences(tokens, LENGTHS))
    assert torch.equal(body(Sequences((tokens + 1).where(padding, tokens) % 5, LENGTHS)), outputs)


@every_network
def test_the_future_changes_nothing_in_one_direction(network: Any) -> None:
    torch.manual_seed(0)
    x, other = series(), series()
    other[:, 4:] += 1
    one_way = network(SERIES, MANY, hidden=HIDDEN, layers=2).double()
    both_ways = network(SERIES, MANY, hidden=HIDDEN, bidirectional=True).double()
    before, after = one_way(Sequences(x)), one_way(Sequences(other))
    assert torch.equal(before[:, :4], after[:, :4]) and not torch.isclose(before[:, 4:], after[:, 4:]).any()
    assert not torch.isclose(both_ways(Sequences(x)), both_ways(Sequences(other)))[:, :4].all(dim=-1).any()


@every_network
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_vector_is_given_at_every_step(network: Any, bidirectional: bool) -> None:
    torch.manual_seed(0)
    body = network(Vector(FEATURES), MANY, hidden=HIDDEN, bidirectional=bidirectional).double()
    same = network(SERIES, MANY, hidden=HIDDEN, bidirectional=bidirectional).double()
    same.load_state_dict(body.state_dict())
    x = series()[:, 0]
    outputs = body(x)
    assert outputs.shape == (4, TIME, body.features)
    close(outputs, same(Sequences(x.unsqueeze(1).repeat(1, TIME, 1))))


@every_network
def test_tokens_are_embedded(network: Any) -> None:
    torch.manual_seed(0)
    text = Tokens(tuple("abcde"), TIME)
    body, same = network(text, MANY, hidden=HIDDEN, embedding=FEATURES), network(SERIES, MANY, hidden=HIDDEN)
    assert body.frames.embedding.weight.shape == (5, FEATURES)
    same.load_state_dict(body.state_dict(), strict=False)
    tokens = torch.randint(5, (4, TIME))
    close(body(Sequences(tokens)), same(Sequences(body.frames.embedding(tokens))))
    assert network(text, MANY, hidden=HIDDEN).frames.embedding.weight.shape == (5, HIDDEN)


@pytest.mark.parametrize(
    ("network", "matrices", "biases"),
    [
        (rnn, 1, 2),
        (gru, 3, 6),
        (lstm, 4, 8),
        (NETWORKS["squashed lstm"], 4, 4),
    ],
)
@pytest.mark.parametrize("directions", [1, 2])
def test_parameters(network: Any, matrices: int, biases: int, directions: int) -> None:
    h, f, d = 10, FEATURES, directions
    first, second = (matrices * h * (below + h) + biases * h for below in (f, d * h))
    body = network(SERIES, ONE, hidden=h, layers=3, bidirectional=directions == 2)
    assert parameter_count(body) == d * (first + 2 * second)


@pytest.mark.parametrize("order", [1, 2, 5])
def test_parameters_of_higher_order(order: int) -> None:
    body = higher_order_rnn(SERIES, ONE, hidden=10, order=order)
    assert parameter_count(body) == 10 * FEATURES + order * 100 + 10


def test_order_1_is_the_ordinary_network() -> None:
    ordinary, higher = rnn(SERIES, MANY, hidden=HIDDEN).double(), higher_order_rnn(SERIES, MANY, hidden=HIDDEN, order=1)
    cell = ordinary.layers[0].forwards
    weights = (cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0 + cell.bias_hh_l0)
    higher.double().load_state_dict(
        dict(zip(("layers.0.forwards." + n for n in ("weight_xh", "weight_hh", "bias")), weights, strict=True))
    )
    close(higher(Sequences(series())), ordinary(Sequences(series())))


@every_network
@pytest.mark.parametrize("layers", [1, 2])
def test_dropout_acts_on_the_states_of_every_layer(network: Any, layers: int) -> None:
    torch.manual_seed(0)
    body = network(SERIES, MANY, hidden=400, layers=layers, dropout=0.3)
    kept: list[Tensor] = []
    body.dropout.register_forward_hook(lambda module, inputs, output: kept.append(output))
    x = Sequences(series().float())
    outputs = body(x)
    assert len(kept) == layers and torch.equal(kept[-1], outputs)
    assert [(k == 0).float().mean().item() for k in kept] == pytest.approx([0.3] * layers, abs=0.02)
    body.eval()
    assert torch.equal(body(x), body(x)) and not (body(x) == 0).any()


@every_network
def test_a_vector_with_one_target_is_refused(network: Any) -> None:
    for targets in (ONE, Values(("a",))):
        with pytest.raises(UnfitError, match=r"vectors of 3 features with .* need neither: take mlp"):
            network(Vector(3), targets)


@every_network
def test_an_embedding_of_what_are_no_tokens_is_refused(network: Any) -> None:
    for inputs in (SERIES, Vector(3)):
        with pytest.raises(UnfitError, match="only tokens are embedded, and the inputs are") as refused:
            network(inputs, MANY, embedding=5)
        assert refused.value.path == ("embedding",)


@every_network
def test_a_language_model_may_not_read_backwards(network: Any) -> None:
    text = Tokens(tuple("abc"), TIME)
    with pytest.raises(UnfitError, match="next tokens, which the model must not see; write false") as refused:
        network(text, text, bidirectional=True)
    assert refused.value.path == ("bidirectional",)
    assert network(text, text)(Sequences(torch.zeros(2, TIME, dtype=torch.long))).shape == (2, TIME, 128)
    assert network(Vector(3), text, bidirectional=True)(torch.zeros(2, 3)).shape == (2, TIME, 256)


@every_network
def test_derivatives_and_low_precision(network: Any) -> None:
    torch.manual_seed(0)
    body = network(SERIES, MANY, hidden=HIDDEN, layers=2, bidirectional=True)
    x = series()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = body(Sequences(x.float(), LENGTHS))
    torch.testing.assert_close(low.float(), body(Sequences(x.float(), LENGTHS)), atol=0.03, rtol=0.03)
    small = series(2, 4).requires_grad_()
    body.double()
    assert torch.autograd.gradcheck(lambda x: body(Sequences(x, torch.tensor([4, 2]))), small, fast_mode=True)
