"""One update: accumulation, counts, penalties, clipping, precision."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.clips import unclipped
from nntrain.clips.norm import norm as clip_norm
from nntrain.device import Device, Precision
from nntrain.loss import Loss, Objective, Term
from nntrain.losses.cross_entropy import CrossEntropy
from nntrain.losses.squared import Squared
from nntrain.optimizers import Optimizer, Problem, Rule, State
from nntrain.optimizers.adam import Adam
from nntrain.optimizers.sgd import SGD
from nntrain.regularizers import OnWeights, Regularizer
from nntrain.regularizers.weights import l1, l2
from nntrain.specs import Classes, Values
from nntrain.tasks.classification import Classification
from nntrain.tasks.regression import Regression
from nntrain.update import Measures, Update

UNEVEN = [1, 7, 3, 21]


class Recorder:
    """A rule that keeps the gradients it is given and changes nothing."""

    lr = 1.0

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        return {}

    def step(self, problem: Problem, state: State, lr: float) -> None:
        self.gradients = [gradient.clone() for gradient in problem.gradients]
        self.strides = [gradient.stride() for gradient in problem.gradients]
        self.rate = lr


def cross_entropy(every: int = 1) -> Objective:
    """The sum of -log p over the examples, in the model's own precision."""
    return Objective(
        "model",
        lambda model, batch: model(batch.inputs),
        lambda z, batch: Loss(loss=Term(F.cross_entropy(z, batch.targets, reduction="sum"))),
        lambda batch: {"loss": len(batch.targets)},
        every,
    )


def of_outputs(function: Any) -> Objective:
    """The sum of what a function makes of the outputs of each example."""
    return Objective(
        "model",
        lambda model, batch: function(model(batch.inputs)),
        lambda values, batch: Loss(loss=Term(values.sum())),
        lambda batch: {"loss": len(batch.inputs)},
    )


def update(
    model: nn.Module,
    batches: Sequence[Batch],
    objective: Objective,
    rule: Rule,
    clip: float | None = None,
    regularizers: Sequence[Regularizer] = (),
    precision: Precision = "fp32",
    step: int = 0,
    factor: float = 1.0,
) -> Mapping[str, Measures]:
    device = Device("cpu", precision)
    clipping = unclipped if clip is None else partial(clip_norm, limit=clip)
    return Update(model, [objective], {"model": Optimizer(rule, model)}, regularizers, device, clipping)(
        step, batches, factor
    )


def gradients(*arguments: Any, **settings: Any) -> list[Tensor]:
    """The gradients that reach the optimizer."""
    rule = Recorder()
    update(*arguments, rule=rule, **settings)
    return rule.gradients


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


def examples(n: int = sum(UNEVEN)) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.randn(n, 4, generator=generator), torch.randint(3, (n,), generator=generator))


def pieces(batch: Batch, sizes: Sequence[int] = UNEVEN) -> list[Batch]:
    return [Batch(*pair) for pair in zip(batch.inputs.split(sizes), batch.targets.split(sizes), strict=True)]


def norm(tensors: Sequence[Tensor]) -> float:
    return float(sum(t.double().square().sum() for t in tensors).sqrt())


