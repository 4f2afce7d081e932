"""Deep belief nets: what each layer learns from, and what of it stays."""

from typing import Any

import pytest
import torch
from made import made
from torch import Tensor

from nntrain.batch import Batch
from nntrain.errors import UnfitError
from nntrain.specs import Density, Image, Vector

IMAGES = Image(1, 3, 2)


def net(*hidden: int, seed: int = 0, **settings: Any) -> Any:
    torch.manual_seed(seed)
    model = made("model", {"type": "deep_belief_net", "hidden": list(hidden), **settings}, IMAGES, Density(IMAGES))
    with torch.no_grad():  # weights that are small would hide mistakes
        for parameter in model.parameters():
            parameter.normal_()
    return model


def images(count: int = 5) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(count, *IMAGES.shape)


def test_the_top_layer_sees_the_probabilities_of_those_below() -> None:
    model, x = net(4, 3, 2), images()
    v = x.flatten(1)
    for rbm in model.rbms[:2]:
        v = 1 / (1 + torch.exp(-(rbm.hidden_bias + v @ rbm.weight.T)))
    torch.testing.assert_close(model.below(x), v)


def test_it_is_trained_as_an_rbm_on_these_probabilities() -> None:
    """The same loss and gradient as those of an RBM whose data they are, and none for the layers below."""
    model, x = net(4, 3), images()
    alone = made("model", {"type": "rbm", "hidden": 3}, Vector(4), Density(Vector(4)))
    alone.load_state_dict(model.top.state_dict())
    data = model.below(x).detach()
    found = []
    for its, inputs, spec in ((model, x, IMAGES), (alone, data, Vector(4))):
        task = made("task", {"type": "rbm", "steps": 2}, spec)
        (objective,) = task.objectives
        batch = Batch(inputs, torch.zeros(len(x)))
        torch.manual_seed(7)
        value = objective.loss(objective.outputs(its, batch), batch).over(objective.counts(batch))
        trained = [p for p in its.parameters() if p.requires_grad]
        found.append((value, torch.autograd.grad(value, trained)))
    (one, mine), (other, right) = found
    torch.testing.assert_close(one, other)
    assert len(mine) == len(right) == 3
    for a, b in zip(mine, right, strict=True):
        torch.testing.assert_close(a, b)


def test_the_reconstruction_goes_up_through_all_layers_and_down_again() -> None:
    model, x = net(4, 3), images()
    one, two = model.rbms
    h = two.up(one.up(x.flatten(1)))
    down = torch.sigmoid(torch.sigmoid(h @ two.weight + two.visible_bias) @ one.weight + one.visible_bias)
    torch.testing.assert_close(model(x), down.view_as(x))
    torch.testing.assert_close(model.inputs_of(two.down(h)), down)


def test_gaussian_units_are_those_of_the_lowest_layer() -> None:
    model, x = net(4, 3, visible="gaussian"), images()
    one, two = model.rbms
    h = two.down(two.up(one.up(x.flatten(1))))
    torch.testing.assert_close(model(x).flatten(1), h @ one.weight + one.visible_bias)
    model.check_inputs(10 * x)
    with pytest.raises(UnfitError, match="from 0 to 1"):
        net(4, 3).check_inputs(10 * x)


def test_receptive_fields_reach_down_to_the_inputs() -> None:
    model = net(4, 3, 2)
    one, two, three = (rbm.weight for rbm in model.rbms)
    torch.testing.assert_close(model.receptive_fields(), three @ two @ one)


def test_only_the_top_has_chains() -> None:
    model = net(4, 3, chains=6)
    assert [rbm.chains is None for rbm in model.rbms] == [True, False]
    assert model.fantasies(model.below(images()), 1).shape == (6, 4)


def test_likelihoods_are_those_of_one_layer() -> None:
    v = torch.bernoulli(images().flatten(1))
    alone = made("model", {"type": "rbm", "hidden": 4}, Vector(6), Density(Vector(6)))
    model = net(4)
    alone.load_state_dict(model.top.state_dict())
    torch.testing.assert_close(model.log_likelihood(v), alone.log_likelihood(v))
    torch.testing.assert_close(model.pseudo_likelihood(v), alone.pseudo_likelihood(v))
    for likelihood in (net(4, 3).log_likelihood, net(4, 3).pseudo_likelihood):
        with pytest.raises(UnfitError, match="one layer only"):
            likelihood(torch.rand(2, 4))
