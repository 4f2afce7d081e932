"""One of several mixtures."""

from typing import Annotated, Any

import torch
from annotated_types import Len

from nntrain.batch import Batch
from nntrain.registry import mixture
from nntrain.settings import Mixture
from nntrain.specs import Classes, Image, Series, Values, Vector, Video


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
        targets: Classes | Values,
        *,
        of: Annotated[list[Mixture], Len(2)] = ["mixup", "cutmix"],  # noqa: B006
    ) -> None:
        self._ways: list[Any] = [way(inputs, targets) for way in of]

    def __call__(self, batch: Batch) -> Batch:
        # Drawn on the CPU, wherever the batch is, so that nothing is waited for.
        way = int(torch.randint(len(self._ways), ()))
        return self._ways[way](batch)
