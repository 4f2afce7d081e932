"""Losses of the margin by which the right class's score is above the best of the others."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import one_hot
from nntrain.device import at_least_single
from nntrain.losses import of_labels
from nntrain.registry import loss
from nntrain.specs import Labels


@loss("hinge")
class Hinge:
    """How much the score of the right class lacks to be 1 above all others.

    L = sum_i max(0, 1 + max_{k != y_i} z_ik - z_iy)

    With two classes it is max(0, 1 - t f), t = -1 or 1, f = z_1 - z_0: a linear model with the regularizer l2 is
    then a support vector machine. Outputs z are scores ([batch, ...] classes); targets y as for cross_entropy,
    distributions over classes weighting the losses of each.
    Source: Crammer, Singer, On the algorithmic implementation of multiclass kernel-based vector machines, 2001;
    Cortes, Vapnik, Support-vector networks, 1995.
    """

    starts_at_guessing = False  # it grows with the outputs, however small the differences it starts from

    def __init__(self, targets: Labels) -> None:
        pass

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return of_labels(_hinges(at_least_single(outputs)), targets)


@loss("squared_hinge")
class SquaredHinge:
    """The square of the hinge loss: small violations cost little, and the gradient has no jump.

    L = sum_i max(0, 1 + max_{k != y_i} z_ik - z_iy)^2

    Outputs and targets as for hinge.
    Source: Tang, Deep learning using linear support vector machines, 2013, arXiv:1306.0239.
    """

    starts_at_guessing = False  # it grows with the outputs, however small the differences it starts from

    def __init__(self, targets: Labels) -> None:
        pass

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return of_labels(_hinges(at_least_single(outputs)).square(), targets)


@loss("perceptron")
class PerceptronCriterion:
    """How much the score of the right class lacks to be the highest: its gradient is the perceptron rule.

    L = sum_i (max_k z_ik - z_iy)

    A right answer changes nothing; after a wrong one, W_y gains lr x and the winner's weights lose it.
    Outputs and targets as for hinge.
    Source: Rosenblatt, The perceptron, 1958; Bishop, Pattern Recognition and Machine Learning, section 4.1.7.
    """

    starts_at_guessing = False  # it grows with the outputs, however small the differences it starts from

    def __init__(self, targets: Labels) -> None:
        pass

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        scores = at_least_single(outputs)
        # Not amax, whose gradient is shared out among equal scores: from zero weights one class must win.
        return of_labels(scores.max(dim=-1, keepdim=True).values - scores, targets)


def _hinges(scores: Tensor) -> Tensor:
    """max(0, 1 + max_{k != c} z_k - z_c) for every class c."""
    highest = scores.topk(2, dim=-1).values
    is_best = one_hot(scores.argmax(dim=-1), scores.shape[-1], torch.bool)
    return F.relu(1 + torch.where(is_best, highest[..., 1:], highest[..., :1]) - scores)
