"""All rules in their order, leaving everything as it was."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, islice

import torch
from torch import nn

from nntrain.batch import Batch
from nntrain.device import python_state, restore_python
from nntrain.loss import Objective
from nntrain.parts import Parts
from nntrain.preflight import data, durations, first_batch, inputs, order
from nntrain.preflight.finding import Finding
from nntrain.preflight.first_batch import FirstPass
from nntrain.preflight.fitting import EXAMPLES, Trial, one_batch
from nntrain.preflight.scan import Scan, sample, scan
from nntrain.specs import Graphs, Image, Nodes, Vector, Video
from nntrain.trial import FEWEST, first

UNUSABLE = ("finite_numbers", "labels_in_range")  # faults of the data after which no network can be tried


def preflight(parts: Parts, with_fitting: bool) -> list[Finding]:
    """What the rules find, but for those that the config silences, alarms first.

    `with_fitting` tries as well whether the network can fit one batch, which takes up to some seconds.
    """
    with _undisturbed(parts):
        scans = {
            name: scan(name, split, parts.data.targets)
            for name in ("train", "dev")
            if (split := parts.data.split(name)) is not None
        }
        found = [*durations.beyond_the_end(parts.plain, parts.clock), *_on_data(parts, scans)]
        found += durations.beyond_an_epoch(parts.order)
        if not any(finding.rule in UNUSABLE for finding in found):
            found += _on_first_batches(parts, scans["train"])
            # A later stage will not start from the weights that it has now.
            found += _on_fitting(parts) if with_fitting and parts.stage == 0 else ()
    heard = [finding for finding in found if finding.rule not in parts.settings.silence]
    return sorted(heard, key=lambda finding: finding.level != "alarm")


def _on_data(parts: Parts, scans: dict[str, Scan]) -> Iterator[Finding]:
    plain, targets, source = parts.plain, parts.data.targets, parts.data.inputs
    yield from data.finite_numbers(list(scans.values()), plain)
    yield from data.labels_in_range(list(scans.values()), targets)
    yield from data.classes_in_training(scans["train"], targets, plain)
    train = sample(parts.data.train, source)
    yield from inputs.leaking_feature(train, targets, plain)
    features = inputs.Features.of(train)
    if features is not None:
        yield from inputs.input_scale(features, plain)
        yield from inputs.feature_scales(features, plain)
    dev = parts.data.split("dev")
    if dev is None:
        return
    yield from data.shared_examples(scans["train"], scans["dev"], lambda: inputs.different(train), plain)
    same = inputs.Features.of(sample(dev, source), features.numbers) if features is not None else None
    if features is not None and same is not None:
        yield from inputs.prepared_alike(features, same, plain)


def _on_first_batches(parts: Parts, train: Scan) -> Iterator[Finding]:
    targets, model = parts.data.targets, copy.deepcopy(parts.model).train()
    prior = None if train.counts is None else first_batch.entropy(train.counts)
    batches = _first_batches(parts)
    yield from order.shuffled(batches, targets, prior, parts.plain)
    other = _other_network(parts)
    yield from first_batch.frozen(model, other)
    for objective, main in zip(parts.task.objectives, parts.task.main.objectives, strict=True):  # the network's own
        yield from _on_gradients(parts, model, objective, batches[0], other)
        if parts.task.untrained_loss() is not None:
            found = first_batch.first_pass(model, main, batches[0], parts.device)
            yield from first_batch.outputs_fit_loss(found, targets, parts.plain, other)
            yield from first_batch.input_dependence(found, model, other)
            if not parts.taken_over:
                yield from _on_first_loss(parts, model, main, batches[0], found, prior)


def _on_gradients(parts: Parts, model: nn.Module, objective: Objective, batch: Batch, other: str) -> Iterator[Finding]:
    """Of all examples only where something is found in some: what these do not reach, others may."""

    def look(at: Batch) -> list[Finding]:
        return list(first_batch.gradients(first_batch.backward(model, objective, at, parts.device), other))

    some = first(batch, FEWEST)
    with suppress(Exception):  # they may be too few
        if some is not batch and not look(some):
            return
    yield from look(batch)


def _on_first_loss(
    parts: Parts, model: nn.Module, objective: Objective, batch: Batch, found: FirstPass, prior: float | None
) -> Iterator[Finding]:
    """An alarm only where the loss is off in eval mode too.

    With batch statistics a healthy network may start high in one of the modes: in training where it takes
    maxima over many places, in evaluation where residual blocks add up that nothing normalises yet. Networks
    on graphs that sum over nodes start high in both, so there it is a remark.
    """
    targets, plain = parts.data.targets, parts.plain
    if not any(first_batch.first_loss(found, targets, prior, plain)):
        return
    evaluated = first_batch.first_pass(model.eval(), objective, batch, parts.device)
    if any(first_batch.first_loss(evaluated, targets, prior, plain)):
        for finding in first_batch.first_loss(found, targets, prior, plain):
            yield replace(finding, level="remark" if isinstance(parts.data.inputs, Graphs) else "alarm")


def _on_fitting(parts: Parts) -> Iterator[Finding]:
    """Nothing where several objectives work against each other, or nothing is known of the loss to expect."""
    if len(parts.task.objectives) == 1 and parts.task.untrained_loss() is not None:
        (objective,), (optimizer,) = parts.task.main.objectives, parts.optimizers.values()
        batches = [next(parts.data.train.sample(examples, 0).in_order()) for examples in EXAMPLES]
        trial = Trial(parts.model, objective, optimizer, parts.device, parts.clip)
        yield from one_batch(trial, batches, parts.data.targets, parts.plain, _other_network(parts))


def _other_network(parts: Parts) -> str:
    """A setting that puts another network in place of this one: the simplest, else this with other weights."""
    takes_linear = isinstance(parts.data.inputs, Vector | Image | Video | Nodes)
    is_linear = parts.plain["model"]["type"] == "linear"
    return "model=linear" if takes_linear and not is_linear else f"seed={parts.seed + 1}"


def _first_batches(parts: Parts) -> list[Batch]:
    """Some batches of the first epoch, in its order."""
    updates = parts.data.train.stream(parts.order.updates(0))
    examples = min(order.EXAMPLES, len(parts.data.train))
    return list(islice(chain.from_iterable(updates), max(1, min(order.BATCHES, examples // parts.data.batch_size))))


@contextmanager
def _undisturbed(parts: Parts) -> Iterator[None]:
    """Lets the rules draw the numbers of the first step, and puts all generators back afterwards."""
    devices = [parts.device.torch] if parts.device.torch.type == "cuda" else []
    python = python_state()
    with torch.random.fork_rng(devices):
        parts.device.seed(parts.seed, 1, parts.stage, 0)
        try:
            yield
        finally:
            restore_python(python)
