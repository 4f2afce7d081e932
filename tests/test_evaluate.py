"""One pass over a split."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import mean_absolute_error, r2_score
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.data.tensor_split import TensorSplit
from nntrain.device import Device
from nntrain.evaluate import Measured, evaluate
from nntrain.loss import Loss, Term
from nntrain.losses.cross_entropy import CrossEntropy
from nntrain.losses.squared import Squared
from nntrain.metrics.classification import Accuracy, ErrorRate
from nntrain.metrics.regression import CoefficientOfDetermination, MeanAbsoluteError, RootMeanSquaredError
from nntrain.specs import Classes, Values
from nntrain.tasks import Outcome, Task
from nntrain.tasks.classification import Classification
from nntrain.tasks.regression import Regression

N = 53
CLASSES = Classes(("a", "b", "c"))
CPU = Device("cpu")


@dataclass(frozen=True)
class InBatches:
    """A split that comes in batches of a given size."""

    inputs: Tensor
    targets: Tensor
    size: int

    def __len__(self) -> int:
        return len(self.targets)

    def in_order(self) -> Iterator[Batch]:
        return map(Batch, self.inputs.split(self.size), self.targets.split(self.size))


def model(outputs: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, outputs))


def classified(size: int = N) -> Any:
    generator = torch.Generator().manual_seed(1)
    return InBatches(torch.randn(N, 4, generator=generator), torch.randint(3, (N,), generator=generator), size)


def classification(net: nn.Module, split: Any) -> Measured:
    task = Classification(CLASSES, loss=CrossEntropy, label_smoothing=0.2)
    metrics = {"error_rate": ErrorRate(CLASSES), "accuracy": Accuracy(CLASSES)}
    return evaluate(net, task, split, metrics, CPU, task.details)


def test_a_classifier_is_measured_in_eval_mode_against_the_labels() -> None:
    net, split = model(3), classified()
    measured = classification(net, split)
    logits = net.eval()(split.inputs)
    wrong = (logits.argmax(dim=1) != split.targets).double().mean().item()
    expected = {
        "loss": F.cross_entropy(logits, split.targets).item(),
        "error_rate": wrong,
        "accuracy": 1 - wrong,
    }
    assert measured.numbers == pytest.approx(expected, rel=1e-6)
    assert measured.examples == N
    assert [table.title.split(" (")[0] for table in measured.tables] == ["per class", "confusion matrix"]
    assert sum(int(row[1]) for row in measured.tables[0].rows) == N


@pytest.mark.parametrize("size", [1, 2, 7, 52])
def test_a_classifiers_numbers_do_not_depend_on_the_batch_size(size: int) -> None:
    net = model(3)
    whole, parts = classification(net, classified()), classification(net, classified(size))
    assert parts.numbers == pytest.approx(whole.numbers, rel=1e-6)
    assert parts.tables == whole.tables


def regression(net: nn.Module, size: int = N) -> tuple[Measured, Regression, InBatches]:
    generator = torch.Generator().manual_seed(1)
    targets = torch.randn(N, 2, generator=generator) * torch.tensor([30.0, 0.2]) + torch.tensor([-500.0, 3.0])
    spec = Values(("a", "b")).learned_from(targets)
    task, split = Regression(spec, loss=Squared), InBatches(torch.randn(N, 4, generator=generator), targets, size)
    metrics = {
        "rmse": RootMeanSquaredError(spec),
        "mae": MeanAbsoluteError(spec),
        "r2": CoefficientOfDetermination(spec),
    }
    return evaluate(net, task, split, metrics, CPU, task.details), task, split


def test_a_regression_is_measured_in_the_datas_own_units() -> None:
    net = model(2)
    measured, _, split = regression(net)
    mean, deviation = split.targets.mean(dim=0), split.targets.std(dim=0, correction=0)
    outputs = net.eval()(split.inputs).detach()
    predictions = outputs * deviation + mean
    expected = {
        "loss": F.mse_loss(outputs, (split.targets - mean) / deviation).item(),
        "rmse": F.mse_loss(predictions, split.targets).sqrt().item(),
        "mae": mean_absolute_error(split.targets, predictions),
        "r2": r2_score(split.targets, predictions),
    }
    assert measured.numbers == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("size", [1, 2, 7, 52])
def test_a_regressions_numbers_do_not_depend_on_the_batch_size(size: int) -> None:
    net = model(2)
    assert regression(net, size)[0].numbers == pytest.approx(regression(net)[0].numbers, rel=1e-6)


@pytest.mark.parametrize("is_training", [True, False])
def test_the_model_is_left_as_it_was_found(is_training: bool) -> None:
    net = model(3).train(is_training)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    classification(net, classified(7))
    assert all(module.training == is_training for module in net.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


class TwoTerms(Task):
    """A task whose loss has two terms, of which the second counts the examples of class 0 only."""

    def evaluate(self, net: nn.Module, batch: Batch) -> Outcome:
        each = F.cross_entropy(net(batch.inputs), batch.targets, reduction="none")
        chosen = batch.targets == 0
        loss = Loss(all=Term(each.sum()), zeros=Term(each[chosen].sum(), weight=0.25))
        return Outcome(each, batch.targets, loss, {"all": len(each), "zeros": int(chosen.sum())})


@pytest.mark.parametrize("size", [1, 7, N])
def test_each_term_of_the_loss_is_divided_by_its_own_count(size: int) -> None:
    net, split = model(3).eval(), classified(size)
    each = F.cross_entropy(net(split.inputs), split.targets, reduction="none")
    expected = each.mean() + 0.25 * each[split.targets == 0].mean()
    measured = evaluate(net, TwoTerms(), split, {}, CPU)
    assert measured.numbers == pytest.approx({"loss": expected.item()}, rel=1e-6)


def test_bf16_is_measured_nearby() -> None:
    net, split, task = model(3), classified(), Classification(CLASSES, loss=CrossEntropy)
    full = evaluate(net, task, split, {}, CPU).numbers["loss"]
    half = evaluate(net, task, split, {}, Device("cpu", "bf16")).numbers["loss"]
    assert half == pytest.approx(full, rel=0.01)
    assert half != full


def test_splits_in_memory_come_in_large_batches_in_order() -> None:
    split = TensorSplit(torch.arange(5_000_000.0).view(-1, 10), torch.arange(500_000), batch_size=1000)
    batches = list(split.in_order())
    assert 1 < len(batches) < 50
    assert torch.equal(torch.cat([batch.targets for batch in batches]), split.targets)
    assert all(torch.equal(batch.inputs[:, 0], batch.targets * 10.0) for batch in batches)