def assert_close(found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_uneven_micro_batches_give_the_gradient_of_one_big_batch(dtype: torch.dtype, tolerance: float) -> None:
    model, (inputs, targets, _) = perceptron().to(dtype), examples()
    batch = Batch(inputs.to(dtype), targets)
    whole = gradients(model, [batch], cross_entropy())
    in_pieces = gradients(model, pieces(batch), cross_entropy())
    assert_close(in_pieces, whole, tolerance)
    by_hand = torch.autograd.grad(F.cross_entropy(model(batch.inputs), batch.targets), list(model.parameters()))
    assert_close(whole, by_hand, tolerance)


@pytest.mark.parametrize("name", ["classification", "regression"])
def test_micro_batches_of_the_tasks_give_the_step_of_one_big_batch(name: str) -> None:
    batch = examples()
    if name == "classification":
        task: Any = Classification(Classes(("a", "b", "c")), loss=CrossEntropy, label_smoothing=0.1)
    else:
        task = Regression(Values(("a", "b", "c"), (1.0, 2.0, 3.0), (0.5, 1.0, 2.0)), loss=Squared)
        batch = Batch(batch.inputs, torch.randn(len(batch.inputs), 3, generator=torch.Generator().manual_seed(2)))
    stepped = []
    for batches in ([batch], pieces(batch)):
        model = perceptron()
        measures = update(model, batches, task.objectives[0], SGD(lr=0.5))["model"]
        stepped.append([*model.parameters(), *measures])
    assert_close(stepped[1], stepped[0], 1e-6)


def test_each_term_of_a_loss_is_divided_by_its_own_count_over_the_whole_update() -> None:
    """A mean over examples plus half a mean over those of class 0, however they fall into micro-batches."""

    def loss(z: Tensor, batch: Batch) -> Loss:
        each = F.cross_entropy(z, batch.targets, reduction="none")
        return Loss(all=Term(each.sum()), zeros=Term(each[batch.targets == 0].square().sum(), weight=0.5))

    def counts(batch: Batch) -> dict[str, int]:
        return {"all": len(batch.targets), "zeros": int((batch.targets == 0).sum())}

    model, batch = perceptron(), examples()
    objective = Objective("model", lambda m, b: m(b.inputs), loss, counts)
    each = F.cross_entropy(model(batch.inputs), batch.targets, reduction="none")
    by_hand = each.mean() + 0.5 * each[batch.targets == 0].square().mean()
    expected = torch.autograd.grad(by_hand, list(model.parameters()))
    assert_close(gradients(model, pieces(batch), objective), expected, 1e-6)
    assert update(model, pieces(batch), objective, Recorder())["model"].objective == pytest.approx(by_hand.item())


def test_penalties_are_added_once_however_many_micro_batches_there_are() -> None:
    model, batch = perceptron(), examples()
    regularizers = [
        OnWeights(partial(l2, weight=0.3), match="weight$"),
        OnWeights(partial(l1, weight=0.2), match="bias$"),
    ]
    for regularizer in regularizers:
        regularizer.bind(model)
    plain = gradients(model, [batch], cross_entropy())
    expected = [
        gradient + (0.3 * p if name.endswith("weight") else 0.2 * p.sign())
        for gradient, (name, p) in zip(plain, model.named_parameters(), strict=True)
    ]
    assert_close(gradients(model, pieces(batch), cross_entropy(), regularizers=regularizers), expected, 1e-6)
    measured = update(model, pieces(batch), cross_entropy(), Recorder(), regularizers=regularizers)["model"]
    loss = F.cross_entropy(model(batch.inputs), batch.targets)
    penalty = sum(regularizer.penalty().item() for regularizer in regularizers)
    assert penalty > 0
    assert measured.objective == pytest.approx(loss.item() + penalty, rel=1e-6)


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6])
def test_clipping_scales_a_longer_gradient_to_exactly_the_given_norm(size: float) -> None:
    model, batch = perceptron(), examples()
    objective = of_outputs(lambda z: size * z.square())
    plain = gradients(model, [batch], objective)
    clip = norm(plain) / 3
    clipped = gradients(model, [batch], objective, clip=clip)
    assert norm(clipped) == pytest.approx(clip, rel=1e-5)
    cosine = sum((a.double() * b).sum() for a, b in zip(plain, clipped, strict=True)) / (norm(plain) * norm(clipped))
    assert float(cosine) == pytest.approx(1, rel=1e-6)


def test_clipping_leaves_a_shorter_gradient_as_it_is() -> None:
    model, batch = perceptron(), examples()
    plain = gradients(model, [batch], cross_entropy())
    clipped = gradients(model, [batch], cross_entropy(), clip=norm(plain) * 1.001)
    assert all(torch.equal(a, b) for a, b in zip(plain, clipped, strict=True))


def test_clipping_leaves_a_gradient_of_zeros_at_zero() -> None:
    zeros = gradients(perceptron(), [examples()], of_outputs(lambda z: 0 * z), clip=1.0)
    assert all(torch.equal(gradient, torch.zeros_like(gradient)) for gradient in zeros)


def test_the_measured_norm_is_that_before_clipping() -> None:
    model, batch = perceptron(), examples()
    before = norm(gradients(model, [batch], cross_entropy()))
    measured = update(model, pieces(batch), cross_entropy(), Recorder(), clip=before / 10)["model"]
    assert float(measured.grad_norm) == pytest.approx(before, rel=1e-6)


def test_parameters_without_a_part_in_the_objective_get_zero_gradients() -> None:
    model = perceptron()
    model.register_parameter("unused", nn.Parameter(torch.ones(5)))
    names = [name for name, _ in model.named_parameters()]
    found = dict(zip(names, gradients(model, pieces(examples()), cross_entropy()), strict=True))
    assert torch.equal(found["unused"], torch.zeros(5))
    assert float(found["0.weight"].abs().sum()) > 0


def test_frozen_parameters_are_left_alone() -> None:
    model = perceptron()
    model[0].requires_grad_(False)
    before = [p.clone() for p in model.parameters()]
    update(model, pieces(examples()), cross_entropy(), SGD(lr=1.0), clip=0.5)
    assert [torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True)] == [True, True, False, False]


