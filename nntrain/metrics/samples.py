"""How well made examples stand for real ones."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nntrain.errors import UnfitError
from nntrain.registry import metric
from nntrain.settings import PathText
from nntrain.specs import Samples
from nntrain.teacher import Teacher

MOST_COMPARED = 2000  # examples of each kind: all are compared with all
NEIGHBOURS = 5


@dataclass(frozen=True)
class Both:
    """Real and made examples as rows of numbers; states merge by lying one below the other."""

    real: Tensor
    made: Tensor

    def __add__(self, other: "Both") -> "Both":
        real, made = (torch.cat(parts)[:MOST_COMPARED] for parts in zip(self.parts, other.parts, strict=True))
        return Both(real, made)

    @property
    def parts(self) -> tuple[Tensor, Tensor]:
        return self.real, self.made


@metric("coverage")
class Coverage:
    """The share of real examples that have a made one as near as their fifth neighbour among the real ones.

    coverage = 1/n sum_i [min_j |x_i - x'_j| <= r_i], r_i the distance of x_i to its 5th nearest real example

    Low where the generator leaves out modes or makes nothing that looks real. Of the first 2,000 examples; the
    expectation for perfect samples is about 1 - 1/2^5 = 0.97.
    Source: Naeem, Oh, Uh, Choi, Yoo, Reliable fidelity and diversity metrics for generative models, 2020,
    arXiv:2002.09797.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Samples) -> None:
        pass

    def measure(self, predictions: Tensor, targets: Tensor) -> Both:
        return _both(predictions, targets)

    def value(self, state: Both) -> float:
        distance = torch.cdist(state.real, state.made).amin(dim=1)
        return float((distance <= _radii(state.real)).float().mean())


class SeenByClassifier:
    """What a trained classifier sees in made examples."""

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Samples, *, classifier: PathText) -> None:
        self._classifier = classifier_of(targets, classifier)


@metric("sample_precision")
class SamplePrecision(SeenByClassifier):
    """The share of made examples that lie among the real ones, as a trained classifier sees them.

    sample_precision = 1/n sum_j [min_i |f(x'_j) - f(x_i)| / r_i <= 1], f the classifier's logits, r_i the distance of
    f(x_i) to its 5th nearest of real examples

    Low where made examples look like nothing real. Of the first 2,000 examples.
    Source: Kynkaanniemi, Karras, Laine, Lehtinen, Aila, Improved precision and recall metric for assessing generative
    models, 2019, arXiv:1904.06991.

    Settings:
        classifier: a checkpoint, or the folder of a run, of a classifier of the same data
    """

    def measure(self, predictions: Tensor, targets: Tensor) -> Both:
        return _both(self._classifier(predictions), self._classifier(targets))

    def value(self, state: Both) -> float:
        return _share_within(state.real, state.made)


@metric("sample_recall")
class SampleRecall(SeenByClassifier):
    """The share of real examples that lie among the made ones, as a trained classifier sees them.

    sample_recall = 1/n sum_i [min_j |f(x_i) - f(x'_j)| / r_j <= 1], f the classifier's logits, r_j the distance of
    f(x'_j) to its 5th nearest of made examples

    Low where a part of what there is is never made. Of the first 2,000 examples.
    Source: Kynkaanniemi, Karras, Laine, Lehtinen, Aila, Improved precision and recall metric for assessing generative
    models, 2019, arXiv:1904.06991.

    Settings:
        classifier: a checkpoint, or the folder of a run, of a classifier of the same data
    """

    def measure(self, predictions: Tensor, targets: Tensor) -> Both:
        return _both(self._classifier(predictions), self._classifier(targets))

    def value(self, state: Both) -> float:
        return _share_within(state.made, state.real)


@metric("sureness")
class Sureness(SeenByClassifier):
    """How sure a trained classifier is of what made examples are, on average.

    sureness = 1/n sum_j max_c p(c | x'_j)

    Low where made examples look like nothing, or like several classes at once.
    Source: Salimans et al., Improved techniques for training GANs, 2016, arXiv:1606.03498, whose score asks for the
    same.

    Settings:
        classifier: a checkpoint, or the folder of a run, of a classifier of the same data
    """

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        likeliest = self._classifier(predictions).double().softmax(dim=1).amax(dim=1)
        return torch.stack((likeliest.sum(), torch.ones_like(likeliest).sum()))

    def value(self, state: Tensor) -> float:
        total, count = state.tolist()
        return total / count


@metric("rarest_class")
class RarestClass(SeenByClassifier):
    """The share of made examples that a trained classifier takes for the class that it finds least often.

    rarest_class = min_c 1/n sum_j [argmax_k p(k | x'_j) = c]

    0 where a class is never made; at most 1 / classes.
    Source: Che, Li, Jacob, Bengio, Li, Mode regularized generative adversarial networks, 2017, arXiv:1612.02136, who
    count the modes that are missed by a classifier.

    Settings:
        classifier: a checkpoint, or the folder of a run, of a classifier of the same data
    """

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        logits = self._classifier(predictions)
        return torch.bincount(logits.argmax(dim=1), minlength=logits.shape[1])

    def value(self, state: Tensor) -> float:
        return float(state.min() / state.sum())


def classifier_of(targets: Samples, place: str) -> Teacher:
    """The classifier of a checkpoint, for examples as they are prepared here; UnfitError where it is none of them."""
    try:
        with torch.random.fork_rng([]):
            return Teacher(place, targets.learned)
    except UnfitError as error:
        raise UnfitError(str(error), "classifier") from None


def _both(made: Tensor, real: Tensor) -> Both:
    """The first examples as rows of numbers."""
    return Both(real.flatten(1)[:MOST_COMPARED].float(), made.flatten(1)[:MOST_COMPARED].float())


def _radii(points: Tensor) -> Tensor:
    """The distance of each point to its fifth neighbour."""
    nearest = min(NEIGHBOURS + 1, len(points))  # each is its own nearest
    return torch.cdist(points, points).kthvalue(nearest, dim=1).values


def _share_within(those: Tensor, others: Tensor) -> float:
    """The share of the others that lie within a radius of one of those."""
    return float((torch.cdist(others, those) <= _radii(those)).any(dim=1).float().mean())
