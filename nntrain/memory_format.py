"""How the numbers of images lie in memory."""

import torch
from torch import nn

from nntrain.errors import UnfitError

OF_IMAGES = nn.Conv2d | nn.ConvTranspose2d


def has_images(model: nn.Module) -> bool:
    """Whether there are convolutions of images in it."""
    return any(isinstance(module, OF_IMAGES) for module in model.modules())


def lay_out(model: nn.Module, channels_last: bool) -> None:
    """Lets the numbers of a pixel lie side by side where channels come last: in the weights, and so in the images.

    torch's convolutions take their inputs to the format of their weights, and hand it on. Shapes and values stay.
    Source: torch.channels_last; https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html.
    """
    if not channels_last:
        return
    if not has_images(model):
        raise UnfitError("the network has no convolution of images; leave channels_last out", "channels_last")
    model.to(memory_format=torch.channels_last)
