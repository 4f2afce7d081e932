"""What is tried of a network before its first step, so that what fails is a mistake of the config."""

from collections.abc import Mapping
from contextlib import suppress

import torch
from torch import nn

from nntrain.attempts import reason
from nntrain.batch import Batch
from nntrain.closure import Closure
from nntrain.data import Dataset
from nntrain.data.order import Order
from nntrain.device import Device
from nntrain.errors import UnfitError
from nntrain.layers import Layer, multiply_adds, trace_example
from nntrain.metrics import Metric
from nntrain.optimizers import Optimizer
from nntrain.out_of_memory import can_be_cut
from nntrain.regularizers import Regularizer
from nntrain.snapshot import unchanged
from nntrain.tasks import Task

QUICK = 2_000_000_000  # multiply-adds of a forward pass: about a tenth of a second on one core
FEWEST = 2  # examples, for batch statistics


def first_batch(data: Dataset, order: Order) -> Batch:
    """The batch that the first step of a run sees (the first of several, where it accumulates)."""
    return next(data.train.stream(order.updates(0)))[0]


def first(batch: Batch, examples: int) -> Batch:
    """The first of a batch's examples; all where each is no row of tensors."""
    return batch.first(examples) if examples < batch.examples and can_be_cut(batch, 1) else batch


def quick(batch: Batch, layers: list[Layer]) -> Batch:
    """The first of a batch's examples, as many as take no time to pass."""
    return first(batch, max(FEWEST, QUICK // max(1, multiply_adds(layers))))


def traced(model: nn.Module, data: Dataset, device: Device) -> list[Layer]:
    """The layers for one example; a model that fails on it is refused. Sets the threads that it is worth."""
    first = torch.zeros(1, dtype=torch.long)
    example, twice = next(data.train.stream([[first, first.repeat(2)]]))
    try:
        layers = trace_example(model, example.inputs, twice.inputs)
    except Exception as error:
        raise UnfitError(f"the model fails on {data.inputs}: {reason(error)}") from error
    device.use_threads(multiply_adds(layers, data.batch_size))
    return layers


def tried(
    model: nn.Module,
    data: Dataset,
    task: Task,
    metrics: Mapping[str, Metric],
    regularizers: list[Regularizer],
    order: Order,
    device: Device,
    layers: list[Layer],
) -> None:
    """One forward pass of training and one of evaluation, without a step: what fails in them is refused here.

    Of a large network some examples are passed; all where these fail, which may be too few. Nothing of the model, nor
    of the random numbers, is different afterwards.
    """
    batch = first_batch(data, order)
    some = quick(batch, layers)
    seen = next(data.train.sample(batch.examples, 0).in_order())  # as evaluation sees them: never augmented

    def passed(batch: Batch, seen: Batch) -> None:
        with unchanged(model, device), torch.no_grad(), device.precision():
            for objective in task.objectives:
                value = objective.loss(objective.outputs(model.train(), batch), batch).over(objective.counts(batch))
                if value.shape != ():
                    raise UnfitError(f"the loss of a batch is to be one number, not of shape {tuple(value.shape)}")
            for regularizer in regularizers:
                regularizer.penalty()
            model.eval()
            for look in (task.evaluate, *(look for look, _ in task.further(data.train, False))):
                outcome = look(model, seen)
                for metric in metrics.values():
                    metric.measure(outcome.predictions, outcome.targets)

    check_inputs = getattr(model, "check_inputs", None)  # of a model that not all numbers are good for
    try:
        if check_inputs is not None:
            check_inputs(batch.inputs)
        with suppress(Exception):
            if some is not batch:
                return passed(some, quick(seen, layers))
        passed(batch, seen)
    except UnfitError:
        raise
    except Exception as error:
        found = f"the first batch of {batch.examples} examples fails: {reason(error)}"
        hint = "; it may be that one example is too few: take a larger data.batch_size" if batch.examples == 1 else ""
        raise UnfitError(f"{found}{hint}") from error


def curved(
    model: nn.Module,
    data: Dataset,
    task: Task,
    optimizers: Mapping[str, Optimizer],
    regularizers: list[Regularizer],
    order: Order,
    device: Device,
) -> None:
    """A product with the curvature, for update rules that need some: not everything can be derived twice."""
    for objective in task.objectives:
        optimizer = optimizers[objective.name]
        if not getattr(optimizer.rule, "takes_curvature", False):
            continue
        batch = first_batch(data, order)
        try:
            with unchanged(model, device):
                closure = Closure(model, objective, optimizer.parameters, [batch], regularizers, device)
                closure.gauss_newton()([torch.zeros_like(parameter) for parameter in optimizer.parameters])
        except UnfitError:
            raise
        except Exception as error:
            message = f"this optimizer needs second derivatives, which network or loss do not have: {reason(error)}"
            raise UnfitError(f"{message}; take one that does without, such as adam or lbfgs") from error
