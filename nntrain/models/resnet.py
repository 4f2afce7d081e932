"""Residual networks, and the plain networks that they are compared with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.blocks import Maps
from nntrain.blocks.stochastic_depth import drops
from nntrain.blocks.windows import Window, slide
from nntrain.errors import UnfitError
from nntrain.models.pretrained import published_weights
from nntrain.registry import model
from nntrain.settings import Count, Normalization, Probability
from nntrain.specs import Image

Stem = Literal["imagenet", "cifar"]
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
WIDTHS = {"imagenet": 64, "cifar": 16}


@dataclass(frozen=True)
class Style:
    """What all blocks have in common, and what drops each block's part, one after the other."""

    block: "Block"
    shortcut: Stem | None  # the form's; None for none
    norm: Any
    spatial_dropout: float
    drops: Iterator[nn.Module | None]


class BasicBlock(nn.Module):
    """y = relu(F(x) + shortcut(x)) with F = norm, 3x3 convolution, relu, norm, 3x3 convolution; `None` adds nothing."""

    expansion = 1

    def __init__(self, maps: Maps, width: int, stride: int, style: Style) -> None:
        super().__init__()
        self.conv1, self.bn1, inside = _layer(maps, width, 3, stride, style.norm)
        self.conv2, self.bn2, self.maps = _layer(inside, width, 3, 1, style.norm)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(maps, width, stride, style)
        self.spatial_dropout = style.spatial_dropout
        self.drop = next(style.drops)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(F.dropout2d(y, self.spatial_dropout, self.training)))
        return self.relu(_added(y, x, self.downsample, self.drop))


class Bottleneck(nn.Module):
    """The same with F of three convolutions: 1x1 to `width`, 3x3 (with the stride), 1x1 to 4 times `width`."""

    expansion = 4

    def __init__(self, maps: Maps, width: int, stride: int, style: Style) -> None:
        super().__init__()
        self.conv1, self.bn1, narrow = _layer(maps, width, 1, 1, style.norm)
        self.conv2, self.bn2, inside = _layer(narrow, width, 3, stride, style.norm)
        self.conv3, self.bn3, self.maps = _layer(inside, self.expansion * width, 1, 1, style.norm)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(maps, self.expansion * width, stride, style)
        self.spatial_dropout = style.spatial_dropout
        self.drop = next(style.drops)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(F.dropout2d(y, self.spatial_dropout, self.training)))
        return self.relu(_added(y, x, self.downsample, self.drop))


def _added(y: Tensor, x: Tensor, shortcut: nn.Module | None, drop: nn.Module | None) -> Tensor:
    if shortcut is None:
        return y
    return (y if drop is None else drop(y)) + shortcut(x)


