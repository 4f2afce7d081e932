"""L-BFGS and Hessian-free: what they minimise, how they go on after a stop, and what they are told by a config."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conftest import Called
from nntrain.batch import Batch
from nntrain.closure import Closure
from nntrain.device import Device
from nntrain.loss import Loss, Objective, Term
from nntrain.optimizers import Optimizer, Rule
from nntrain.optimizers.hessian_free import HessianFree, conjugate_gradients
from nntrain.optimizers.lbfgs import LBFGS
from nntrain.optimizers.line_search import Point, strong_wolfe
from nntrain.optimizers.sgd import SGD
from nntrain.tasks.autoencoding import Coded
from nntrain.update import Update
from runs import bits, instant_disk, last, records  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

HALF_SQUARES = Objective(
    "model",
    lambda model, batch: model(batch.inputs),
    lambda z, batch: Loss(loss=Term((z - batch.targets).square().sum() / 2)),
    lambda batch: {"loss": 1},
)
CROSS_ENTROPY = Objective(
    "model",
    lambda model, batch: model(batch.inputs),
    lambda z, batch: Loss(loss=Term(F.cross_entropy(z, batch.targets, reduction="sum"))),
    lambda batch: {"loss": len(batch.targets)},
)


class Run:
    """Updates of a model on one batch."""

    def __init__(self, rule: Rule, model: nn.Module, batch: Batch, objective: Objective = HALF_SQUARES) -> None:
        self.model, self.batch = model, batch
        self.optimizer = Optimizer(rule, model)
        self._update = Update(model, [objective], {"model": self.optimizer}, [], Device("cpu"))

    def steps(self, count: int, factor: float = 1.0) -> list[float]:
        """The objective before each step."""
        return [float(self._update(0, [self.batch], factor)["model"].objective) for _ in range(count)]


def quadratic() -> Batch:
    """(w - w*)^T A (w - w*) / 2 in 100 dimensions, A = X^T X with eigenvalues from 1 to 10,000; targets are X w*."""
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(100, 100, generator=generator, dtype=torch.float64))
    x = torch.logspace(0, 2, 100, dtype=torch.float64).diag() @ basis
    return Batch(x, x @ torch.randn(100, 1, generator=generator, dtype=torch.float64))


def weights() -> nn.Module:
    layer = nn.Linear(100, 1, bias=False, dtype=torch.float64)
    nn.init.zeros_(layer.weight)
    return layer


@pytest.mark.parametrize(("rule", "updates"), [(LBFGS(), 950), (HessianFree(), 12)])
def test_an_ill_conditioned_quadratic_is_solved(rule: Rule, updates: int) -> None:
    batch = quadratic()
    solution = torch.linalg.solve(batch.inputs, batch.targets).T
    model = weights()
    Run(rule, model, batch).steps(updates)
    assert float((model.weight.detach() - solution).norm() / solution.norm()) < 1e-8


def test_gradient_descent_does_not_solve_it() -> None:
    """So that the test above can fail: the best constant rate is 2 / (1 + 10,000)."""
    batch, model = quadratic(), weights()
    Run(SGD(lr=2 / 10_001), model, batch).steps(950)
    solution = torch.linalg.solve(batch.inputs, batch.targets).T
    assert float((model.weight.detach() - solution).norm() / solution.norm()) > 0.05


def perceptron(*extra: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), *extra, nn.Linear(6, 3)).double()


def flowers() -> Batch:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(40, 4, generator=generator, dtype=torch.float64)
    return Batch(inputs, (inputs[:, 0] * inputs[:, 1]).sign().long() + 1)


@pytest.mark.parametrize("rule", [LBFGS(), HessianFree()])
def test_the_objective_never_rises(rule: Rule) -> None:
    values = Run(rule, perceptron(), flowers(), CROSS_ENTROPY).steps(30)
    assert all(b <= a for a, b in pairwise(values))
    assert values[-1] < 0.1 * values[0]


@pytest.mark.parametrize("rule", [LBFGS(memory=3), HessianFree(iterations=7)])
def test_a_resumed_run_takes_the_same_steps_bit_for_bit(rule: Rule) -> None:
    """With dropout, whose masks are those of the step; the history is full, the damping has moved."""
    whole, again = (Run(rule, perceptron(nn.Dropout(0.3)), flowers(), CROSS_ENTROPY) for _ in range(2))

    def train(run: Run, start: int, end: int) -> list[float]:
        values = []
        for step in range(start, end):
            torch.manual_seed(step)
            values += run.steps(1)
        return values

    seen = train(whole, 0, 12)
    train(again, 0, 6)
    resumed = Run(rule, perceptron(nn.Dropout(0.3)), flowers(), CROSS_ENTROPY)
    resumed.model.load_state_dict(again.model.state_dict())
    resumed.optimizer.restore({name: tensor.clone() for name, tensor in again.optimizer.state().items()})
    assert train(resumed, 6, 12) == seen[6:]
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True))
    states = whole.optimizer.state(), resumed.optimizer.state()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_flat_objective_is_left_alone() -> None:
    for rule in (LBFGS(), HessianFree()):
        model = weights()
        Run(rule, model, Batch(torch.zeros(3, 100, dtype=torch.float64), torch.ones(3, 1))).steps(2)
        assert torch.equal(model.weight.detach(), torch.zeros(1, 100, dtype=torch.float64))


# --- L-BFGS.


def test_lbfgs_takes_torchs_steps() -> None:
    """On a bowl where the length that is tried first will do, since the line searches differ in what they try next."""
    generator = torch.Generator().manual_seed(0)
    x = torch.eye(8, dtype=torch.float64) + 0.1 * torch.randn(8, 8, generator=generator, dtype=torch.float64)
    batch = Batch(x, 0.03 * torch.randn(8, 1, generator=generator, dtype=torch.float64))
    ours, theirs = (nn.Linear(8, 1, bias=False, dtype=torch.float64) for _ in range(2))
    for layer in (ours, theirs):
        nn.init.zeros_(layer.weight)
    Run(LBFGS(memory=3), ours, batch).steps(7)
    settings: dict[str, Any] = {"max_eval": 1000, "history_size": 3, "tolerance_grad": 0, "tolerance_change": 0}
    reference = torch.optim.LBFGS(theirs.parameters(), max_iter=7, line_search_fn="strong_wolfe", **settings)

    def closure() -> Tensor:
        reference.zero_grad()
        loss = (theirs(batch.inputs) - batch.targets).square().sum() / 2
        loss.backward()
        return loss

    reference.step(closure)
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-9, atol=1e-12)


def test_lbfgs_keeps_the_last_moves_newest_last() -> None:
    model, batch = perceptron(), flowers()
    run = Run(LBFGS(memory=3), model, batch, CROSS_ENTROPY)
    moves = []
    for _ in range(5):
        before = model[0].weight.detach().clone()
        run.steps(1)
        moves.append(model[0].weight.detach() - before)
    torch.testing.assert_close(run.optimizer.state()["moves.0.weight"], torch.stack(moves[-3:]))


@pytest.mark.parametrize("length", [1e-6, 0.1, 1.0, 50.0])
@pytest.mark.parametrize(
    "function",
    [
        lambda t: (t - 1) ** 2,
        lambda t: -t / (t**2 + 2),  # More and Thuente 1994, the first of their functions
        lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4,  # the second
        lambda t: t - 3 * torch.log(t + 1) if t < 30 else t * math.nan,  # not defined far out
        lambda t: torch.exp(t) - 5 * t + torch.sin(3 * t),
    ],
)
def test_the_line_search_meets_the_strong_wolfe_conditions(function: Any, length: float) -> None:
    def line(t: float) -> Point:
        x = torch.tensor(t, dtype=torch.float64, requires_grad=True)
        value = function(x)
        (slope,) = torch.autograd.grad(value, x)
        return Point(t, value.item(), slope.item(), slope)

    start = line(0.0)
    found = strong_wolfe(line, start, length)
    assert found.length > 0
    assert found.value <= start.value + 1e-4 * found.length * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)


def test_a_line_search_without_a_lower_point_stays() -> None:
    start = Point(0.0, 1.0, -1.0, torch.zeros(()))
    assert strong_wolfe(lambda t: Point(t, math.nan, math.nan, torch.zeros(())), start, 1.0) is start


# --- Hessian-free.


def test_conjugate_gradients_solve_a_system_in_as_many_iterations_as_it_has_eigenvalues() -> None:
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(30, 30, generator=generator, dtype=torch.float64))
    matrix = basis @ torch.tensor([1.0, 3.0, 10.0], dtype=torch.float64).repeat(10).diag() @ basis.T
    target = torch.randn(30, generator=generator, dtype=torch.float64)
    *_, found = conjugate_gradients(lambda v: matrix @ v, target, torch.ones_like(target), 3, 1e-12)
    solution = torch.linalg.solve(matrix, target)
    torch.testing.assert_close(found.direction, solution)
    assert found.promised == pytest.approx(float(-target @ solution / 2))


def test_conjugate_gradients_end_at_negative_curvature() -> None:
    target = torch.tensor([1.0, 0.0], dtype=torch.float64)
    iterates = conjugate_gradients(lambda v: -v, target, torch.zeros(2, dtype=torch.float64), 10, 1e-3)
    assert len(iterates) == 1 and torch.equal(iterates[0].direction, torch.zeros(2, dtype=torch.float64))


def test_the_damping_falls_on_a_quadratic_and_rises_where_the_model_is_wrong() -> None:
    run = Run(HessianFree(damping=1.0), weights(), quadratic())
    run.steps(3)
    assert float(run.optimizer.state()["damping.weight"]) == pytest.approx((2 / 3) ** 3)

    steep = Objective(  # linear where it starts, but for a little curvature, and a wall behind
        "model",
        lambda model, batch: model(batch.inputs),
        lambda z, batch: Loss(loss=Term((z + 1e-3 * z**2 + torch.exp(20 * (-z - 1))).sum())),
        lambda batch: {"loss": 1},
    )
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.zeros_(model.weight)
    walled = Run(HessianFree(damping=1e-3), model, Batch(torch.ones(1, 1, dtype=torch.float64), torch.ones(1)), steep)
    walled.steps(1)
    assert float(walled.optimizer.state()["damping.weight"]) == pytest.approx(1.5e-3)
    assert float(model.weight.detach()) < 0  # the line search found a step all the same


# --- From a config.

CONFIG = """
data: {type: iris, batch_size: all}
model: {type: mlp, hidden: [6], dropout: 0.2, norm: batch}
regularizers: [{type: l2, weight: 1e-3}, {type: activity, layer: body.layers.0.activation, norm: l2}]
trainer: {length: 8 steps, evaluate: 1 step, save: 2 steps, log: 1 step}
"""


@pytest.mark.parametrize("optimizer", ["lbfgs", "hessian_free"])
@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_a_stopped_run_ends_like_a_whole_one(optimizer: str, precision: str, command: Command, write: Write) -> None:
    config = write(f"optimizer: {optimizer}{CONFIG}")
    precise = f"trainer.precision={precision}"
    whole = Path(command("fit", config, precise, "--out", "whole", "--json").json["run"])
    short = Path(command("fit", config, precise, "trainer.length=4 steps", "--out", "short", "--json").json["run"])
    resumed = command("fit", "--resume", short, "trainer.length=8 steps")
    assert resumed.status == 0, resumed.err
    one, other = last(whole), last(short)
    assert one.tensors["model.head.weight"].dtype == {"fp32": torch.float32, "fp64": torch.float64}[precision]
    assert bits(one) == bits(other)
    losses = [record["train"]["loss"] for record in records(whole)]
    assert losses == [record["train"]["loss"] for record in records(short)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("optimizer", ["lbfgs", "hessian_free"])
def test_clipping_is_refused_where_the_rule_finds_the_length(optimizer: str, command: Command, write: Write) -> None:
    called = command("check", write(f"optimizer: {optimizer}{CONFIG}"), "trainer.clip=1.0")
    assert called.status == 2
    assert "trainer.clip: this optimizer finds the length of its steps itself; leave clip out" in called.err


TINY_RUN = "trainer: {length: 2 steps, evaluate: 1 step, preflight: false}\noptimizer: {type: hessian_free}\n"


@pytest.mark.parametrize(
    "config",
    [
        "data: digits\nmodel: {type: autoencoder, code: 3}\ntask: {type: autoencoding, sparsity: 0.1}\n",
        "data: {type: digits, batch_size: 64}\nmodel: {type: stacked_autoencoder, hidden: [8, 3]}\ntask: denoising\n",
        "data: ring\nmodel: {type: gan}\ntask: gan\n",
        "data: karate_club\nmodel: {type: gnn, layer: gcn}\n",
        "data: karate_club\nmodel: {type: gnn, layer: gat}\n",
        "data: {type: sequential_digits, batch_size: 64}\nmodel: {type: gru, hidden: 4}\n",
        "data: {type: reversal, length: 4}\nmodel: {type: transformer, width: 8, heads: 2, layers: 1}\n",
    ],
)
def test_hessian_free_trains_what_puts_out_several_tensors_and_multiplies_sparse_ones(
    config: str, command: Command, write: Write
) -> None:
    called = command("fit", write(config + TINY_RUN), "--json")
    assert called.status == 0, called.err
    losses = [record["train"]["loss"] for record in records(Path(called.json["run"]))]
    assert "gan" in config or losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("data: digit_lines\nmodel: {type: lstm, hidden: 5}\n",
         "optimizer: this optimizer needs second derivatives, which network or loss do not have"),
        ("data: bars_and_stripes\nmodel: rbm\ntask: rbm\n",
         "optimizer: this optimizer compares values of the objective, but here only its gradient means something"),
    ],
)  # fmt: skip
def test_what_hessian_free_cannot_train_is_refused(config: str, message: str, command: Command, write: Write) -> None:
    called = command("check", write(config + TINY_RUN))
    assert called.status == 2
    assert message in called.err


def test_a_gauss_newton_product_is_of_all_outputs() -> None:
    """v -> J^T H J v, for outputs that are a named tuple, of which one does not depend on the parameters."""
    torch.manual_seed(0)
    layers, x = nn.ModuleList([nn.Linear(3, 2), nn.Linear(2, 3)]).double(), torch.randn(5, 3).double()

    def outputs(model: Any, batch: Batch) -> Coded:
        code = model[0](batch.inputs).tanh()
        return Coded(code, model[1](code), batch.inputs)

    def loss(found: Coded, batch: Batch) -> Loss:
        error = (found.reconstruction - found.original).square().sum() / 2
        return Loss(error=Term(error), size=Term(found.code.pow(4).sum(), 0.5))

    objective = Objective("model", outputs, loss, lambda batch: {"error": 1, "size": 1})
    parameters = list(layers.parameters())
    made = Closure(layers, objective, parameters, [Batch(x, x)], [], Device("cpu"))
    names = [name for name, _ in layers.named_parameters()]

    def flat(*values: Tensor) -> Tensor:
        given = dict(zip(names, values, strict=True))
        code = (x @ given["0.weight"].T + given["0.bias"]).tanh()
        return torch.cat([code.flatten(), (code @ given["1.weight"].T + given["1.bias"]).flatten()])

    def of_outputs(z: Tensor) -> Tensor:
        code, reconstruction = z[:10].view(5, 2), z[10:].view(5, 3)
        return loss(Coded(code, reconstruction, x), Batch(x, x)).over({"error": 1, "size": 1})

    jacobian = torch.cat([j.flatten(1) for j in torch.autograd.functional.jacobian(flat, tuple(parameters))], dim=1)
    curvature = torch.autograd.functional.hessian(of_outputs, flat(*parameters).detach())
    vector = [torch.randn_like(p) for p in parameters]
    expected = jacobian.T @ curvature @ jacobian @ torch.cat([v.flatten() for v in vector])
    found = torch.cat([part.flatten() for part in made.gauss_newton()(vector)])
    torch.testing.assert_close(found, expected)
