"""A small detector without anchors, regions and suppression: objects are peaks of a map."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import IGNORED, Detections, Objects
from nntrain.device import at_least_single
from nntrain.models.feature_pyramid import SMALL, STRIDES, foot
from nntrain.registry import model
from nntrain.settings import Count, Model, NonNegative
from nntrain.specs import Boxes, Image

STRIDE = STRIDES[0]  # pixels between the places of the maps
MOST = 100  # objects that are found in a picture
SCORE = 0.01  # below it nothing is told of
OVERLAP = 0.7  # of boxes whose corners are moved by the radius of a peak, with the box itself
AT_FIRST = 0.1  # how likely an untrained network finds a middle anywhere


class Maps(NamedTuple):
    """What the network says of every place.

    middles: logits, whether an object of each class has its middle there (batch, classes, rows, columns)
    sizes: the object's width and height in strides (batch, 2, rows, columns)
    offsets: from the place's corner to the middle, right and down, in strides (batch, 2, rows, columns)
    """

    middles: Tensor
    sizes: Tensor
    offsets: Tensor


class Places(NamedTuple):
    """Where objects are (batch, most, 2), in strides: their middles and sizes; and row and column of their cells."""

    middles: Tensor
    sizes: Tensor
    cells: Tensor


@model("center_net")
class CenterNet(nn.Module):
    """CenterNet: a map for each class with a peak at each object's middle, and maps of sizes and offsets there.

    L = sum_places focal(p, y) + size_weight sum_objects |s - w| + sum_objects |o - d|

    y = max over the class's objects of exp(-|place - middle|^2 / 2 sigma^2); focal is -(1 - p)^2 log p at middles,
    -(1 - y)^4 p^2 log(1 - p) elsewhere; w are width and height, d is what rounding to places loses, every 4 pixels
    one. What is found are the places whose p is the greatest of its 3x3 neighbours. All is a sum over pictures. Takes
    images (batch, channels, height, width).
    Good where a detector is to be small: a fifth of the others' time.
    Source: Zhou, Wang, Krahenbuhl, Objects as points, 2019, arXiv:1904.07850.

    Settings:
        backbone: the resnet below, with stem: imagenet
        channels: the maps of the pyramid, and of the heads' layers
        size_weight: how much errors of the size count beside those of the middles
    """

    terms = ("classification", "box", "offset")

    def __init__(
        self,
        inputs: Image,
        outputs: Boxes,
        *,
        backbone: Model = SMALL,
        channels: Count = 64,
        size_weight: NonNegative = 0.1,
    ) -> None:
        super().__init__()
        self.pyramid = foot(inputs, backbone, channels)
        self.middles = _head(channels, len(outputs))
        self.sizes = _head(channels, 2)
        self.offsets = _head(channels, 2)
        nn.init.constant_(self.middles[-1].bias, -math.log(1 / AT_FIRST - 1))  # type: ignore[arg-type]
        self._size_weight = size_weight
        self._limits = (inputs.width, inputs.height)

    def forward(self, images: Tensor) -> Detections:
        return self._found(self._maps(images))

    def losses(self, images: Tensor, objects: Objects) -> dict[str, Tensor]:
        """The sum over the pictures of each term."""
        maps = self._maps(images)
        places = _places(objects.boxes, maps.middles.shape[-2:])
        counted = (objects.are_there & ~objects.crowds).unsqueeze(-1)
        sizes, offsets = (_at(part, places.cells) for part in maps[1:])
        size = ((sizes - places.sizes).abs() * counted).sum()
        offset = ((offsets - (places.middles - places.cells.flip(-1))).abs() * counted).sum()
        middles = _focal(maps.middles, _peaks(objects, places, maps.middles.shape))
        return {"classification": middles, "box": self._size_weight * size, "offset": offset}

    def _maps(self, images: Tensor) -> Maps:
        features = self.pyramid(images)["0"]
        return Maps(*(at_least_single(head(features)) for head in (self.middles, self.sizes, self.offsets)))

    def _found(self, maps: Maps) -> Detections:
        """The highest peaks, with their boxes."""
        chances = maps.middles.sigmoid()
        is_peak = chances == F.max_pool2d(chances, 3, stride=1, padding=1)
        _, _, rows, columns = chances.shape
        candidates = (chances * is_peak).flatten(1)
        scores, numbers = candidates.topk(min(MOST, candidates.shape[1]))
        labels, place = numbers // (rows * columns), numbers % (rows * columns)
        cells = torch.stack((place // columns, place % columns), dim=-1)
        middles = cells.flip(-1) + _at(maps.offsets, cells)
        half = _at(maps.sizes, cells).clamp(min=0) / 2
        boxes = STRIDE * torch.cat((middles - half, middles + half), dim=-1)
        limits = boxes.new_tensor(self._limits * 2)
        is_found = scores > SCORE
        labels = labels.masked_fill(~is_found, IGNORED)
        return Detections(torch.minimum(boxes.clamp(min=0), limits), labels, scores * is_found)


def _head(channels: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, outputs, 1))


def _places(boxes: Tensor, grid: torch.Size) -> Places:
    """Where boxes (batch, most, 4) have their middles on a grid of so many rows and columns."""
    corners = boxes / STRIDE
    middles = (corners[..., :2] + corners[..., 2:]) / 2
    columns, rows = middles.long().unbind(dim=-1)
    cells = torch.stack((rows.clamp(0, grid[0] - 1), columns.clamp(0, grid[1] - 1)), dim=-1)
    return Places(middles, corners[..., 2:] - corners[..., :2], cells)


def _at(maps: Tensor, cells: Tensor) -> Tensor:
    """The numbers of maps (batch, n, rows, columns) at places (batch, most, 2): (batch, most, n)."""
    numbers = (cells[..., 0] * maps.shape[-1] + cells[..., 1]).unsqueeze(1).expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, numbers).transpose(1, 2)


def _peaks(objects: Objects, places: Places, shape: torch.Size) -> Tensor:
    """The map y of each class, 1 at the middle of its objects and falling off around them as a bell."""
    batch, classes, rows, columns = shape
    down = torch.arange(rows, device=places.cells.device) - places.cells[..., :1]
    right = torch.arange(columns, device=places.cells.device) - places.cells[..., 1:]
    width = (2 * _radius(places.sizes) + 1) / 6
    distance = down.square()[..., :, None] + right.square()[..., None, :]  # (batch, most, rows, columns)
    bells = torch.exp(-distance / (2 * width.square())[..., None, None])
    # Rows without an object, and crowds, go to a class of their own, which is left out.
    labels = objects.labels.masked_fill(~objects.are_there | objects.crowds, classes)
    peaks = bells.new_zeros(batch, classes + 1, rows, columns)
    return peaks.scatter_reduce(1, labels[..., None, None].expand_as(bells), bells, "amax")[:, :classes]


def _radius(sizes: Tensor) -> Tensor:
    """How far both corners of a box (..., 2) may move inwards for it to overlap by 0.7 with the box itself.

    (w - 2 r)(h - 2 r) = 0.7 w h
    """
    total, area = sizes.sum(dim=-1), sizes.prod(dim=-1)
    return (total - (total.square() - 4 * (1 - OVERLAP) * area).clamp(min=0).sqrt()) / 4


def _focal(logits: Tensor, peaks: Tensor) -> Tensor:
    """The sum over all places of how wrong the middles are."""
    chances = logits.sigmoid()
    at_middles = (1 - chances).square() * F.logsigmoid(logits)
    elsewhere = (1 - peaks).pow(4) * chances.square() * F.logsigmoid(-logits)
    return -torch.where(peaks == 1, at_middles, elsewhere).sum()
