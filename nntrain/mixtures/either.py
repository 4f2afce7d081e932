"""One of several mixtures."""

from typing import Any

import torch

from nntrain.batch import Batch
from nntrain.errors import UnfitError
from nntrain.registry import mixture
from nntrain.settings import Mixture
from nntrain.specs import Classes, Image, Mask, Series, Values, Vector, Video


@mixture("either")
class Either:
    """Mixes each batch in one of several ways, drawn at random.

    way ~ U(of)

    Source: Wightman, Touvron, Jegou, ResNet strikes back, 2021, arXiv:2110.00476, section 2.

    Settings:
        of: the mixtures to choose from, all equally likely
    """

    def __init__(
        self,
        inputs: Vector | Image | Video | Series,
        targets: Classes | Values | Mask,
        *,
        of: list[Mixture] = ["mixup", "cutmix"],  # noqa: B006
    ) -> None:
        if len(of) < 2:
            raise UnfitError(f"expected two mixtures or more to choose from, found {len(of)}", "of")
        self._ways: list[Any] = [way(inputs, targets) for way in of]

    def __call__(self, batch: Batch) -> Batch:
        # Drawn on the CPU, wherever the batch is, so that nothing is waited for.
        way = int(torch.randint(len(self._ways), ()))
        return self._ways[way](batch)
