"""What one update minimises, as a function of the parameters, for rules that look at more than one point."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from nntrain.batch import Batch
from nntrain.device import Device
from nntrain.loss import Counts, Objective
from nntrain.regularizers import Regularizer
from nntrain.snapshot import Snapshot

Product = Callable[[Sequence[Tensor]], list[Tensor]]


class Closure:
    """The objective over the micro-batches of an update, at the parameters as they are when it is asked.

    objective = sum over terms of weight * sum / count + penalties, the counts being those of the whole update,
    so that uneven micro-batches give what one big batch gives. The first evaluation, when the closure is made,
    gives `value`, `terms` and `gradients`. Others draw the same noise, such as dropout, and leave the model's buffers,
    such as running statistics, as the first one made them.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        parameters: Sequence[Tensor],
        batches: Sequence[Batch],
        regularizers: Sequence[Regularizer],
        device: Device,
    ) -> None:
        self._model = model
        self._objective = objective
        self._parameters = parameters
        self._regularizers = regularizers
        self._device = device
        self._counts = _total([objective.counts(batch) for batch in batches])
        examples = sum(batch.examples for batch in batches)
        self._shares = [(batch, batch.examples / examples) for batch in batches]
        self._noise = device.noise()
        self.value, self.terms, self.gradients = self._evaluated()

    def gradient(self) -> tuple[Tensor, list[Tensor]]:
        """Objective and gradient."""
        with self._repeated():
            value, _, gradients = self._evaluated()
            return value, gradients

    def objective(self) -> Tensor:
        """The objective alone, a tensor of shape ()."""
        with self._repeated(), torch.no_grad():
            return torch.stack([self._values(batch, share)[0] for batch, share in self._shares]).sum()

    def gauss_newton(self) -> Product:
        """v -> (J^T H J + P) v, the curvature at the parameters as they are now.

        J is the derivative of the outputs by the parameters, H that of the loss, the second, by the outputs, and
        P that of the penalties, the second, by the parameters. The graphs of all micro-batches are kept with it.
        Source: Schraudolph, Fast curvature matrix-vector products for second-order gradient descent, 2002.
        """
        with self._repeated():
            parts = [self._product(batch, share) for batch, share in self._shares]

        def product(vector: Sequence[Tensor]) -> list[Tensor]:
            each = zip(*(part(vector) for part in parts), strict=True)
            return [torch.stack(found).sum(dim=0) for found in each]

        return product

    def _evaluated(self) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Objective, terms that are logged apart, and gradient (zeros where a parameter has no part in it)."""
        value, terms, gradients = self._gradient(*self._shares[0])
        # Gradients are never changed in place: autograd may give two parameters one and the same tensor.
        for batch, share in self._shares[1:]:
            more, its_terms, others = self._gradient(batch, share)
            value, terms = value + more, terms + its_terms
            gradients = list(torch._foreach_add(gradients, others))
        return value, terms, gradients

    def _values(self, batch: Batch, share: float) -> tuple[Tensor, Tensor]:
        """The batch's part of the objective, of the penalties its share of the examples; and of terms."""
        with self._device.precision():
            loss = self._objective.loss(self._outputs(batch), batch)
            value = loss.over(self._counts)
        for penalty in self._penalties():
            value = value.add(penalty, alpha=share)
        return value, loss.apart(self._objective.terms, self._counts)

    def _outputs(self, batch: Batch) -> Any:
        with ExitStack() as entered:
            for regularizer in self._regularizers:
                entered.enter_context(regularizer.during_forward())
            return self._objective.outputs(self._model, batch)

    def _penalties(self) -> list[Tensor]:
        found = [regularizer.penalty() for regularizer in self._regularizers]
        return [penalty for penalty in found if penalty is not None]

    def _gradient(self, batch: Batch, share: float) -> tuple[Tensor, Tensor, list[Tensor]]:
        value, terms = self._values(batch, share)
        return value.detach(), terms, _derivative([value], self._parameters)

    def _product(self, batch: Batch, share: float) -> Product:
        """One micro-batch's part of the Gauss-Newton product.

        J v takes two passes backward: J^T u is linear in u, and its derivative by u, along v, is J v.
        """
        parameters = self._parameters
        with self._device.precision():
            outputs, leaves, detached = _cut(self._outputs(batch))
            loss = self._objective.loss(detached, batch).over(self._counts)
        slope = _derivative([loss], leaves, create_graph=True)
        u = [torch.zeros_like(output, requires_grad=True) for output in outputs]
        pulled = _derivative(outputs, parameters, u, create_graph=True)
        penalties = self._penalties()
        slopes = _derivative(penalties, parameters, [torch.full_like(p, share) for p in penalties], create_graph=True)

        def product(vector: Sequence[Tensor]) -> list[Tensor]:
            along = _derivative(pulled, u, vector, retain_graph=True)
            curved = _derivative(slope, leaves, along, retain_graph=True)
            back = _derivative(outputs, parameters, curved, retain_graph=True)
            return list(torch._foreach_add(back, _derivative(slopes, parameters, vector, retain_graph=True)))

        return product

    @contextmanager
    def _repeated(self) -> Iterator[None]:
        """Draws the noise of the first evaluation again, and leaves buffers and generators as they are."""
        before = Snapshot(self._model, self._device)
        self._device.repeat(self._noise)
        try:
            yield
        finally:
            before.restore()


def _cut(outputs: Any) -> tuple[list[Tensor], list[Tensor], Any]:
    """Of outputs, one tensor or several in (named) tuples: those that parameters change, new leaves, all with these."""
    parts, form = tree_flatten(outputs)
    changing = [i for i, part in enumerate(parts) if isinstance(part, Tensor) and part.requires_grad]
    leaves = [parts[i].detach().requires_grad_() for i in changing]
    new = dict(zip(changing, leaves, strict=True))
    detached = tree_unflatten([new.get(i, part) for i, part in enumerate(parts)], form)
    return [parts[i] for i in changing], leaves, detached


def _derivative(
    of: Sequence[Tensor],
    by: Sequence[Tensor],
    along: Sequence[Tensor] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> list[Tensor]:
    """The gradient by `by` of the inner product of `of` and `along`; zeros where there is no dependence."""
    moving = [i for i, tensor in enumerate(of) if tensor.requires_grad]
    if not moving:
        return [torch.zeros_like(tensor) for tensor in by]
    weights = None if along is None else [along[i] for i in moving]
    gradients = torch.autograd.grad(
        [of[i] for i in moving], by, weights, retain_graph, create_graph, allow_unused=True, materialize_grads=True
    )
    return list(gradients)


def _total(counts: Sequence[Counts]) -> Counts:
    return {name: sum(count[name] for count in counts) for name in counts[0]} if len(counts) > 1 else counts[0]
