"""The restricted Boltzmann machine against sums over all its states."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from nntrain.batch import Batch
from nntrain.errors import UnfitError
from nntrain.metrics.density import LogLikelihood, PseudoLikelihood
from nntrain.models.rbm import RestrictedBoltzmannMachine
from nntrain.specs import Density, Image, Vector
from nntrain.tasks.rbm import ContrastiveDivergence


def machine(units: int = 4, **settings: Any) -> RestrictedBoltzmannMachine:
    torch.manual_seed(0)
    rbm = RestrictedBoltzmannMachine(Vector(units), Density(Vector(units)), **{"hidden": 3, **settings}).double()
    for parameter in rbm.parameters():
        torch.nn.init.normal_(parameter)
    return rbm


def states(units: int) -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=torch.float64)


def energies(rbm: RestrictedBoltzmannMachine, v: Tensor) -> Tensor:
    """E(v, h) for all pairs of rows of v and states of the hidden units."""
    h = states(len(rbm.hidden_bias))
    return -(v @ rbm.visible_bias)[:, None] - h @ rbm.hidden_bias - v @ rbm.weight.T @ h.T


@pytest.fixture(autouse=True)
def in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)  # scores are taken in float32 at least


def test_the_free_energy_is_a_sum_over_hidden_states() -> None:
    rbm, v = machine(), states(4)
    torch.testing.assert_close(rbm.free_energy(v), -(-energies(rbm, v)).logsumexp(dim=1))


def test_the_exact_likelihood() -> None:
    rbm, v = machine(), states(4)
    joint = -energies(rbm, v)
    expected = joint.logsumexp(dim=1) - joint.flatten().logsumexp(dim=0)
    torch.testing.assert_close(rbm.log_likelihood(v), expected)
    assert rbm.log_likelihood(v).exp().sum().item() == pytest.approx(1)


def test_the_pseudo_likelihood_is_of_each_unit_given_the_others() -> None:
    rbm, v = machine(), states(4)
    p = dict(zip(map(tuple, v.tolist()), rbm.log_likelihood(v).exp().tolist(), strict=True))
    for row, found in zip(v.tolist(), rbm.pseudo_likelihood(v).tolist(), strict=True):
        flipped = [(*row[:i], 1 - row[i], *row[i + 1 :]) for i in range(4)]
        expected = sum(math.log(p[tuple(row)] / (p[tuple(row)] + p[other])) for other in flipped)
        assert found == pytest.approx(expected)


def test_the_density_of_gaussian_units_integrates_to_one() -> None:
    rbm = machine(1, visible="gaussian")
    v = torch.linspace(-12, 12, 4001, dtype=torch.float64)[:, None]
    assert torch.trapezoid(rbm.log_likelihood(v).exp(), v[:, 0]).item() == pytest.approx(1, abs=1e-6)


def test_gaussian_units_given_hidden_ones_are_normal() -> None:
    rbm = machine(2, visible="gaussian", hidden=2)
    torch.nn.init.constant_(rbm.hidden_bias, 100.0)  # all hidden units are on
    torch.manual_seed(0)
    samples = rbm.fantasies(torch.zeros(20_000, 2, dtype=torch.float64), 1)
    mean = rbm.visible_bias + rbm.weight.sum(dim=0)
    assert samples.mean(dim=0).tolist() == pytest.approx(mean.tolist(), abs=0.03)
    assert samples.std(dim=0).tolist() == pytest.approx([1, 1], abs=0.03)


def test_gibbs_sampling_draws_from_the_model() -> None:
    rbm = machine(3, hidden=2)
    torch.manual_seed(0)
    samples = rbm.fantasies(torch.zeros(20_000, 3, dtype=torch.float64), 50)
    counts = torch.stack([(samples == v).all(dim=1).double().mean() for v in states(3)])
    assert counts.tolist() == pytest.approx(rbm.log_likelihood(states(3)).exp().tolist(), abs=0.015)


def test_the_gradient_is_that_of_contrastive_divergence() -> None:
    """dL/dW = -(mean p(h|v) v^T over the data - the same over the samples)."""
    rbm, task = machine(), ContrastiveDivergence(Vector(4), steps=2)
    batch = Batch(states(4)[3:9], torch.zeros(6))
    torch.manual_seed(1)
    loss = task.loss(task.outputs(rbm, batch), batch).over(task.counts(batch))
    gradient = torch.autograd.grad(loss, rbm.weight)[0]
    torch.manual_seed(1)
    samples = rbm.fantasies(batch.inputs, 2)

    def correlations(v: Tensor) -> Tensor:
        return torch.sigmoid(v @ rbm.weight.T + rbm.hidden_bias).T @ v / len(v)

    torch.testing.assert_close(gradient, correlations(samples) - correlations(batch.inputs))


def test_free_energy_against_differences() -> None:
    for visible in ("binary", "gaussian"):
        rbm = machine(visible=visible)
        assert torch.autograd.gradcheck(rbm.free_energy, torch.randn(3, 4, dtype=torch.float64, requires_grad=True))


def test_persistent_chains_go_on_where_they_were() -> None:
    rbm = machine(chains=5)
    assert rbm.chains is not None and rbm.state_dict()["chains"].shape == (5, 4)
    data = torch.zeros(2, 4, dtype=torch.float64)
    torch.manual_seed(0)
    first = rbm.fantasies(data, 1).clone()
    assert torch.equal(rbm.chains, first)
    second = rbm.fantasies(data, 1).clone()
    rbm.chains.copy_(first)
    torch.manual_seed(0)
    rbm.fantasies(1 - data, 1)
    assert second.shape == (5, 4)
    assert "chains" not in machine().state_dict()


def test_a_large_machine_has_no_exact_likelihood() -> None:
    with pytest.raises(UnfitError, match=r"2\^17 states; it is there up to 16 hidden units"):
        machine(hidden=17).log_likelihood(states(4))


def test_gaussian_units_have_no_pseudo_likelihood() -> None:
    with pytest.raises(UnfitError, match="binary visible units only"):
        machine(visible="gaussian").pseudo_likelihood(states(4))


@pytest.mark.parametrize("metric", [LogLikelihood, PseudoLikelihood])
def test_likelihoods_of_parts_merge(metric: Any) -> None:
    rbm, v = machine(), states(4)
    measure = metric(Density(Vector(4)))
    merged = measure.measure(rbm, v[:3]) + measure.measure(rbm, v[3:])
    assert measure.value(merged) == pytest.approx(measure.value(measure.measure(rbm, v)))


def test_images_come_back_as_images() -> None:
    rbm = RestrictedBoltzmannMachine(Image(1, 3, 3), Density(Image(1, 3, 3)))
    assert rbm(torch.ones(2, 1, 3, 3)).shape == (2, 1, 3, 3)
