"""What rules that look at more than one point are given."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.closure import Closure
from nntrain.device import Device
from nntrain.loss import Loss, Objective, Term
from nntrain.regularizers import OnWeights, Regularizer
from nntrain.regularizers.activity import Activity
from nntrain.regularizers.weights import l2

UNEVEN = [1, 7, 4]


def network(*extra: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), *extra, nn.Linear(4, 2)).double()


def examples(n: int = sum(UNEVEN)) -> Batch:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return Batch(inputs, torch.randint(2, (n,), generator=generator))


def pieces(batch: Batch) -> list[Batch]:
    return [Batch(*pair) for pair in zip(batch.inputs.split(UNEVEN), batch.targets.split(UNEVEN), strict=True)]


def objective(loss: str) -> Objective:
    def term(z: Tensor, batch: Batch) -> Loss:
        if loss == "cross_entropy":
            return Loss(loss=Term(F.cross_entropy(z, batch.targets, reduction="sum")))
        return Loss(loss=Term((z - F.one_hot(batch.targets, 2)).square().sum()))

    return Objective("model", lambda m, b: m(b.inputs), term, lambda b: {"loss": len(b.targets)})


def closure(
    model: nn.Module, batches: Sequence[Batch], regularizers: Sequence[Regularizer] = (), loss: str = "cross_entropy"
) -> Closure:
    torch.manual_seed(7)
    return Closure(model, objective(loss), list(model.parameters()), batches, regularizers, Device("cpu"))


def regularizers_of(model: nn.Module) -> list[Any]:
    found: list[Any] = [OnWeights(partial(l2, weight=0.3)), Activity(layer="1", weight=0.2, norm="l2")]
    for regularizer in found:
        regularizer.bind(model)
    return found


def move(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(3)
    for p in model.parameters():
        p.detach().add_(0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype))


def vector(model: nn.Module) -> list[Tensor]:
    generator = torch.Generator().manual_seed(4)
    return [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in model.parameters()]


def assert_close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_it_is_evaluated_at_the_parameters_as_they_are_when_it_is_asked() -> None:
    model, batch = network(), examples()
    asked = closure(model, [batch])
    for _ in range(2):
        loss = F.cross_entropy(model(batch.inputs), batch.targets)
        value, gradients = asked.gradient()
        torch.testing.assert_close(value, loss.detach())
        torch.testing.assert_close(asked.objective(), loss.detach())
        assert_close(gradients, torch.autograd.grad(loss, list(model.parameters())))
        move(model)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_micro_batches_and_penalties_give_what_one_big_batch_gives(loss: str) -> None:
    results = []
    for batches in ([examples()], pieces(examples())):
        model = network()
        asked = closure(model, batches, regularizers_of(model), loss)
        move(model)
        value, gradients = asked.gradient()
        products = asked.gauss_newton()(vector(model))
        results.append([asked.value, *asked.gradients, value, *gradients, asked.objective(), *products])
        torch.testing.assert_close(value, asked.objective())
    assert_close(results[1], results[0])


def test_noise_is_the_same_at_every_evaluation_and_running_statistics_move_once() -> None:
    model = network(nn.BatchNorm1d(4), nn.Dropout(0.5))
    asked = closure(model, pieces(examples())[1:], regularizers_of(model))
    statistics = [buffer.clone() for buffer in model.buffers()]
    assert int(statistics[-1]) == 2  # batches seen
    for _ in range(3):
        value, gradients = asked.gradient()
        assert torch.equal(value, asked.value)
        assert all(torch.equal(a, b) for a, b in zip(gradients, asked.gradients, strict=True))
        torch.testing.assert_close(asked.objective(), asked.value)
        asked.gauss_newton()(vector(model))
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), statistics, strict=True))
    other = Closure(model, objective("squared"), list(model.parameters()), [examples()], (), Device("cpu"))
    assert not torch.equal(other.objective(), asked.objective())


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_gauss_newton_products_against_the_matrix(loss: str) -> None:
    """J^T H J with J and H from torch.func, example by example."""
    model, batch = network(), examples()
    product = closure(model, pieces(batch), loss=loss).gauss_newton()
    names = [name for name, _ in model.named_parameters()]
    parameters = [p.detach() for p in model.parameters()]

    def outputs(*values: Tensor) -> Tensor:
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (batch.inputs,))

    everywhere = tuple(range(len(names)))
    jacobians = torch.func.jacrev(outputs, argnums=everywhere)(*parameters)
    jacobian = torch.cat([j.flatten(2) for j in jacobians], dim=2)  # (examples, outputs, parameters)
    of = objective(loss)

    def loss_of_one(z: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return of.loss(z[None], Batch(x[None], t[None]))["loss"].sum

    each = zip(outputs(*parameters), batch.inputs, batch.targets, strict=True)
    hessians = torch.stack([torch.func.hessian(loss_of_one)(*one) for one in each])
    matrix = torch.einsum("nip,nij,njq->pq", jacobian, hessians, jacobian) / len(batch.targets)
    v = vector(model)
    expected = matrix @ torch.cat([part.flatten() for part in v])
    assert_close([torch.cat([part.flatten() for part in product(v)])], [expected])
    assert_close(product(v), product(v))


def test_penalties_have_their_own_curvature() -> None:
    model, v = network(), vector(network())
    plain = closure(model, [examples()]).gauss_newton()(v)
    penalised = closure(model, pieces(examples()), regularizers_of(model)[:1]).gauss_newton()(v)
    for (name, _), before, after, part in zip(model.named_parameters(), plain, penalised, v, strict=True):
        assert_close([after - before], [0.3 * part if name.endswith("weight") else 0 * part])


def test_parameters_without_a_part_have_zeros() -> None:
    model = network()
    model.register_parameter("unused", nn.Parameter(torch.ones(3, dtype=torch.float64)))
    product = closure(model, [examples()]).gauss_newton()(vector(model))
    names = [name for name, _ in model.named_parameters()]
    assert torch.equal(product[names.index("unused")], torch.zeros(3, dtype=torch.float64))
