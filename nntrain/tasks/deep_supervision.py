"""Supervision at several depths: heads on layers inside of a network, whose losses count beside its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.auxiliary import AuxiliaryHeads
from nntrain.batch import Batch
from nntrain.errors import UnfitError
from nntrain.loss import Counts, Loss
from nntrain.settings import Positive, section
from nntrain.specs import Headed, Inputs
from nntrain.tasks import Outcome, Task
from nntrain.tasks.given import Given


@section
class Auxiliary:
    """An auxiliary head.

    Settings:
        layer: the layer that it stands on, by its name as check shows it
        weight: how much its loss counts beside the network's own
    """

    def __init__(self, *, layer: str, weight: Positive = 0.3) -> None:
        self.layer = layer
        self.weight = weight


def supervised(make: Callable[[Headed], Task], targets: Headed, *, auxiliary: list[Auxiliary] = []) -> Any:  # noqa: B006
    """A task, learned by layers inside of the network too where there are auxiliary heads.

    Settings:
        auxiliary: heads on layers inside of the network, which learn the same targets (deep supervision): each is a
            linear layer on what its layer puts out, averaged over all places, or at every position that has a label;
            only the network's own outputs are measured, and the heads' losses shown apart
    """
    task = make(targets)
    return DeepSupervision(task, auxiliary) if auxiliary else task


@contextmanager
def _below(*path: str) -> Iterator[None]:
    """Says of what is wrong with a head where in the settings it stands, or where it begins with task in the config."""
    try:
        yield
    except UnfitError as error:
        error.path = (*path, *error.path)
        if path[0] == "task":
            error.locate(())
        raise


class DeepSupervision:
    """A task whose loss is that of the network's outputs and, weighted, that of each auxiliary head's.

    L = L(z) + sum_k weight_k L(z_k)

    Source: Lee, Xie, Gallagher, Zhang, Tu, Deeply-supervised nets, 2015; Szegedy et al., Going deeper with
    convolutions, 2015.
    """

    def __init__(self, main: Task, auxiliary: list[Auxiliary]) -> None:
        self.main = main
        self._weights = {head.layer: head.weight for head in auxiliary}
        if len(self._weights) < len(auxiliary):
            names = [head.layer for head in auxiliary]
            twice = next(i for i, name in enumerate(names) if name in names[:i])
            raise UnfitError(f"'{names[twice]}' has an auxiliary head already", f"auxiliary.{twice}.layer")
        (self._objective,) = main.objectives
        self.objectives = (replace(self._objective, outputs=self.outputs, loss=self.loss, counts=self.counts),)

    def __getattr__(self, name: str) -> Any:
        """All else is the task's own."""
        if name == "main":
            raise AttributeError(name)
        return getattr(self.main, name)

    def prepare(self, model: nn.Module, inputs: Inputs, targets: Headed) -> None:
        """Puts the heads into a model; UnfitError where it has no such layer, or one that no head can stand on."""
        with _below("auxiliary"):
            heads = AuxiliaryHeads(model, list(self._weights), inputs, targets)
        model.auxiliary = heads.to(next((p.device for p in model.parameters()), torch.device("cpu")))

    def outputs(self, model: Any, batch: Batch) -> Tensor:
        """The network's outputs and the heads' beside them, (..., (1 + heads) * outputs)."""
        outputs = self._objective.outputs(model, batch)
        with _below("task", "auxiliary"):
            return torch.cat((outputs, *model.auxiliary.taken()), dim=-1)

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        own, *others = outputs.chunk(1 + len(self._weights), dim=-1)
        found = Loss(self._objective.loss(own, batch))
        for (layer, weight), its in zip(self._weights.items(), others, strict=True):
            terms = self._objective.loss(its, batch)
            found.update({f"{layer}/{key}": replace(t, weight=weight * t.weight) for key, t in terms.items()})
        return found

    def counts(self, batch: Batch) -> Counts:
        return self._repeated(self._objective.counts(batch))

    def evaluate(self, model: Any, batch: Batch) -> Outcome:
        """That of the network's own outputs; the losses of the heads stand beside it."""
        outcome = self.main.evaluate(model, batch)
        apart = {
            layer: self.main.evaluate(Given(outputs), batch)
            for layer, outputs in zip(self._weights, model.auxiliary.taken(), strict=True)
        }
        terms = {f"{layer}/{key}": term for layer, its in apart.items() for key, term in (its.loss or {}).items()}
        return replace(outcome, apart=Loss(terms), counts=self._repeated(outcome.counts))

    def _repeated(self, counts: Counts) -> Counts:
        """The counts of a loss, and of the same loss of each head."""
        return {**counts, **{f"{layer}/{key}": count for layer in self._weights for key, count in counts.items()}}
