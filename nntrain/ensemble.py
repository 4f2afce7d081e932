"""Several trained models as one: their predictions taken together, or their weights."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.batch_statistics import BatchStatistics, statistics_of
from nntrain.config import differences
from nntrain.data.order import Order
from nntrain.device import at_least_single
from nntrain.errors import UserError
from nntrain.measure import examples_of
from nntrain.members import Asked, Member, Say, members_of, one_of
from nntrain.parts import Trained
from nntrain.specs import Labels, Values
from nntrain.tasks import Outcome, Task

Combine = Callable[[Tensor], Tensor]  # outputs of several models (models, batch, ...) -> of all together (batch, ...)


def as_one(asked: Asked, way: str | None, say: Say) -> tuple[list[Member], Trained]:
    """The models that are asked for, and all of them made one in one of WAYS; None for one alone."""
    if way is None:
        member = one_of(asked, say)
        return [member], member.parts
    members = members_of(asked, say)
    return members, WAYS[way](members)


def averaged(members: Sequence[Member]) -> Trained:
    """The mean of probabilities, or of values; where a loss gives scores that are no probabilities, that of scores."""
    task = members[0].parts.task
    if isinstance(task.targets, Labels):
        return _ensemble(members, mean if task.untrained_loss() is None else mean_probabilities)
    if isinstance(task.targets, Values):
        return _ensemble(members, mean)
    raise UserError(f"only labels and values have a mean prediction, not {task.targets}; take --average weights")


def voted(members: Sequence[Member]) -> Trained:
    """The majority of classes; a vote has no loss."""
    task = members[0].parts.task
    if not isinstance(task.targets, Labels):
        raise UserError(f"models vote on classes, and not on {task.targets}; take --ensemble average")
    return replace(_ensemble(members, majority), task=cast(Task, _WithoutLoss(task)))


@torch.no_grad()
def mean_of_weights(members: Sequence[Member]) -> Trained:
    """One network with the mean of all weights, and batch statistics estimated anew where the members' differ.

    Source: Wortsman et al., Model soups, 2022, arXiv:2203.05482 (the uniform soup).
    """
    for other in members[1:]:
        _check_same_architecture(members[0], other)
    models = [member.parts.model for member in members]
    parts = replace(members[0].parts, model=copy.deepcopy(models[0]))
    for mean_one, *each in zip(parts.model.parameters(), *(model.parameters() for model in models), strict=True):
        mean_one.copy_(torch.stack(each).mean(dim=0))
    states, statistics = [model.state_dict() for model in models], statistics_of(parts.model)
    if any(not torch.equal(buffer, state[name]) for name, buffer in statistics.items() for state in states):
        _recalibrate(parts)
    return parts


WAYS: Mapping[str, Callable[[Sequence[Member]], Trained]] = {
    "--ensemble average": averaged,
    "--ensemble vote": voted,
    "--average weights": mean_of_weights,
}


def mean(outputs: Tensor) -> Tensor:
    """1/n sum_i z_i."""
    return outputs.mean(dim=0)


def mean_probabilities(outputs: Tensor) -> Tensor:
    """log(1/n sum_i softmax(z_i)): logits whose softmax is the mean of the models' probabilities."""
    return outputs.log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(outputs))


def majority(outputs: Tensor) -> Tensor:
    """log((votes + mean probability) / (n + 1)): the class that most models choose, of equals the more probable."""
    votes = F.one_hot(outputs.argmax(dim=-1), outputs.shape[-1]).sum(dim=0)
    return (votes + outputs.softmax(dim=-1).mean(dim=0)).log() - math.log(len(outputs) + 1)


class Ensemble(nn.Module):
    """One output from those of several models."""

    def __init__(self, models: Sequence[nn.Module], combine: Combine) -> None:
        super().__init__()
        self.members = nn.ModuleList(models)
        self._combine = combine

    def forward(self, x: Any) -> Tensor:
        return self._combine(torch.stack([at_least_single(model(x)) for model in self.members]))


class _WithoutLoss:
    """A task whose predictions are measured by metrics only."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        return replace(self._task.evaluate(model, batch), loss=None)


def _ensemble(members: Sequence[Member], combine: Combine) -> Trained:
    return replace(members[0].parts, model=Ensemble([member.parts.model for member in members], combine))


def _recalibrate(parts: Trained) -> None:
    train, seed = examples_of(parts, "train"), parts.plain["seed"]
    order = Order(len(train), parts.data.batch_size, 1, seed, parts.data.sampler)
    statistics = BatchStatistics(parts.model, parts.task.objectives, train, order, parts.device, seed)
    statistics.estimate(order.batches_per_epoch)


def _check_same_architecture(one: Member, other: Member) -> None:
    models = [member.parts.plain["model"] for member in (one, other)]
    states = [member.parts.model.state_dict() for member in (one, other)]
    shapes = [{name: tuple(tensor.shape) for name, tensor in state.items()} for state in states]
    different = [*differences(models[0], models[1], "model"), *differences(shapes[0], shapes[1])]
    if different:
        message = "only weights of one architecture have a mean; take --ensemble average"
        raise UserError(f"{one.path} and {other.path} differ in {different[0]}; {message}")
