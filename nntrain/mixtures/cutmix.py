"""Images with a part of another."""

import torch

from nntrain.augmentations.rectangles import inside
from nntrain.batch import Batch
from nntrain.mixtures import Concentration, beta, mixed, partners
from nntrain.registry import mixture
from nntrain.specs import Classes, Image, Mask, Values, Video


@mixture("cutmix")
class Cutmix:
    """Puts a rectangle of another image of the batch into each, and mixes targets by the rectangle's area.

    x'_ij = x_p,ij in the rectangle, t' = l' t + (1 - l') t_p,  l ~ Beta(alpha, alpha), p a permutation

    The rectangle is sqrt(1 - l) of the image wide and high, its middle is uniform over the image, and what lies
    beyond the edges is cut off; l' is the share of the image that is left. There is one rectangle for a batch, in
    all frames of a video. Of classes, t is one-hot; weights of examples are mixed like targets. Masks are put
    together like the images.
    Source: Yun, Han, Oh, Chun, Choe, Yoo, CutMix, 2019, arXiv:1905.04899.

    Settings:
        alpha: how alike the sizes of the rectangles are; at 1 every area is equally likely
    """

    def __init__(self, inputs: Image | Video, targets: Classes | Values | Mask, *, alpha: Concentration = 1.0) -> None:
        self._targets = targets
        self._alpha = alpha

    def __call__(self, batch: Batch) -> Batch:
        images, device = batch.inputs, batch.targets.device
        share, others = beta(self._alpha, device), partners(batch)
        sizes = torch.stack([(1 - share).sqrt() * side for side in images.shape[-2:]]).floor()
        middle = torch.stack([(torch.rand((), device=device) * side).floor() for side in images.shape[-2:]])
        first = (middle - (sizes / 2).floor()).unbind()
        mask = inside(images, *first, *sizes.unbind())
        left = 1 - mask.to(share.dtype).mean()
        pasted = torch.where(mask, images[others], images)
        if isinstance(self._targets, Mask):
            targets, weights = batch.targets, batch.weights
            cut = torch.where(mask.squeeze(1), targets[others], targets)
            return Batch(pasted, cut, None if weights is None else torch.lerp(weights[others], weights, left))
        return mixed(batch, pasted, others, left, self._targets)
