"""Convolutional networks, stacked in YAML."""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.blocks import Maps
from nntrain.blocks.windows import by, smallest
from nntrain.errors import UnfitError
from nntrain.registry import model
from nntrain.settings import Block, Model
from nntrain.specs import Image, PerExample, Series, Tags, Vector, Video

Readout = Literal["flatten", "average", "max", "none"]
BLOCKS: list[Any] = [
    {"type": "convolution", "channels": 16},
    {"type": "pooling"},
    {"type": "convolution", "channels": 32},
    {"type": "pooling"},
]


@model("cnn")
class ConvolutionalNetwork(nn.Module):
    """A convolutional network: blocks (convolution, pooling, normalization, dropout), one after the other.

    h_0 = x;  h_l = block_l(h_{l-1});  features = top(readout(h_L))

    Takes series (batch, time, features), images (batch, channels, height, width) and videos (batch, channels,
    frames, height, width); convolution and pooling then have one, two or three dimensions. The readout average or
    max over all positions makes features that hardly depend on where something is; flatten keeps the place.
    Padding of series changes nothing: it counts as the zeros that convolutions pad with, and is left out of the
    readout; flatten takes all series to be as long as the longest, ended by zeros. (In training, batch
    normalisation counts padding all the same.)
    Source: LeCun et al., Gradient-based learning applied to document recognition, 1998; readout by averages:
    Lin, Chen, Yan 2013, arXiv:1312.4400.

    Settings:
        blocks: the stack, from the inputs up
        readout: flatten for all values of the last maps, average or max over the positions of each map, none for
            features at every position, which tags need
        top: a model of vectors between readout and head, such as {type: mlp, hidden: [128]}
    """

    def __init__(
        self,
        inputs: Series | Image | Video,
        targets: PerExample | Tags,
        *,
        blocks: list[Block] = BLOCKS,
        readout: Readout = "flatten",
        top: Model | None = None,
    ) -> None:
        super().__init__()
        _refuse_unfit_readout(readout, targets, top)
        if top is not None and (top.takes("targets") or top.takes("outputs")):
            raise UnfitError(f"{top.name} makes no features of a vector; take mlp, or linear", "top")
        first = maps = _maps_of(inputs)
        made: list[Any] = []
        for i, block in enumerate(blocks):
            made.append(block(maps))
            before, maps = maps, made[-1].maps
            if readout == "none" and maps.sizes != before.sizes:
                sizes = f"{by(maps.sizes)} positions of {by(before.sizes)}"
                raise UnfitError(f"tags need features at every position, and this block makes {sizes}", f"blocks.{i}")
        self.blocks = nn.ModuleList(made)
        vector = Vector(maps.channels * (math.prod(maps.sizes) if readout == "flatten" else 1))
        self.top = nn.Identity() if top is None else top(vector)
        self.features: Any = vector.features if top is None else self.top.features
        self._read = READOUTS[readout]
        self._windows = [block.windows[0] for block in made]  # along time, for series
        self._shortest = first.sizes[0] if readout == "flatten" else smallest(self._windows)

    def forward(self, x: Any) -> Tensor:
        x, lengths = self._as_maps(x) if isinstance(x, Sequences) else (x, None)
        for block, window in zip(self.blocks, self._windows, strict=True):
            x = block(_cleared(x, lengths))
            lengths = None if lengths is None else window.positions(lengths)
        return self.top(self._read(x, lengths))

    def _as_maps(self, x: Sequences) -> tuple[Tensor, Tensor | None]:
        """Series as maps (batch, features, time); those shorter than the blocks need go on as zeros."""
        maps = _cleared(x.values.transpose(1, 2), x.lengths)
        lengths = None if x.lengths is None else x.lengths.clamp(min=self._shortest)
        return F.pad(maps, (0, max(0, self._shortest - maps.shape[2]))), lengths


def _flatten(x: Tensor, lengths: Tensor | None) -> Tensor:
    return _cleared(x, lengths).flatten(1)


def _average(x: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return x.flatten(2).mean(dim=2)
    return _cleared(x, lengths).sum(dim=2) / lengths[:, None]


def _largest(x: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is not None:
        x = x.masked_fill(~_mask(x, lengths), -math.inf)
    return x.flatten(2).amax(dim=2)


def _at_every_position(x: Tensor, lengths: Tensor | None) -> Tensor:
    return x.transpose(1, 2)


READOUTS: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {
    "flatten": _flatten,
    "average": _average,
    "max": _largest,
    "none": _at_every_position,
}


def _cleared(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Maps (batch, channels, time) with zeros where there is padding."""
    return x if lengths is None else x.masked_fill(~_mask(x, lengths), 0.0)


def _mask(x: Tensor, lengths: Tensor) -> Tensor:
    """True where there is no padding, (batch, 1, time)."""
    return torch.arange(x.shape[2], device=x.device) < lengths[:, None, None]


def _maps_of(inputs: Series | Image | Video) -> Maps:
    if isinstance(inputs, Series):
        return Maps(inputs.features, (inputs.length,))
    return Maps(inputs.channels, inputs.shape[1:])


def _refuse_unfit_readout(readout: Readout, targets: PerExample | Tags, top: Any) -> None:
    if (readout == "none") != targets.per_position:
        needed = "none" if targets.per_position else "flatten, average or max"
        raise UnfitError(f"for {targets} the readout is {needed}", "readout")
    if readout == "none" and top is not None:
        raise UnfitError("with readout: none there is no vector for a model on top; leave it out", "top")
