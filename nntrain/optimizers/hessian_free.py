"""Hessian-free optimisation."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from nntrain.optimizers import Problem, State
from nntrain.optimizers.vectors import joined, pieces, put
from nntrain.registry import optimizer
from nntrain.settings import Count, Factor, Positive

SPACING = 1.3  # conjugate gradients keep the iterates number 1.3, 1.3^2, ...
ENOUGH_LOWER = 1e-2  # of the decrease that the slope promises, the share that a step must bring
SHORTER = 0.8  # times the length, where it does not
TRIALS = 60


class Iterate(NamedTuple):
    """A direction d, and the change of the objective q(d) that the quadratic model promises."""

    direction: Tensor
    promised: float


@optimizer("hessian_free")
class HessianFree:
    """Truncated Newton steps: conjugate gradients on the Gauss-Newton curvature, which is never written down.

    d minimises q(d) = g^T d + d^T (G + damping I) d / 2 until the progress of k = max(10, i/10) iterations is
    less than k tolerance q(d);  w = w + t d, t = lr, 0.8 lr, ... until f(w + t d) <= f(w) + 0.01 t g^T d

    Iterates are gone back over while that lowers the objective. With r = (f(w + d) - f(w)) / q(d) the damping is
    multiplied by 3/2 where r < 1/4 and by 2/3 where r > 3/4 (Levenberg, Marquardt). The next iterations start at
    decay times the last d. Works for every loss that is convex in the outputs. Without a preconditioner. Wants
    all examples, or large batches; the graphs of all micro-batches of an update are kept.
    Source: Martens, Deep learning via Hessian-free optimization, ICML 2010.

    Settings:
        lr: the step length t that is tried first, before the schedule
        damping: what is added to the curvature's diagonal in the first step
        iterations: how many conjugate gradients take at most
        tolerance: the relative progress by iteration that ends them
        decay: the share of the last direction that they start at
    """

    sets_length = True
    takes_curvature = True

    def __init__(
        self,
        *,
        lr: Positive = 1.0,
        damping: Positive = 1.0,
        iterations: Count = 250,
        tolerance: Positive = 5e-4,
        decay: Factor = 0.95,
    ) -> None:
        self.lr = lr
        self.damping = damping
        self.iterations = iterations
        self.tolerance = tolerance
        self.decay = decay

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        return {
            "direction": [torch.zeros_like(p) for p in parameters.values()],
            "damping": [p.new_full((), self.damping) for p in parameters.values()],
        }

    def step(self, problem: Problem, state: State, lr: float) -> None:
        gradient = joined(problem.gradients)
        if not float(gradient.norm()) > 0:  # nothing to gain, or no longer a number
            return
        iterates = self._iterates(problem, gradient, state)
        torch._foreach_copy_(state["direction"], pieces(iterates[-1].direction, problem.parameters))
        here, before = joined(problem.parameters), float(problem.closure.value)

        def objective(move: Tensor) -> float:
            put(here + move, problem.parameters)
            value = float(problem.closure.objective())
            return value if math.isfinite(value) else math.inf

        chosen, lowest = _gone_back(iterates, objective)
        _adapt(state["damping"], (lowest - before) / chosen.promised if chosen.promised < 0 else -math.inf)
        length = _length(objective, chosen.direction, float(gradient @ chosen.direction), before, lr)
        put(here + length * chosen.direction, problem.parameters)

    def _iterates(self, problem: Problem, gradient: Tensor, state: State) -> list[Iterate]:
        """The iterates of conjugate gradients on (G + damping I) d = -g."""
        gauss_newton = problem.closure.gauss_newton()
        damping = state["damping"][0]

        def curved(vector: Tensor) -> Tensor:
            return joined(gauss_newton(pieces(vector, problem.parameters))).add_(damping * vector)

        first = joined(state["direction"]) * self.decay
        return conjugate_gradients(curved, -gradient, first, self.iterations, self.tolerance)


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], target: Tensor, first: Tensor, iterations: int, tolerance: float
) -> list[Iterate]:
    """Minimises q(d) = d^T A d / 2 - target^T d from `first`; the last iterate, and ever fewer of those before.

    Ends early where the curvature along a search direction is not positive.
    """
    d, residual = first, target - product(first)
    search, size = residual, float(residual @ residual)
    promised = [_model(d, residual, target)]
    kept: list[Iterate] = []
    keep_at = SPACING
    for i in range(1, iterations + 1):
        turned = product(search)
        curvature = float(search @ turned)
        if not curvature > 0:
            break
        d = d + (size / curvature) * search
        residual = residual - (size / curvature) * turned
        promised.append(_model(d, residual, target))
        if i >= keep_at:
            kept.append(Iterate(d, promised[i]))
            keep_at *= SPACING
        window = max(10, i // 10)
        if i > window and promised[i] < 0 and promised[i] - promised[i - window] > window * tolerance * promised[i]:
            break
        size, before = float(residual @ residual), size
        if size == 0:
            break
        search = residual + (size / before) * search
    return [*(iterate for iterate in kept if iterate.direction is not d), Iterate(d, promised[-1])]


def _model(d: Tensor, residual: Tensor, target: Tensor) -> float:
    """q(d), with A d = target - residual."""
    return -0.5 * float(d @ (residual + target))


def _gone_back(iterates: list[Iterate], objective: Callable[[Tensor], float]) -> tuple[Iterate, float]:
    """The last iterate, or one before it as long as that is lower; and the objective there."""
    chosen, lowest = iterates[-1], objective(iterates[-1].direction)
    for iterate in reversed(iterates[:-1]):
        value = objective(iterate.direction)
        if value >= lowest:
            break
        chosen, lowest = iterate, value
    return chosen, lowest


def _adapt(damping: list[Tensor], ratio: float) -> None:
    """Levenberg's and Marquardt's rule, by how much of the promised decrease came."""
    if ratio < 1 / 4:
        torch._foreach_mul_(damping, 3 / 2)
    elif ratio > 3 / 4:
        torch._foreach_mul_(damping, 2 / 3)


def _length(
    objective: Callable[[Tensor], float], direction: Tensor, slope: float, before: float, length: float
) -> float:
    """The first length that brings enough; 0 where none does."""
    for _ in range(TRIALS):
        if objective(length * direction) <= before + ENOUGH_LOWER * length * min(0.0, slope):
            return length
        length *= SHORTER
    return 0.0
