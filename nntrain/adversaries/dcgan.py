"""Deep convolutional adversaries."""

from itertools import pairwise
from typing import Literal

from torch import nn

from nntrain.errors import UnfitError
from nntrain.registry import adversary
from nntrain.settings import Count
from nntrain.specs import Image

WEIGHT = 0.02  # the deviation of the paper's initial weights
_OUTPUTS = {"linear": nn.Identity, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


@adversary("dcgan")
def dcgan(
    inputs: Image,
    noise: int,
    *,
    channels: list[Count] = [64, 128],  # noqa: B006
    output: Literal["linear", "sigmoid", "tanh"] = "linear",
) -> tuple[nn.Module, nn.Module]:
    """Convolutions that halve the image, against transposed ones that double it (DCGAN), all with 4x4 kernels.

    Batch normalisation in both networks, but for the discriminator's first layer and the generator's last one;
    ReLU in the generator, leaky (slope 0.2) in the discriminator. Sides are multiples of 2 to the number of layers.
    Source: Radford, Metz, Chintala, Unsupervised representation learning with deep convolutional generative
    adversarial networks, 2016, arXiv:1511.06434.

    Settings:
        channels: the maps after each of the discriminator's convolutions; in the generator in the reverse order
        output: the generator's last nonlinearity: sigmoid for images from 0 to 1, tanh from -1 to 1, linear for
            standardised ones
    """
    factor = 2 ** len(channels)
    if not channels or inputs.height % factor or inputs.width % factor:
        found = f"{inputs.height}x{inputs.width}"
        raise UnfitError(f"{len(channels)} layers take images whose sides are multiples of {factor}; found {found}",
                         "channels")  # fmt: skip
    start = (channels[-1], inputs.height // factor, inputs.width // factor)
    widths = [inputs.channels, *channels]
    generator, discriminator = _generator(widths[::-1], start, noise), _discriminator(widths, start)
    generator.append(_OUTPUTS[output]())
    for network in (generator, discriminator):
        network.apply(_initialise)
    return generator, discriminator


def _generator(widths: list[int], start: tuple[int, int, int], noise: int) -> nn.Sequential:
    size = start[0] * start[1] * start[2]
    network = nn.Sequential(nn.Linear(noise, size), nn.Unflatten(1, start))
    for below, above in pairwise(widths):
        up = nn.ConvTranspose2d(below, above, 4, stride=2, padding=1)
        network.extend((nn.BatchNorm2d(below), nn.ReLU(), up))
    return network


def _discriminator(widths: list[int], start: tuple[int, int, int]) -> nn.Sequential:
    network = nn.Sequential()
    for i, (below, above) in enumerate(pairwise(widths)):
        network.append(nn.Conv2d(below, above, 4, stride=2, padding=1))
        if i:
            network.append(nn.BatchNorm2d(above))
        network.append(nn.LeakyReLU(0.2))
    return network.extend((nn.Flatten(), nn.Linear(start[0] * start[1] * start[2], 1)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, std=WEIGHT)
