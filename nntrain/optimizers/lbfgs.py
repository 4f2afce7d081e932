"""L-BFGS."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nntrain.optimizers import Problem, State
from nntrain.optimizers.line_search import Point, strong_wolfe
from nntrain.optimizers.vectors import joined, pieces, put
from nntrain.registry import optimizer
from nntrain.settings import Count, Positive

BEND = 1e-10  # the cosine of a move and the gradient's change below which they say nothing of the curvature


@optimizer("lbfgs")
class LBFGS:
    """Quasi-Newton steps: the curvature is learned from the last moves s and the gradient's changes y along them.

    d = -H g, with H from the last pairs by H = (I - s y^T / y^T s) H (I - y s^T / y^T s) + s s^T / y^T s,
    starting at (s^T y / y^T y) I of the newest;  w = w + t d, t by the strong Wolfe conditions

    An update is one iteration and takes two or more evaluations on the same examples and the same noise. Wants
    all examples, or very large batches (batch_size: all).
    Source: Liu, Nocedal 1989; Nocedal, Wright, Numerical Optimization, 2006, algorithm 7.4.

    Settings:
        lr: the step length t that is tried first, before the schedule; for the very first step it is lr / |g|_1
            where that is less
        memory: how many pairs are kept
    """

    sets_length = True

    def __init__(self, *, lr: Positive = 1.0, memory: Count = 10) -> None:
        self.lr = lr
        self.memory = memory

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        """The newest pair comes last; a pair that is not there yet is zero."""
        return {name: [p.new_zeros(self.memory, *p.shape) for p in parameters.values()] for name in ("moves", "turns")}

    def step(self, problem: Problem, state: State, lr: float) -> None:
        parameters, gradient = problem.parameters, joined(problem.gradients)
        moves, turns = (torch.cat([t.flatten(1) for t in state[name]], dim=1) for name in ("moves", "turns"))
        direction, is_first = _direction(gradient, moves, turns), not bool(moves.any())
        slope = float(gradient @ direction)
        if not slope < 0:  # the objective is flat here, or no longer a number
            return
        here = joined(parameters)

        def line(length: float) -> Point:
            put(here + length * direction, parameters)
            value, gradients = problem.closure.gradient()
            there = joined(gradients)
            return Point(length, float(value), float(there @ direction), there)

        length = lr * min(1.0, 1 / float(gradient.abs().sum())) if is_first else lr
        found = strong_wolfe(line, Point(0.0, float(problem.closure.value), slope, gradient), length)
        move, turn = found.length * direction, found.gradient - gradient
        put(here + move, parameters)
        if float(move @ turn) > BEND * float(move.norm() * turn.norm()):
            _remember(state["moves"], move)
            _remember(state["turns"], turn)


def _direction(gradient: Tensor, moves: Tensor, turns: Tensor) -> Tensor:
    """-H g by the two loops over the pairs, the rows of `moves` and `turns`."""
    products = (moves * turns).sum(dim=1)
    pairs = [(s, y, p) for s, y, p in zip(moves, turns, products, strict=True) if p > 0]
    direction, shares = -gradient, []
    for s, y, product in reversed(pairs):
        shares.append(s.dot(direction) / product)
        direction = direction - shares[-1] * y
    if pairs:
        _, y, product = pairs[-1]
        direction = direction * (product / y.dot(y))
    for (s, y, product), share in zip(pairs, reversed(shares), strict=True):
        direction = direction + (share - y.dot(direction) / product) * s
    return direction


def _remember(kept: list[Tensor], newest: Tensor) -> None:
    """Puts a vector in the last place, for which the first one goes."""
    for rows, piece in zip(kept, pieces(newest, [rows[0] for rows in kept]), strict=True):
        rows.copy_(torch.cat([rows[1:], piece.unsqueeze(0)]))
