"""Whether probabilities are how often it is so."""

from typing import ClassVar

import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.registry import metric
from nntrain.settings import Count
from nntrain.specs import Classes, LabelSet, Tags


@metric("calibration_error")
class ExpectedCalibrationError:
    """How far the probability that a model gives its answers is from the share of them that is right.

    calibration_error = sum over bins b of n_b / n |right_b / n_b - mean confidence_b|

    An answer is the most likely class, its confidence the softmax's; or for every label whether it is more likely
    than not, with that probability under the sigmoid. Bins are equally wide, from 0 to 1. Targets without those
    IGNORED; 0 is perfect.
    Source: Naeini, Cooper, Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015; Guo,
    Pleiss, Sun, Weinberger, On calibration of modern neural networks, 2017, arXiv:1706.04599.

    Settings:
        bins: how many
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Classes | Tags | LabelSet, *, bins: Count = 15) -> None:
        self.bins = bins
        self._are_labels = isinstance(targets, LabelSet)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The number of answers in each bin, the sum of their confidences, and how many are right: (3, bins)."""
        known = targets != IGNORED
        if self._are_labels:
            confidence, answer = torch.sigmoid(predictions.abs()), (predictions > 0).long()
        else:
            confidence, answer = predictions.softmax(dim=-1).max(dim=-1)
        confidence, right = confidence[known].double(), (answer == targets)[known].double()
        bins = (confidence * self.bins).ceil().long().sub(1).clamp(0, self.bins - 1)
        weights = (torch.ones_like(right), confidence, right)
        return torch.stack([torch.bincount(bins, weight, minlength=self.bins) for weight in weights])

    def value(self, state: Tensor) -> float:
        count, confidence, right = state
        return float((right - confidence).abs().sum() / count.sum())
