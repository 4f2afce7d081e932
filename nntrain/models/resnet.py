"""Residual networks, and the plain networks that they are compared with."""

from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.models.pretrained import published_weights
from nntrain.registry import model
from nntrain.settings import Count
from nntrain.specs import Image

Stem = Literal["imagenet", "cifar"]
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
WIDTHS = {"imagenet": 64, "cifar": 16}


class BasicBlock(nn.Module):
    """y = relu(F(x) + shortcut(x)) with F = norm, 3x3 convolution, relu, norm, 3x3 convolution; `None` adds nothing."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y if self.downsample is None else y + self.downsample(x))


class Bottleneck(nn.Module):
    """The same with F of three convolutions: 1x1 to `width`, 3x3 (with the stride), 1x1 to 4 times `width`."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _convolution(width, self.expansion * width, 1)
        self.bn3 = nn.BatchNorm2d(self.expansion * width)
        self.relu = nn.ReLU()
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y if self.downsample is None else y + self.downsample(x))


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

    x_{l+1} = relu(F(x_l) + x_l), F: convolution, batch normalisation, relu, convolution, batch normalisation

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
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        blocks = _blocks(depth, stem)
        block = Bottleneck if stem == "imagenet" and depth >= 50 else BasicBlock
        first = width or WIDTHS[stem]
        self._add_stem(inputs.channels, first, stem)
        widths = [first, *(block.expansion * first * 2**i for i in range(len(blocks)))]
        for i, ((before, after), count) in enumerate(zip(pairwise(widths), blocks, strict=True)):
            stage = _stage(block, before, after, count, 2 if i else 1, stem if shortcut else None)
            self.add_module(f"layer{i + 1}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.features = widths[-1]
        self.apply(_initialize)
        if pretrained:
            _refuse_other_than_published(inputs, stem, shortcut, first)
            weights = published_weights(f"resnet{depth}")
            self.load_state_dict({name: w for name, w in weights.items() if not name.startswith("fc.")})

    def _add_stem(self, channels: int, width: int, stem: Stem) -> None:
        self.conv1 = _convolution(channels, width, 7, 2) if stem == "imagenet" else _convolution(channels, width, 3)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        if stem == "imagenet":
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)


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


def _stage(block: Block, inputs: int, outputs: int, count: int, stride: int, shortcut: Stem | None) -> nn.Sequential:
    """Blocks on maps of one size; the first halves them by `stride`. `shortcut` says of which form it is there."""

    def add(inputs: int, stride: int) -> nn.Module:
        return block(inputs, outputs // block.expansion, stride, _shortcut(inputs, outputs, stride, shortcut))

    return nn.Sequential(add(inputs, stride), *(add(outputs, 1) for _ in range(count - 1)))


def _shortcut(inputs: int, outputs: int, stride: int, form: Stem | None) -> nn.Module | None:
    if form is None:
        return None
    if inputs == outputs and stride == 1:
        return nn.Identity()
    if form == "cifar":
        return PaddedShortcut(inputs, outputs, stride)
    return nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def _initialize(module: nn.Module) -> None:
    """Weights of variance 2 / (outputs x kernel), which keeps the size of gradients through relu."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _refuse_other_than_published(inputs: Image, stem: Stem, shortcut: bool, width: int) -> None:
    wrong = {
        "three channels": inputs.channels != 3,
        "stem: imagenet": stem != "imagenet",
        "shortcut: true": not shortcut,
        "width: 64": width != WIDTHS["imagenet"],
    }
    lacking = [needed for needed, is_wrong in wrong.items() if is_wrong]
    if lacking:
        raise UnfitError(f"the published weights need {', '.join(lacking)}; write pretrained: false", "pretrained")
