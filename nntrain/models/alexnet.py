"""AlexNet."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.blocks.windows import Window, after, first_empty, smallest
from nntrain.errors import UnfitError
from nntrain.models.starting_weights import started
from nntrain.normalizations.local_response import among_neighbours
from nntrain.registry import model
from nntrain.settings import Probability
from nntrain.specs import Headed, Image

POOLING = Window(3, stride=2)
WINDOWS = {
    "conv1": Window(11, stride=4),
    "pool1": POOLING,
    "conv2": Window(5, padding=2),
    "pool2": POOLING,
    "conv3": Window(3, padding=1),
    "conv4": Window(3, padding=1),
    "conv5": Window(3, padding=1),
    "pool5": POOLING,
}
DEVIATION = 0.01  # of the weights that training starts from, in the paper
AWAKE = ("conv2", "conv4", "conv5", "fc6", "fc7")  # whose biases start at 1, so that relu units have a gradient
SMALL_WINDOWS = {**WINDOWS, "conv1": Window(5, padding=2)}


@model("alexnet")
class AlexNet(nn.Module):
    """AlexNet: five convolutions, three of them pooled, two fully connected layers of 4096 units, and the head.

    227x227x3 -> 55x55x96 -> 27x27x96 -> 27x27x256 -> 13x13x256 -> 13x13x384 -> 13x13x384 -> 13x13x256 -> 6x6x256
    -> 4096 -> 4096, relu after every layer, the largest of overlapping 3x3 neighbourhoods as pooling, and local
    response normalisation before the first two poolings:

    y_i = x_i / (2 + 1e-4 sum over the 5 maps j around i of x_j^2)^(3/4)

    Takes images (batch, channels, height, width) of at least 67x67, or 15x15 where `small`. With 227x227 colour
    images and 1000 classes it has 62,378,344 parameters, and 60,965,224 with two groups, as published. As there,
    weights start normal with deviation 0.01, biases at 1 in the second, fourth and fifth convolution and the fully
    connected hidden layers, else at 0; in the small form, which is not the paper's, weights as He et al. derive for
    relu, biases at 0.
    Good for photographs of many classes where there is much data; today a residual network is better.
    Source: Krizhevsky, Sutskever, Hinton, ImageNet classification with deep convolutional neural networks, 2012.

    Settings:
        groups: 2 halves the second, fourth and fifth convolution, each half seeing half of the maps, as the
            paper's two GPUs did
        small: the form for images of about 32x32: first convolution 5x5 at every pixel, half the maps, 1024 units
        norm: local_response normalises as the paper does, none leaves it out
        dropout: the share of the fully connected layers' inputs that is set to zero in training
        spatial_dropout: the share of the pooled maps, whole ones, that is set to zero in training (Tompson et al.
            2015, arXiv:1411.4280)
    """

    def __init__(
        self,
        inputs: Image,
        *,
        groups: Literal[1, 2] = 1,
        small: bool = False,
        norm: Literal["local_response", "none"] = "local_response",
        dropout: Probability = 0.5,
        spatial_dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        windows = SMALL_WINDOWS if small else WINDOWS
        _refuse_too_small(inputs, windows)
        a, b, c = (48, 128, 192) if small else (96, 256, 384)
        self.features = 1024 if small else 4096
        self.conv1 = _convolution(inputs.channels, a, windows["conv1"])
        self.conv2 = _convolution(a, b, windows["conv2"], groups)
        self.conv3 = _convolution(b, c, windows["conv3"])
        self.conv4 = _convolution(c, c, windows["conv4"], groups)
        self.conv5 = _convolution(c, b, windows["conv5"], groups)
        height, width = (after(windows.values(), side) for side in (inputs.height, inputs.width))
        self.fc6 = nn.Linear(b * height * width, self.features)
        self.fc7 = nn.Linear(self.features, self.features)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(POOLING.kernel, POOLING.stride)
        self.norm = among_neighbours() if norm == "local_response" else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.spatial_dropout = spatial_dropout
        self.is_published = not small
        for name, module in self.named_children():
            if isinstance(module, nn.Conv2d | nn.Linear):
                _start(module, name) if self.is_published else started(module, "relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self._pooled(self.norm(self.relu(self.conv1(x))))
        x = self._pooled(self.norm(self.relu(self.conv2(x))))
        x = self.relu(self.conv3(x))
        x = self.relu(self.conv4(x))
        x = self._pooled(self.relu(self.conv5(x)))
        x = self.relu(self.fc6(self.dropout(x.flatten(1))))
        return self.relu(self.fc7(self.dropout(x)))

    def _pooled(self, x: Tensor) -> Tensor:
        return F.dropout2d(self.pool(x), self.spatial_dropout, self.training)

    def head_for(self, targets: Headed) -> nn.Module:
        head = nn.Linear(self.features, len(targets))
        nn.init.zeros_(head.bias)
        if self.is_published:
            _start(head, "head")
        return head


def _convolution(inputs: int, outputs: int, window: Window, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, window.kernel, window.stride, window.padding, groups=groups)


def _start(layer: nn.Conv2d | nn.Linear, name: str) -> None:
    nn.init.normal_(layer.weight, std=DEVIATION)
    nn.init.constant_(layer.get_parameter("bias"), float(name in AWAKE))


def _refuse_too_small(inputs: Image, windows: dict[str, Window]) -> None:
    empty = first_empty(windows, min(inputs.height, inputs.width))
    if empty is not None:
        raise UnfitError(
            f"alexnet: {inputs.height}x{inputs.width} is too small: the feature map is empty after {empty}; "
            f"the smallest side is {smallest(windows.values())}"
        )
