"""Variational dropout: the formulas with a given mask, one mask for all steps, and where it acts."""

from typing import Any

import pytest
import torch
from test_recurrent import FEATURES, FORMULAS, HIDDEN, MANY, NETWORKS, ONE, SERIES, close, every_network, series
from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.errors import UnfitError
from nntrain.models.variational import VariationalDropout, _unrolled, dropped, states_of


def with_mask(layer: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    return _unrolled(layer, x, mask) if isinstance(layer, nn.RNNBase) else layer(x, mask)[0]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_mask_of_ones_changes_nothing(name: str) -> None:
    torch.manual_seed(0)
    layer, x = FORMULAS[name][0](SERIES, MANY, hidden=HIDDEN).double().layers[0].forwards, series()
    close(with_mask(layer, x, torch.ones(4, HIDDEN, dtype=torch.float64)), layer(x)[0])


@pytest.mark.parametrize("name", FORMULAS)
def test_a_mask_is_as_weights_of_its_own_for_each_sequence(name: str) -> None:
    """U (m h) = (U diag(m)) h: the network whose recurrent weights are multiplied by the mask, for a batch of one."""
    torch.manual_seed(0)
    layer, x = FORMULAS[name][0](SERIES, MANY, hidden=HIDDEN).double().layers[0].forwards, series(1)
    mask = torch.tensor([[0.0, 1.25, 1.25, 0.0]], dtype=torch.float64)
    masked = with_mask(layer, x, mask)
    with torch.no_grad():
        recurrent = dict(layer.named_parameters())["weight_hh_l0" if isinstance(layer, nn.RNNBase) else "weight_hh"]
        recurrent.mul_(mask.repeat(1, recurrent.shape[1] // HIDDEN))
    close(masked, layer(x)[0])


@every_network
def test_the_states_of_a_sequence_have_one_mask_in_training(network: Any) -> None:
    torch.manual_seed(0)
    layer = network(SERIES, MANY, hidden=HIDDEN).layers[0].forwards
    x = series(1).float()
    torch.manual_seed(7)
    mask = nn.functional.dropout(torch.ones(1, HIDDEN), 0.5)
    torch.manual_seed(7)
    close(states_of(layer, x, 0.5), with_mask(layer, x, mask))
    layer.eval()
    assert torch.equal(states_of(layer, x, 0.5), layer(x)[0])


def test_features_are_dropped_at_all_steps_of_a_sequence() -> None:
    torch.manual_seed(0)
    x = torch.rand(50, 6, 80) + 1
    kept = dropped(x, 0.3, True) / x
    torch.testing.assert_close(kept, kept[:, :1].expand_as(kept))
    assert (kept == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    torch.testing.assert_close(kept.max(), torch.tensor(1 / 0.7))
    assert len({tuple(row) for row in kept[:, 0].bool().tolist()}) == 50
    assert torch.equal(dropped(x, 0.3, False), x)


@every_network
def test_every_layer_drops_inputs_and_states_and_the_last_one_outputs(network: Any) -> None:
    torch.manual_seed(0)
    variational = VariationalDropout(inputs=0.4, states=0.2, outputs=0.5)
    body = network(SERIES, MANY, hidden=300, layers=2, variational=variational, bidirectional=True)
    seen: list[Tensor] = []
    for layer in body.layers:
        layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = Sequences(series().float())
    outputs = body(x)
    assert [tensor.shape[2] for tensor in seen] == [FEATURES, 600]
    assert (seen[1] == 0).float().mean().item() == pytest.approx(0.4, abs=0.05)
    assert (outputs == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    for values in (seen[1], outputs):
        assert torch.equal(values == 0, (values == 0)[:, :1].expand_as(values))
    body.eval()
    assert torch.equal(body(x), body(x)) and not (body(x) == 0).any()


@every_network
def test_a_checkpoint_fits_with_and_without(network: Any) -> None:
    torch.manual_seed(0)
    plain = network(SERIES, ONE, hidden=HIDDEN).eval()
    other = network(SERIES, ONE, hidden=HIDDEN, variational=VariationalDropout(states=0.5)).eval()
    other.load_state_dict(plain.state_dict())
    x = Sequences(series().float())
    assert torch.equal(plain(x), other(x))


@every_network
def test_what_drops_nothing_is_refused(network: Any) -> None:
    with pytest.raises(UnfitError, match="sets nothing to zero; give inputs, states or outputs a share") as refused:
        network(SERIES, ONE, variational=VariationalDropout())
    assert refused.value.path == ("variational",)


@pytest.mark.parametrize("name", NETWORKS)
def test_low_precision_and_derivatives(name: str) -> None:
    torch.manual_seed(0)
    body = NETWORKS[name](SERIES, ONE, hidden=HIDDEN, variational=VariationalDropout(states=0.5, inputs=0.3))
    x = series()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.manual_seed(1)
        low = body(Sequences(x.float()))
    torch.manual_seed(1)
    torch.testing.assert_close(low.float(), body(Sequences(x.float())), atol=0.05, rtol=0.05)
    body.double()

    def outputs(x: Tensor) -> Tensor:
        torch.manual_seed(1)
        return body(Sequences(x))

    assert torch.autograd.gradcheck(outputs, series(2, 4).requires_grad_(), fast_mode=True)
