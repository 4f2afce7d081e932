"""The first loss, the outputs, the gradients, and one batch that is to be fitted: faulty networks and healthy twins."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.device import Device
from nntrain.losses.cross_entropy import CrossEntropy
from nntrain.losses.squared import Squared
from nntrain.optimizers import Optimizer
from nntrain.optimizers.adam import Adam
from nntrain.optimizers.sgd import SGD
from nntrain.preflight import first_batch as rules
from nntrain.preflight import fitting
from nntrain.preflight.finding import Finding
from nntrain.preflight.first_batch import FirstPass, backward, first_pass
from nntrain.specs import Classes, Tags, Targets, Values
from nntrain.tasks.classification import Classification
from nntrain.tasks.regression import Regression
from nntrain.tasks.tagging import Tagging

FIVE = Classes(tuple("abcde"))
PLAIN = {"data": {"type": "made"}, "seed": 0, "optimizer": {"type": "adam", "lr": 0.001}}
DEVICE = Device("cpu")


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def classify(smoothing: float = 0.0) -> Classification:
    return Classification(FIVE, loss=CrossEntropy, label_smoothing=smoothing)


def batch() -> Batch:
    return Batch(torch.randn(40, 8), torch.arange(40) % 5)


def network(*after: nn.Module, depth: int = 2) -> nn.Sequential:
    hidden = [layer for _ in range(depth) for layer in (nn.Linear(8, 8), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(8, 5), *after)


def passed(model: nn.Module, task: Any = None, given: Batch | None = None) -> FirstPass:
    task = task or classify()
    return first_pass(model, task.objectives[0], given or batch(), DEVICE)


def names(found: Iterator[Finding]) -> list[str]:
    return [f"{finding.rule}: {finding.level}" for finding in found]


def loss_of(model: nn.Module, prior: float | None = math.log(5), **other: Any) -> list[Finding]:
    return list(rules.first_loss(passed(model, **other), FIVE, prior, PLAIN))


def scaled(model: nn.Module, factor: float) -> nn.Module:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)
    return model


@pytest.mark.parametrize("norm", [nn.Identity, lambda: nn.BatchNorm1d(5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_an_untrained_network_guesses(norm: Callable[[], nn.Module], smoothing: float) -> None:
    model = nn.Sequential(nn.Linear(8, 5), norm(), nn.Tanh(), nn.Linear(5, 5))
    assert loss_of(model, task=classify(smoothing)) == []
    assert passed(model, classify(smoothing)).guessing == pytest.approx(math.log(5))


def test_a_last_layer_that_is_too_large() -> None:
    model = network()
    scaled(model[-1], 30)
    (found,) = loss_of(model)
    assert (found.rule, found.level) == ("first_loss", "alarm")
    assert "an untrained network's is near 1.609, give or take 0.75" in found.seen
    assert (found.causes[0], found.confirm) == ("initial weights that are too large", ("seed=1",))


def test_a_network_that_starts_at_the_prior_is_all_right() -> None:
    """Imbalanced classes, and a bias that knows it: a loss far below ln(classes)."""
    shares = torch.tensor([0.96, 0.01, 0.01, 0.01, 0.01])
    model = nn.Linear(8, 5)
    nn.init.zeros_(model.weight)
    model.bias.data = shares.log()
    given = Batch(torch.randn(100, 8), torch.tensor([0] * 96 + [1, 2, 3, 4]))
    prior = float(-(shares * shares.log()).sum())
    assert loss_of(model, prior, given=given) == []
    assert len(loss_of(model, None, given=given)) == 1


def test_a_loss_that_is_no_number() -> None:
    model = network()
    nn.init.constant_(model[0].weight, float("nan"))
    assert len(loss_of(model)) == 1


@pytest.mark.parametrize(("factor", "expected"), [(1.0, []), (30.0, ["first_loss: alarm"])])
def test_the_first_loss_of_values(factor: float, expected: list[str]) -> None:
    spec = Values(("x",), (100.0,), (10.0,))
    task = Regression(spec, loss=Squared)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    scaled(model[-1], factor)
    found = passed(model, task, Batch(torch.randn(40, 8), 100 + 10 * torch.randn(40, 1)))
    assert names(rules.first_loss(found, spec, None, PLAIN)) == expected


def outputs_of(model: nn.Module, **other: Any) -> list[str]:
    found = passed(model, **other)
    return [
        finding.seen.split(",")[0]
        for finding in rules.outputs_fit_loss(found, FIVE, {"seed": 0, **CROSS}, "model=linear")
    ]


CROSS = {"task": {"type": "classification", "loss": {"type": "cross_entropy"}}}


def test_logits_are_outputs_that_fit() -> None:
    assert outputs_of(network()) == []
    assert outputs_of(network(nn.LogSoftmax(dim=1))) == []  # of no use, but harmless


def test_outputs_that_do_not_fit() -> None:
    assert outputs_of(network(nn.Softmax(dim=1))) == ["the model's outputs are probabilities (at least 0"]
    assert outputs_of(network(nn.ReLU())) == ["the model's outputs are never negative"]
    assert outputs_of(nn.Linear(8, 7)) == ["the model has 7 outputs"]


def test_a_network_that_starts_at_zero_has_no_softmax() -> None:
    model = network()
    scaled(model[-1], 0)
    assert outputs_of(model) == []


def dependence(model: nn.Module) -> list[Any]:
    return [finding.where["layer"] for finding in rules.input_dependence(passed(model), model, "model=linear")]


def gradients_of(model: nn.Module) -> list[str]:
    found = backward(model, classify().objectives[0], batch(), DEVICE)
    return [finding.seen for finding in rules.gradients(found, "model=linear")]


def test_a_healthy_network_sees_its_inputs_and_learns() -> None:
    model = network()
    assert dependence(model) == [] and gradients_of(model) == []


def test_a_head_that_starts_at_zero_is_all_right() -> None:
    model = network()
    scaled(model[-1], 0)
    assert dependence(model) == [] and gradients_of(model) == []


def test_dead_units() -> None:
    model = network(depth=3)
    nn.init.constant_(model[2].bias, -20.0)
    assert dependence(model) == ["3"]  # the ReLU above them
    model = network(depth=1)
    nn.init.constant_(model[0].bias, -20.0)
    (seen,) = gradients_of(model)
    assert seen.startswith("the gradient of all 2 weights is exactly 0")


def test_a_layer_that_is_never_called() -> None:
    model = network()
    model.add_module("unused", nn.Identity())
    model.unused.scale = nn.Parameter(torch.ones(3, 3))
    model.unused.forward = lambda x: x
    (seen,) = gradients_of(model)
    assert seen.startswith("the loss does not depend on unused.scale: no gradient reaches it")


def test_a_loss_that_depends_on_no_parameter_at_all() -> None:
    class Detached(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).detach()

    (seen,) = gradients_of(Detached(nn.Linear(8, 5)))
    assert seen.startswith("the loss does not depend on 0.weight and 1 more")


def test_frozen_parameters() -> None:
    model = network()
    assert names(rules.frozen(model, "model=linear")) == []
    model[0].weight.requires_grad_(False)
    (found,) = rules.frozen(model, "model=linear")
    assert (found.level, found.where) == ("alarm", {"parameter": "0.weight"})
    assert found.seen == "1 tensors with 34% of the parameters are frozen by the model itself"


def fit(
    model: nn.Module,
    rule: Any = None,
    task: Any = None,
    given: Batch | None = None,
    targets: Targets = FIVE,
    few: Batch | None = None,
) -> list[Finding]:
    optimizer = Optimizer(rule or Adam(lr=0.01), model)
    trial = fitting.Trial(model, (task or classify()).objectives[0], optimizer, DEVICE)
    return list(fitting.one_batch(trial, [given or batch(), few or batch()], targets, PLAIN, "model=linear"))


def test_a_healthy_network_fits_one_batch_and_stays_as_it_was() -> None:
    model = network(nn.BatchNorm1d(5))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert fit(model) == []
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_rate_that_is_too_low_is_named_as_the_cause() -> None:
    (found,) = fit(network(), Adam(lr=0.0003))
    assert found.rule == "one_batch"
    assert found.causes == ("a learning rate that is too low: 0.01 does it",)
    assert found.confirm == ("optimizer.lr=0.01",)


@pytest.mark.parametrize("rule", [Adam(lr=1e-9), SGD(lr=1e-6)])
def test_a_rate_at_which_nothing_happens(rule: Any) -> None:
    (found,) = fit(network(), rule)
    assert found.level == "alarm"
    assert "200 steps on the same 40 examples brought the loss from" in found.seen


def test_a_rate_that_is_too_high_is_named_as_the_cause() -> None:
    labels = torch.arange(40) % 5
    easy = Batch(4.0 * nn.functional.one_hot(labels, 8), labels)
    (found,) = fit(network(depth=1), SGD(lr=100.0), given=easy)
    assert (found.level, found.causes) == ("alarm", ("a learning rate that is too high: 0.1 does it",))


def test_a_network_that_is_dead() -> None:
    model = network()
    nn.init.constant_(model[0].bias, -50.0)
    (found,) = fit(model)
    assert (found.level, found.confirm) == ("alarm", ("model=linear",))
    assert found.causes == ("a part of the network that is dead, frozen or not connected",)


def test_heavy_dropout_makes_it_a_remark() -> None:
    (found,) = fit(network(nn.Dropout(0.9)), Adam(lr=1e-9))
    assert found.level == "remark"


def test_one_class_in_the_batch_tells_nothing() -> None:
    given = Batch(torch.randn(40, 8), torch.zeros(40, dtype=torch.long))
    assert fit(network(), Adam(lr=1e-9), given=given) == []


def test_a_network_that_is_too_large_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MULTIPLY_ADDS", 3 * 40 * (64 + 64 + 40) * 49)
    (found,) = fit(network(), Adam(lr=1e-9))
    assert (found.level, found.seen) == (
        "remark",
        "whether the network can fit one batch was not tried: it is too large for 50 steps in seconds",
    )


def test_a_large_network_gets_fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MULTIPLY_ADDS", 3 * 40 * (64 + 64 + 40) * 70)
    (found,) = fit(network(), Adam(lr=1e-9))
    assert found.seen.startswith("70 steps on the same 40 examples")


def test_a_larger_network_is_tried_on_fewer_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MULTIPLY_ADDS", 3 * 10 * (64 + 64 + 40) * 60)
    few = Batch(torch.randn(10, 8), torch.arange(10) % 5)
    (found,) = fit(network(), Adam(lr=1e-9), few=few)
    assert found.seen.startswith("60 steps on the same 10 examples")


def test_values_need_only_move() -> None:
    spec = Values(("x",), (0.0,), (1.0,))
    task = Regression(spec, loss=Squared)
    given = Batch(torch.randn(40, 8), torch.randn(40, 1))
    assert fit(nn.Linear(8, 1), Adam(lr=0.003), task, given, spec) == []
    assert len(fit(nn.Linear(8, 1), Adam(lr=1e-9), task, given, spec)) == 1


def test_tags_are_fitted_at_every_position() -> None:
    spec = Tags(tuple("abcde"), 6)
    task = Tagging(spec, loss=CrossEntropy)
    given = Batch(torch.randn(8, 6, 8), torch.randint(5, (8, 6)))
    given.targets[0, 4:] = -100
    assert fit(network(), task=task, given=given, targets=spec) == []
    assert len(fit(network(), Adam(lr=1e-9), task, given, spec)) == 1
    assert names(rules.first_loss(passed(network(), task, given), spec, None, PLAIN)) == []


class Odd(nn.Module):
    """Has parts that give one number for all examples, and none for each."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.one, self.none = nn.Linear(8, 5), nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.one(x.mean()) + self.none(x[:, :0]).sum()


def test_parts_that_give_nothing_by_example_are_no_layers_that_tell_examples_apart() -> None:
    assert passed(Odd()).constant == []
