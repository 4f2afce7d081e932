"""What holds for every model: derivatives, precision, compilation, seeds, and data it was promised to take."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from every_model import INPUTS, Instance, as_double, component, instances, networks
from nntrain.layers import trace
from nntrain.registry import Registry
from nntrain.schema import _positional
from nntrain.specs import Boxes, Instances, Mask, Series, Targets, Tokens

INSTANCES = networks()
LABELLED = [i for i in instances() if isinstance(i.targets, Targets)]
NEXT = [i for i in INSTANCES if isinstance(i.targets, Tokens) and isinstance(i.inputs, Tokens | Series)]
PADDED = [i for i in INSTANCES if isinstance(i.inputs, Tokens | Series)]


def puts_out_objects(name: str) -> bool:
    """Detectors put out losses, or objects: test_detectors.py goes over all of them."""
    _, *targets = _positional(component(name).factory).values()
    return bool(targets) and set(targets[0]) <= {Boxes, Instances}


@pytest.mark.parametrize("name", [name for name in Registry().names("model") if not puts_out_objects(name)])
def test_every_kind_of_data_in_the_signature_is_taken(name: str) -> None:
    promised = next(iter(_positional(component(name).factory).values()))
    taken = {type(instance.inputs) for instance in INSTANCES if instance.name == name}
    assert promised
    assert taken == set(promised)


@pytest.mark.parametrize("instance", LABELLED, ids=str)
def test_outputs_are_of_the_targets_shape(instance: Instance) -> None:
    outputs = instance.make()(instance.batch())
    assert outputs.shape[0] == 3
    assert outputs.shape[-1] == len(instance.targets)
    assert outputs.dim() == (4 if isinstance(instance.targets, Mask) else 3 if instance.targets.per_position else 2)
    assert outputs.isfinite().all()


@pytest.mark.parametrize("instance", INSTANCES, ids=str)
def test_derivatives_agree_with_finite_differences(instance: Instance) -> None:
    """Along random directions in the space of all parameters, of a random mixture of the outputs."""
    model, batch = instance.make().double(), as_double(instance.batch())
    _without_dropout(model)
    _away_from_corners(model)
    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    directions = [{name: torch.randn_like(w) for name, w in weights.items()} for _ in range(2)]
    mixture = torch.randn_like(model(batch))

    def mixed(along: Tensor) -> Tensor:
        moved = {n: w + sum(t * d[n] for t, d in zip(along, directions, strict=True)) for n, w in weights.items()}
        torch.manual_seed(0)  # of models that draw noise
        outputs = functional_call(model, moved | {n: b.clone() for n, b in model.named_buffers()}, (batch,))
        return (outputs * mixture).sum()

    at = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mixed, (at,), eps=1e-8, atol=1e-3, rtol=1e-3, nondet_tol=1e-9)


@pytest.mark.parametrize("instance", INSTANCES, ids=str)
def test_bfloat16_is_near_float32(instance: Instance) -> None:
    model, batch = instance.make().eval(), instance.batch()
    torch.manual_seed(0)
    exact = model(batch)
    torch.manual_seed(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(batch).float()
    assert rounded.isfinite().all()
    assert (rounded - exact).norm() <= 0.05 * exact.norm().clamp(min=1e-3) + 0.02


@pytest.mark.parametrize("instance", INSTANCES, ids=str)
def test_a_seed_gives_the_same_weights(instance: Instance) -> None:
    first, again = (instance.make(seed=3).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("instance", INSTANCES, ids=str)
def test_the_layers_are_seen_in_a_trace(instance: Instance) -> None:
    layers = trace(instance.make(), instance.batch())
    assert layers
    assert all(layer.multiply_adds >= 0 for layer in layers)


@pytest.mark.parametrize("instance", PADDED, ids=str)
def test_padding_changes_nothing(instance: Instance) -> None:
    model, (values, lengths) = instance.make().eval(), instance.batch()
    padding = torch.arange(values.shape[1]) >= lengths[:, None]
    other = values.clone()
    other[padding] = 5
    outputs, others = model(type(instance.batch())(values, lengths)), model(type(instance.batch())(other, lengths))
    kept = ~padding if instance.targets.per_position else slice(None)
    torch.testing.assert_close(outputs[kept], others[kept], rtol=0, atol=1e-6)


@pytest.mark.parametrize("instance", NEXT, ids=str)
def test_a_model_of_the_next_token_does_not_look_ahead(instance: Instance) -> None:
    model, (values, _) = instance.make().eval(), instance.batch()
    other = values.clone()
    other[:, 4:] = (other[:, 4:] + 1) % 7 if not values.is_floating_point() else 5
    whole = type(instance.batch())
    torch.testing.assert_close(model(whole(values))[:, :4], model(whole(other))[:, :4], rtol=0, atol=1e-6)


def test_every_kind_of_inputs_has_a_sample() -> None:
    named = {kind for name in Registry().names("model") for kinds in _taken(name) for kind in kinds}
    assert named <= set(INPUTS)


def _taken(name: str) -> Any:
    return list(_positional(component(name).factory).values())[:1]


def _away_from_corners(model: nn.Module) -> None:
    """Moves biases that start at 0, with which relu units may see exactly 0, where they have no derivative."""
    for name, parameter in model.named_parameters():
        if "bias" in name:
            nn.init.uniform_(parameter, 0.1, 0.2)


def _without_dropout(model: nn.Module) -> None:
    for module in model.modules():
        for name, value in vars(module).items():
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, 0.0)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
