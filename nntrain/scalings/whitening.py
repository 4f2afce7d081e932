"""Whitening by principal components."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from nntrain.errors import UnfitError
from nntrain.registry import scaling
from nntrain.scalings.standard import Standard
from nntrain.settings import Count
from nntrain.specs import Inputs, Vector

SMALLEST = 1e-10  # of the largest variance, that of a component that is more than rounding


@scaling("whitening")
class Whitening:
    """The principal components of the standardised features, uncorrelated and each with variance 1.

    x' = L^-1/2 V^T (x - mean) / deviation,  V L V^T = the training set's matrix of correlations

    The components of the largest variance L come first; those that are 0 to rounding are left out. The sign of a
    component is that which makes its largest weight positive.
    Source: Bishop, Pattern Recognition and Machine Learning, section 12.1; as sklearn.decomposition.PCA with whiten
    of standardised features, but for n in place of n - 1 in the variance.

    Settings:
        components: how many are kept; left out, all that are not 0
    """

    def __init__(self, inputs: Vector, *, components: Count | None = None) -> None:
        self._inputs = inputs
        self._components = components
        self._standard = Standard(inputs)

    def learn(self, values: Tensor, scale: float) -> dict[str, Tensor]:
        learned = self._standard.learn(values, scale)
        standard = self._standard.apply(values.double() * scale, learned, 1)
        variances, vectors = torch.linalg.eigh(standard.T @ standard / len(standard))
        variances, vectors = variances.flip(0), vectors.flip(1)
        kept = self._kept(int((variances > SMALLEST * variances[0]).sum()))
        largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
        return {**learned, "weights": (vectors * largest.sign() / variances.sqrt())[:, :kept].contiguous()}

    def apply(self, values: Tensor, learned: Mapping[str, Tensor], axis: int) -> Tensor:
        return self._standard.apply(values, learned, axis) @ learned["weights"].to(values)

    def inputs(self, learned: Mapping[str, Tensor]) -> Inputs:
        return replace(self._inputs, features=learned["weights"].shape[1] + self._inputs.flags)

    def _kept(self, there: int) -> int:
        if self._components is not None and self._components > there:
            raise UnfitError(f"the training set has {there} that are not 0, found {self._components}", "components")
        return there if self._components is None else self._components
