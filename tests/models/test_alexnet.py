"""AlexNet: the published chain of shapes and numbers of parameters, its normalisation, images that are too small."""

import re
from typing import Any

import pytest
import torch
from torch import nn

from nntrain.errors import UnfitError
from nntrain.layers import trace
from nntrain.models.alexnet import AlexNet
from nntrain.network import Network, head_for, parameter_count
from nntrain.normalizations.local_response import among_neighbours
from nntrain.specs import Classes, Image

IMAGENET = Image(3, 227, 227)
ORDER = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")


@pytest.mark.parametrize(("groups", "parameters"), [(1, 62_378_344), (2, 60_965_224)])
def test_parameters_as_published(groups: Any, parameters: int) -> None:
    with torch.device("meta"):
        body = AlexNet(IMAGENET, groups=groups)
        assert parameter_count(Network(body, head_for(Classes(tuple(map(str, range(1000)))), body))) == parameters


def test_the_chain_of_shapes_layer_by_layer() -> None:
    with torch.device("meta"):
        layers = trace(AlexNet(IMAGENET), torch.empty(1, *IMAGENET.shape))
    shapes = [(layer.name, layer.shape[1:]) for layer in layers if layer.name not in ("relu", "norm", "dropout")]
    assert shapes == [
        ("conv1", (96, 55, 55)),
        ("pool", (96, 27, 27)),
        ("conv2", (256, 27, 27)),
        ("pool", (256, 13, 13)),
        ("conv3", (384, 13, 13)),
        ("conv4", (384, 13, 13)),
        ("conv5", (256, 13, 13)),
        ("pool", (256, 6, 6)),
        ("fc6", (4096,)),
        ("fc7", (4096,)),
    ]


def test_the_small_form_is_for_small_images() -> None:
    body = AlexNet(Image(3, 32, 32), small=True, groups=2)
    shapes = [layer.shape[1:] for layer in trace(body, torch.randn(2, 3, 32, 32)) if layer.name[:4] in ("conv", "pool")]
    maps, sides = [shape[0] for shape in shapes], [shape[1] for shape in shapes]
    assert maps == [48, 48, 128, 128, 192, 192, 128, 128] and sides == [32, 15, 15, 7, 7, 7, 7, 3]
    assert body.train()(torch.randn(2, 3, 32, 32)).shape == (2, body.features)


def test_local_response_normalisation_by_the_formula_of_the_paper() -> None:
    torch.manual_seed(0)
    x, (k, alpha, beta, n) = 30 * torch.randn(2, 8, 3, 3), (2, 1e-4, 0.75, 5)
    expected = torch.empty_like(x)
    for i in range(8):
        near = x[:, max(0, i - n // 2) : i + n // 2 + 1]
        expected[:, i] = x[:, i] / (k + alpha * near.square().sum(dim=1)) ** beta
    torch.testing.assert_close(among_neighbours()(x), expected)


def test_normalisation_and_dropout_can_be_left_out() -> None:
    image, x = Image(1, 15, 15), torch.randn(2, 1, 15, 15)
    body = AlexNet(image, small=True, norm="none", dropout=0)
    assert not any(isinstance(module, nn.LocalResponseNorm) for module in body.modules())
    assert torch.equal(body.train()(x), body.eval()(x))
    dropped = AlexNet(image, small=True).train()
    assert not torch.equal(dropped(x), dropped(x))


@pytest.mark.parametrize("sides", [(32, 32), (66, 227), (227, 66), (30, 30), (11, 11), (10, 10), (1, 1), (16, 300)])
def test_too_small_images_are_refused_with_the_layer_that_torch_fails_on(sides: tuple[int, int]) -> None:
    with pytest.raises(UnfitError) as refused:
        AlexNet(Image(3, *sides))
    found = re.fullmatch(
        rf"alexnet: {sides[0]}x{sides[1]} is too small: the feature map is empty after (\w+); the smallest side is 67",
        str(refused.value),
    )
    assert found is not None
    assert found[1] == first_failure(sides)


def first_failure(sides: tuple[int, int]) -> str:
    """The layer at which torch itself finds nothing left."""
    with torch.device("meta"):
        body, x = AlexNet(IMAGENET), torch.empty(1, 3, *sides)
        for name in ORDER:
            try:
                x = (body.pool if name.startswith("pool") else getattr(body, name))(x)
            except RuntimeError:
                return name
    return "none"


@pytest.mark.parametrize(("small", "side"), [(False, 67), (True, 15)])
def test_the_smallest_side_works_and_no_smaller(small: bool, side: int) -> None:
    image = Image(1, side, side)
    with torch.device("meta"):
        body = AlexNet(image, small=small)
        assert body(torch.empty(2, *image.shape)).shape == (2, body.features)
        with pytest.raises(UnfitError, match=f"the smallest side is {side}"):
            AlexNet(Image(1, side - 1, 300), small=small)
