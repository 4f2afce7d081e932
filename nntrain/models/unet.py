"""The U-Net."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.models.activations import Activation
from nntrain.models.pyramid import Pyramid, stacked
from nntrain.models.starting_weights import started
from nntrain.registry import model
from nntrain.settings import Count, Normalization, Probability
from nntrain.specs import Image, Mask


@model("unet")
class UNet(nn.Module):
    """A network for masks: maps get smaller and more, then larger and fewer, and at every size meet what was there.

    d_0 = c(x), d_l = c(pool d_{l-1});  u_depth = d_depth, u_l = c([d_l, up u_{l+1}]);  z = W u_0 + b

    c is two 3x3 convolutions, each with normalisation and activation, pool the largest of 2x2 pixels, up a 2x2
    transposed convolution that makes half as many maps. Takes images (batch, channels, height, width) of any size
    from 2^depth on; outputs are logits (batch, height, width, classes). Convolutions are padded, so that masks are as
    large as images. With width 64, depth 4 and no normalisation it is the published network (but for the padding).
    Good for masks from few pictures, and with sharp edges.
    Source: Ronneberger, Fischer, Brox, U-Net, 2015, arXiv:1505.04597; first weights: He et al. 2015,
    arXiv:1502.01852.

    Settings:
        width: the maps of the first size; each smaller size has twice as many
        depth: how often the size is halved
        norm: the kind of normalisation after every convolution, or none
        activation: what follows it
        dropout: the share of the smallest maps' values that is set to zero in training
    """

    def __init__(
        self,
        inputs: Image,
        outputs: Mask,
        *,
        width: Count = 64,
        depth: Count = 4,
        norm: Normalization | Literal["none"] = "batch",
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.down = Pyramid(inputs, width, depth, norm, activation)
        larger = self.down.levels[:-1]
        self.dropout = nn.Dropout(dropout)
        self.up = nn.ModuleList(started(nn.ConvTranspose2d(2 * m.channels, m.channels, 2, stride=2)) for m in larger)
        self.merge = nn.ModuleList(stacked(2 * maps.channels, maps, norm, activation) for maps in larger)
        self.head = nn.Conv2d(width, len(outputs), kernel_size=1)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        *passed, x = self.down(x)
        x = self.dropout(x)
        for there, up, merge in zip(reversed(passed), reversed(self.up), reversed(self.merge), strict=True):
            x = merge(torch.cat((there, _as_large(up(x), there)), dim=1))
        return self.head(x).movedim(1, -1)


def _as_large(x: Tensor, other: Tensor) -> Tensor:
    """Maps that lack a row or column, since one was left over in pooling, with zeros in its place."""
    return F.pad(x, (0, other.shape[3] - x.shape[3], 0, other.shape[2] - x.shape[2]))