class SumOfTwo(nn.Module):
    """Multiplies by first + second: autograd hands the very same tensor back as both gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.ones(4)), nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.first + self.second)


def test_micro_batches_are_added_up_once_where_parameters_share_a_gradient() -> None:
    batch = examples()
    whole = gradients(SumOfTwo(), [batch], of_outputs(torch.square))
    assert_close(gradients(SumOfTwo(), pieces(batch), of_outputs(torch.square)), whole, 1e-5)


def test_clipping_works_once_where_parameters_share_a_gradient() -> None:
    clipped = gradients(SumOfTwo(), [examples()], of_outputs(torch.square), clip=0.5)
    assert norm(clipped) == pytest.approx(0.5, rel=1e-4)


class Turned(nn.Module):
    """Uses its weight turned round: autograd hands back a gradient that lies turned round in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return (self.weight.permute(1, 0) * x[:, None, :]).sum(dim=(1, 2))


class Offset(nn.Module):
    """Adds the sum of its offsets: autograd hands back one number, stretched to the parameter's shape."""

    def __init__(self) -> None:
        super().__init__()
        self.offsets = nn.Parameter(torch.zeros(64))

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(dim=1) + self.offsets.sum()


@pytest.mark.parametrize("model", [Turned, Offset])
@pytest.mark.parametrize("rule", [SGD(lr=0.5), SGD(lr=0.5, momentum=0.9), Adam(lr=0.5, eps=1.0)])
def test_a_step_follows_the_gradient_however_it_lies_in_memory(model: type[nn.Module], rule: Rule) -> None:
    trained = model()
    (gradient,) = gradients(trained, [examples()], of_outputs(lambda z: z))
    update(trained, [examples()], of_outputs(lambda z: z), rule)
    direction = gradient / (gradient.abs() + 1) if isinstance(rule, Adam) else gradient
    (weight,) = trained.parameters()
    torch.testing.assert_close(weight.detach(), -0.5 * direction)


@pytest.mark.parametrize("model", [Turned, Offset])
def test_any_gradient_can_be_accumulated_and_clipped(model: type[nn.Module]) -> None:
    clipped = gradients(model(), pieces(examples()), of_outputs(lambda z: z), clip=0.25)
    assert norm(clipped) == pytest.approx(0.25, rel=1e-4)


def test_bf16_keeps_weights_and_gradients_in_float32_and_gives_nearby_results() -> None:
    batch = examples(256)
    full = gradients(perceptron(), [batch], cross_entropy())
    half = gradients(perceptron(), [batch], cross_entropy(), precision="bf16")
    assert all(gradient.dtype == torch.float32 for gradient in half)
    distance = norm([a - b for a, b in zip(full, half, strict=True)]) / norm(full)
    assert 0 < distance < 0.02

    model = perceptron()
    measured = update(model, [batch], cross_entropy(), SGD(lr=0.1), precision="bf16")["model"]
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert measured.objective.dtype == torch.float32
    exact = F.cross_entropy(perceptron()(batch.inputs), batch.targets)
    assert float(measured.objective) == pytest.approx(exact.item(), rel=0.01)


def test_the_factor_multiplies_the_rate() -> None:
    rule = Recorder()
    update(perceptron(), [examples()], cross_entropy(), rule, factor=0.25)
    assert rule.rate == 0.25


def test_an_objective_can_take_part_in_some_updates_only() -> None:
    ran = [bool(update(perceptron(), [examples()], cross_entropy(every=3), Recorder(), step=s)) for s in range(7)]
    assert ran == [True, False, False, True, False, False, True]


class NonNegative(Regularizer):
    """A constraint: no parameter below zero."""

    def __init__(self, model: nn.Module) -> None:
        self.bind(model)

    def bind(self, model: nn.Module) -> None:
        self.parameters = list(model.parameters())

    def project(self) -> None:
        for p in self.parameters:
            p.detach().clamp_(min=0)


def test_constraints_hold_after_the_step() -> None:
    free, bound = perceptron(), perceptron()
    update(free, [examples()], cross_entropy(), SGD(lr=1.0))
    update(bound, [examples()], cross_entropy(), SGD(lr=1.0), regularizers=[NonNegative(bound)])
    assert_close(list(bound.parameters()), [p.clamp(min=0) for p in free.parameters()], 0)


class Crossed(nn.Module):
    """A linear layer whose gradient comes transposed in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("ni,oi->no", x, self.weight)


@pytest.mark.parametrize("capture", [False, True])
def test_gradients_reach_a_rule_in_the_memory_layout_of_their_parameters(capture: bool) -> None:
    model, rule = Crossed(), Recorder()
    every = Update(model, [cross_entropy()], {"model": Optimizer(rule, model)}, [], Device("cpu"), capture=capture)
    batch = examples()
    for step in range(4):  # of which the last one is captured
        every(step, [batch], 1.0)
    assert (every.captured["model"].described()["steps"] > 0) == capture
    by_hand = torch.autograd.grad(F.cross_entropy(model(batch.inputs), batch.targets), list(model.parameters()))
    assert by_hand[0].stride() != model.weight.stride() and rule.strides == [model.weight.stride()]
    assert_close(rule.gradients, by_hand, 1e-6)
