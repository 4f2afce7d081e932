"""Every regularizer and initializer with every network: it works, or says by its own error why it does not."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from made import component, made
from torch import nn

from every_model import Instance, instances
from nntrain.batch import Batch
from nntrain.device import Device
from nntrain.errors import UnfitError
from nntrain.layers import trace
from nntrain.loss import Loss, Objective, Term
from nntrain.optimizers import Optimizer
from nntrain.optimizers.sgd import SGD
from nntrain.registry import Registry
from nntrain.specs import Classes
from nntrain.update import Update

FIRST = {(i.name, i.variant): i for i in reversed(instances())}  # one of each variant
REGULARIZERS = Registry().names("regularizer")
INITIALIZERS = [name for name in Registry().names("initializer") if name not in ("checkpoint", "previous_stage")]
# Every initializer with the first variant of every model, and with each further variant every fourth in turn.
WITH_INITIALIZERS = [
    (instance, name)
    for instance in FIRST.values()
    for number, name in enumerate(INITIALIZERS)
    if instance.variant == 0 or (number + instance.variant) % 4 == 0
]
every_network = pytest.mark.parametrize("instance", FIRST.values(), ids=str)
SQUARES = Objective(
    "model",
    lambda model, batch: model(batch.inputs),
    lambda z, batch: Loss(loss=Term(z.square().sum())),
    lambda batch: {"loss": 3},
)


def settings_of(name: str, model: nn.Module, batch: Any) -> dict[str, Any]:
    if name == "activity":
        torch.manual_seed(0)
        seen = trace(model, batch)
        return {"type": name, "layer": seen[0].name if seen else "none"}
    return {"type": name}


@every_network
def test_regularizers(instance: Instance) -> None:
    """All that fit together, at once and by their defaults, for two updates."""
    torch.manual_seed(0)
    model, batch = instance.make(), Batch(instance.batch(), torch.zeros(3))
    bound, refused = [], {}
    for name in REGULARIZERS:
        regularizer = made("regularizer", settings_of(name, model, batch.inputs))
        try:
            regularizer.bind(model)
            bound.append(regularizer)
        except UnfitError as error:
            refused[name] = str(error)
    model.train()
    update = Update(model, [SQUARES], {"model": Optimizer(SGD(lr=1e-4), model)}, bound, Device("cpu"), by_layer=True)
    for step in range(2):
        seen = update(step, [batch], 1.0)["model"]
        assert all(bool(measured.isfinite().all()) for measured in seen) and seen.grad_norm > 0
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    # Where a pattern matches nothing, because the weights have other names, these are told.
    assert all("; there are " in message or "no layer" in message for message in refused.values()), refused
    assert "weight_noise" not in refused or not any("weight" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize(("instance", "name"), WITH_INITIALIZERS, ids=str)
def test_initializers(instance: Instance, name: str) -> None:
    torch.manual_seed(0)
    model = instance.make()
    taken = component("initializer", name).takes("targets")
    if taken and not isinstance(instance.targets, Classes):
        return
    rule = made("initializer", name, *((instance.targets, Labelled()) if taken else ()))
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    try:
        rule(model)
    except UnfitError as error:
        assert error.path[-1:] == ("match",) and len(str(error)) > 20
        return
    assert any(not torch.equal(p, before[key]) for key, p in model.named_parameters()) or name in ("zeros", "constant")
    assert model(instance.batch()).isfinite().all()


class Labelled:
    """A split of six examples of three classes."""

    def in_order(self) -> Iterator[Batch]:
        yield Batch(None, torch.tensor([0, 0, 0, 1, 1, 2]))