class PaddedShortcut(nn.Module):
    """The identity for maps that get smaller and more: every `stride`-th pixel, and empty maps. No parameters."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.padding = (0, 0, 0, 0, 0, outputs - inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], self.padding)


Block = type[BasicBlock] | type[Bottleneck]


@model("resnet")
class ResNet(nn.Sequential):
    """A residual network: blocks of convolutions that learn what is to be added to their input.

    x_{l+1} = relu(F(x_l) + x_l), F: convolution, normalisation, relu, convolution, normalisation

    Takes images (batch, channels, height, width) of any size; features are the last maps' means. The ImageNet
    form halves a large image five times: 7x7 convolution and pooling, then stages of 1, 2, 4 and 8 times `width`
    maps; where a stage begins, the shortcut is a 1x1 convolution. It has depths 18 and 34, and with bottlenecks
    50, 101 and 152, and torchvision's parameter names (the stride stands at the 3x3 convolution, as there). The
    CIFAR form is for small images: 3x3 convolution, three stages of n blocks with 1, 2 and 4 times `width` maps,
    depth 6n + 2, shortcuts without parameters.
    Good for images of every kind: the usual first choice.
    Source: He, Zhang, Ren, Sun, Deep residual learning for image recognition, 2015, arXiv:1512.03385; first
    weights: He et al. 2015, arXiv:1502.01852.

    Settings:
        depth: the number of layers with weights, the head among them
        stem: the form, imagenet or cifar
        shortcut: false gives the plain network of the same depth, without "+ x"
        width: the maps of the first stage; left out, 64, and 16 for the CIFAR form
        norm: the kind of normalisation after every convolution
        spatial_dropout: the share of the maps, whole ones, that is set to zero in training before the last
            convolution of each block (Tompson et al. 2015, arXiv:1411.4280; there as in Zagoruyko, Komodakis, Wide
            residual networks, 2016)
        stochastic_depth: how often the last block leaves out its F(x) in training; the others proportionally less,
            the lower they are (Huang et al. 2016, arXiv:1603.09382)
        pretrained: whether to start from torchvision's ImageNet weights (all but the head's)
    """

    def __init__(
        self,
        inputs: Image,
        *,
        depth: Count = 18,
        stem: Stem = "imagenet",
        shortcut: bool = True,
        width: Count | None = None,
        norm: Normalization = "batch",
        spatial_dropout: Probability = 0.0,
        stochastic_depth: Probability = 0.0,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        blocks = _blocks(depth, stem)
        first = width or WIDTHS[stem]
        if stochastic_depth and not shortcut:
            raise UnfitError("without a shortcut nothing is left of a block that is dropped", "stochastic_depth")
        block = Bottleneck if stem == "imagenet" and depth >= 50 else BasicBlock
        dropping = iter(drops(stochastic_depth, sum(blocks)))
        style = Style(block, stem if shortcut else None, norm, spatial_dropout, dropping)
        maps = self._add_stem(Maps(inputs.channels, inputs.shape[1:]), first, stem, norm)
        for i, count in enumerate(blocks):
            stage, maps = _stage(maps, first * 2**i, count, 2 if i else 1, style)
            self.add_module(f"layer{i + 1}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.features = maps.channels
        if pretrained:
            _refuse_other_than_published(inputs, stem, shortcut, first, norm)
            weights = published_weights(f"resnet{depth}")
            self.load_state_dict({name: w for name, w in weights.items() if not name.startswith("fc.")})

    def _add_stem(self, maps: Maps, width: int, stem: Stem, norm: Any) -> Maps:
        self.conv1, self.bn1, maps = _layer(maps, width, *((7, 2) if stem == "imagenet" else (3, 1)), norm)
        self.relu = nn.ReLU()
        if stem == "imagenet":
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
            maps = _slid(maps, width, 3, 2)
        return maps


def _blocks(depth: int, stem: Stem) -> tuple[int, ...]:
    """How many blocks each stage has."""
    if stem == "imagenet":
        if depth not in BLOCKS:
            depths = ", ".join(map(str, BLOCKS))
            raise UnfitError(f"resnet has the depths {depths}, not {depth}; others (6n + 2) with stem: cifar", "depth")
        return BLOCKS[depth]
    n = max(1, round((depth - 2) / 6))
    if depth != 6 * n + 2:
        raise UnfitError(f"with stem: cifar the depth is 6n + 2, not {depth}; the nearest is {6 * n + 2}", "depth")
    return (n, n, n)


def _stage(maps: Maps, width: int, count: int, stride: int, style: Style) -> tuple[nn.Sequential, Maps]:
    """Blocks on maps of one size, and the maps after them; the first halves them by `stride`."""
    stage = nn.Sequential()
    for i in range(count):
        block = style.block(maps, width, 1 if i else stride, style)
        stage.append(block)
        maps = block.maps
    return stage, maps


def _shortcut(maps: Maps, outputs: int, stride: int, style: Style) -> nn.Module | None:
    if style.shortcut is None:
        return None
    if maps.channels == outputs and stride == 1:
        return nn.Identity()
    if style.shortcut == "cifar":
        return PaddedShortcut(maps.channels, outputs, stride)
    convolution, after, _ = _layer(maps, outputs, 1, stride, style.norm)
    return nn.Sequential(convolution, after)


def _layer(maps: Maps, outputs: int, kernel: int, stride: int, norm: Any) -> tuple[nn.Conv2d, nn.Module, Maps]:
    """A convolution, its normalisation, and the maps after it.

    The weights are of variance 2 / (outputs x kernel), which keeps the size of gradients through relu. The
    convolution has a bias only where the normalisation has none.
    """
    convolution = nn.Conv2d(maps.channels, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    given = _slid(maps, outputs, kernel, stride)
    after = norm(given, convolution)
    if getattr(after, "bias", None) is None:
        convolution.bias = nn.Parameter(torch.zeros(outputs))
    return convolution, nn.Identity() if after is None else after, given


def _slid(maps: Maps, channels: int, kernel: int, stride: int) -> Maps:
    """The maps that a window makes which is padded so that it stands on every pixel, or every `stride`-th."""
    return Maps(channels, slide([Window(kernel, stride, kernel // 2)] * 2, maps.sizes))


def _refuse_other_than_published(inputs: Image, stem: Stem, shortcut: bool, width: int, norm: Any) -> None:
    wrong = {
        "three channels": inputs.channels != 3,
        "stem: imagenet": stem != "imagenet",
        "shortcut: true": not shortcut,
        "width: 64": width != WIDTHS["imagenet"],
        "norm: batch": norm.name != "batch",
    }
    lacking = [needed for needed, is_wrong in wrong.items() if is_wrong]
    if lacking:
        raise UnfitError(f"the published weights need {', '.join(lacking)}; write pretrained: false", "pretrained")
