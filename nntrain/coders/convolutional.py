"""Convolutional coders."""

import math
from typing import Literal

from torch import nn

from nntrain.coders.dense import Transposed
from nntrain.models.activations import Activation, activation_module
from nntrain.models.starting_weights import started
from nntrain.registry import coder
from nntrain.settings import Count
from nntrain.specs import Image


@coder("convolutional")
def convolutional(
    inputs: Image,
    code: int,
    tied: bool,
    *,
    channels: list[Count] = [16, 32],  # noqa: B006
    activation: Activation = "relu",
) -> tuple[nn.Module, nn.Module]:
    """Convolutions that halve the image, a linear layer to the code, and the same up again with transposed ones.

    Kernels are 3x3, in steps of 2; an odd side is rounded up. The weights start as the activation's paper derives,
    biases at 0.
    Source: Masci, Meier, Ciresan, Schmidhuber, Stacked convolutional auto-encoders, 2011.

    Settings:
        channels: the number of maps after each convolution
        activation: the nonlinearity after every layer but the code and the last one
    """
    pairs: list[tuple[nn.Module, nn.Module]] = []
    below, side = inputs.channels, (inputs.height, inputs.width)
    for above in channels:
        convolution = started(nn.Conv2d(below, above, 3, stride=2, padding=1), activation)
        pairs.append((convolution, _back(convolution, side, tied, activation if pairs else "none")))
        below, side = above, ((side[0] + 1) // 2, (side[1] + 1) // 2)
    to_code = started(nn.Linear(below * math.prod(side), code))
    after_code = activation if pairs else "none"
    from_code = Transposed(to_code) if tied else started(nn.Linear(code, to_code.in_features), after_code)
    down = [module for convolution, _ in pairs for module in (convolution, activation_module(activation))]
    up = [module for _, back in reversed(pairs) for module in (activation_module(activation), back)]
    encoder = nn.Sequential(*down, nn.Flatten(), to_code)
    return encoder, nn.Sequential(from_code, nn.Unflatten(1, (below, *side)), *up)


def _back(
    convolution: nn.Conv2d, side: tuple[int, int], tied: bool, activation: Activation | Literal["none"]
) -> nn.ConvTranspose2d:
    """The transposed convolution, below an activation, that leads back to an image of these sides."""
    missing = (1 - side[0] % 2, 1 - side[1] % 2)
    back = nn.ConvTranspose2d(
        convolution.out_channels, convolution.in_channels, 3, stride=2, padding=1, output_padding=missing
    )
    started(back, activation)
    if tied:
        back.weight = convolution.weight
    return back
