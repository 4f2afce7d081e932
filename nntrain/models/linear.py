"""Linear models."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import Sequences, flat
from nntrain.registry import model
from nntrain.specs import Image, Nodes, Tokens, Vector, Video


@model("linear")
class Linear(nn.Module):
    """A linear model: linear regression with squared loss, logistic (softmax) regression with cross-entropy.

    z = W x + b

    With loss hinge and the regularizer l2 it is a linear support vector machine. Inputs (batch, ...) are
    flattened, and of tokens (batch, time) x says how often each of the vocabulary is there (a bag of words); W and b
    are the head's. Good as the baseline that a network has to beat.
    Source: Bishop, Pattern Recognition and Machine Learning, sections 3.1 and 4.3.
    """

    def __init__(self, inputs: Vector | Image | Video | Nodes | Tokens) -> None:
        super().__init__()
        self.features = len(inputs) if isinstance(inputs, Tokens) else math.prod(inputs.shape)
        self.register_buffer("one", torch.ones(()), persistent=False)  # of the type that the head computes in
        self.one: Tensor

    def forward(self, x: Any) -> Tensor:
        return self._counts(x) if isinstance(x, Sequences) else flat(x)

    def _counts(self, x: Sequences) -> Tensor:
        """How often each token is in each text (batch, vocabulary), padding left out."""
        mask = x.mask()
        times = self.one.expand_as(x.values) if mask is None else mask.to(self.one)
        return self.one.new_zeros(len(x.values), self.features).scatter_add_(1, x.values, times)
