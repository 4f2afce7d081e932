"""LeNet-5."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.models.activations import Activation, activation_module
from nntrain.models.starting_weights import started
from nntrain.registry import model
from nntrain.settings import Probability
from nntrain.specs import Image

Pool = Literal["max", "average"]
SMALLEST = 12  # the side whose last feature map is 1x1


@model("lenet")
class LeNet(nn.Module):
    """LeNet-5: convolution, pooling, convolution, pooling, two fully connected layers, and the head.

    h1 = pool(f(W1 * x + b1)), h2 = pool(f(W2 * h1 + b2)), h3 = f(W3 h2 + b3), h4 = f(W4 h3 + b4), f the activation

    6 maps of 5x5 (the input padded by 2), pooling by 2; 16 maps of 5x5, pooling by 2; 120 and 84 units.

    Takes images (batch, channels, height, width) of at least 12x12. With 28x28 grey images and 10 classes it has
    61,706 parameters; every map of the second convolution sees all six maps of the first, as usual today.
    The weights start as the activation's paper derives, biases at 0.
    Good for small grey images such as digits, in seconds.
    Source: LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998.

    Settings:
        activation: the nonlinearity after every layer but the head (the paper's is a scaled tanh)
        pool: max or average over 2x2 (the paper's is a trained average)
        dropout: the share of the 120 and 84 units that is set to zero in training
        spatial_dropout: the share of the 6 and 16 pooled maps, whole ones, that is set to zero in training (Tompson
            et al. 2015, arXiv:1411.4280)
    """

    features = 84

    def __init__(
        self,
        inputs: Image,
        *,
        activation: Activation = "relu",
        pool: Pool = "max",
        dropout: Probability = 0.0,
        spatial_dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        height, width = (_after_convolutions(side) for side in (inputs.height, inputs.width))
        if min(height, width) < 1:
            raise UnfitError(
                f"lenet: {inputs.height}x{inputs.width} is too small: the feature map is empty after pool2; "
                f"the smallest side is {SMALLEST}"
            )
        pooling = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}[pool]
        self.conv1 = started(nn.Conv2d(inputs.channels, 6, 5, padding=2), activation)
        self.conv2 = started(nn.Conv2d(6, 16, 5), activation)
        self.fc1 = started(nn.Linear(16 * height * width, 120), activation)
        self.fc2 = started(nn.Linear(120, self.features), activation)
        self.pool = pooling(2)
        self.activation = activation_module(activation)
        self.dropout = nn.Dropout(dropout)
        self.spatial_dropout = spatial_dropout

    def forward(self, x: Tensor) -> Tensor:
        x = self._pooled(self.conv1(x))
        x = self._pooled(self.conv2(x))
        x = self.dropout(self.activation(self.fc1(x.flatten(1))))
        return self.dropout(self.activation(self.fc2(x)))

    def _pooled(self, x: Tensor) -> Tensor:
        return F.dropout2d(self.pool(self.activation(x)), self.spatial_dropout, self.training)


def _after_convolutions(side: int) -> int:
    """The side of the last feature map: padded convolution, halved, convolution of 5, halved."""
    return (side // 2 - 4) // 2
