"""Networks for masks: published counts, shapes, and what they see."""

import pytest
import torch
from made import component as chosen
from made import made
from torch import Tensor, nn

from every_model import component, network
from nntrain.errors import UnfitError
from nntrain.network import network_for, parameter_count
from nntrain.specs import Image, Mask

TWO = Mask(("background", "cell"))


def conv(given: int, made: int, kernel: int) -> int:
    return (given * kernel**2 + 1) * made


def counted(channels: int, width: int, depth: int, classes: int) -> int:
    """The parameters of a U-Net by the paper's figure 1: two 3x3 convolutions at every place, 2x2 ones upwards."""
    widths = [width * 2**level for level in range(depth + 1)]
    down = sum(conv(a, b, 3) + conv(b, b, 3) for a, b in zip([channels, *widths], widths, strict=False))
    up = sum(conv(2 * w, w, 2) + conv(2 * w, w, 3) + conv(w, w, 3) for w in widths[:-1])
    return down + up + conv(width, classes, 1)


def test_unet_has_as_many_parameters_as_the_published_network() -> None:
    """31,030,658: the network of Ronneberger et al. 2015 with one input channel and two classes.

    The often quoted 31,031,685 of a Keras version has a 3x3 convolution to two maps and a 1x1 one to one map in the
    place of the last layer.
    """
    with torch.device("meta"):
        unet = made("model", {"type": "unet", "norm": "none"}, Image(1, 572, 572), TWO)
    assert parameter_count(unet) == counted(1, 64, 4, 2) == 31_030_658
    assert parameter_count(unet) - conv(64, 2, 1) + conv(64, 2, 3) + conv(2, 1, 1) == 31_031_685


@pytest.mark.parametrize(("channels", "width", "depth", "classes"), [(3, 5, 2, 4), (1, 2, 1, 2)])
def test_width_and_depth_make_the_network_that_they_say(channels: int, width: int, depth: int, classes: int) -> None:
    settings = {"type": "unet", "norm": "none", "width": width, "depth": depth}
    mask = Mask(tuple(map(str, range(classes))))
    assert parameter_count(made("model", settings, Image(channels, 16, 16), mask)) == counted(
        channels, width, depth, classes
    )


@pytest.mark.parametrize("name", ["unet", "fcn"])
@pytest.mark.parametrize("size", [(8, 8), (13, 9), (31, 22)])
def test_a_mask_is_as_large_as_its_picture(name: str, size: tuple[int, int]) -> None:
    model = made("model", {"type": name, "width": 2, "depth": 3}, Image(3, *size), TWO).eval()
    assert model(torch.randn(2, 3, *size)).shape == (2, *size, 2)


@pytest.mark.parametrize("name", ["unet", "fcn"])
def test_a_picture_that_cannot_be_halved_so_often_is_refused(name: str) -> None:
    with pytest.raises(UnfitError, match="cannot be halved 4 times") as refused:
        made("model", {"type": name, "width": 2, "depth": 4}, Image(3, 15, 40), TWO)
    assert refused.value.path == ("model", "depth")


def test_fcn_cannot_have_more_skips_than_sizes() -> None:
    with pytest.raises(UnfitError, match="2 sizes finer than the coarsest, not 3"):
        made("model", {"type": "fcn", "depth": 2, "skips": 3}, Image(3, 16, 16), TWO)


def reach(model: nn.Module, side: int, row: int, column: int) -> Tensor:
    """Which pixels the scores of one pixel depend on."""
    x = torch.randn(1, 3, side, side, requires_grad=True)
    model.eval()(x)[0, row, column].sum().backward()
    assert x.grad is not None
    return x.grad[0].abs().sum(dim=0) > 0


def test_a_deeper_unet_sees_more_around_each_pixel() -> None:
    torch.manual_seed(0)
    seen = []
    for depth in (1, 2, 3):
        settings = {"type": "unet", "width": 4, "depth": depth, "activation": "tanh"}
        seen.append(int(reach(made("model", settings, Image(3, 64, 64), TWO), 64, 31, 31).sum()))
    assert seen[0] < seen[1] < seen[2] <= 64 * 64


def test_without_skips_neighbouring_scores_of_an_fcn_lie_on_a_line() -> None:
    """Those of the coarsest maps, interpolated; finer maps add what bends it."""
    torch.manual_seed(0)
    x = torch.randn(1, 3, 32, 32)
    bends = []
    for skips in (0, 3):
        model = made("model", {"type": "fcn", "width": 4, "depth": 3, "skips": skips}, Image(3, 32, 32), TWO).eval()
        scores = model(x)[0, 4:12, 16]  # rows between the middles of two of the coarsest pixels
        bends.append(float((scores[2:] - 2 * scores[1:-1] + scores[:-2]).abs().max().detach()))
    assert bends[0] < 1e-5 < bends[1]


def test_torchvision_networks_with_the_channels_and_classes_of_the_data() -> None:
    model = network(component("torchvision_segmentation"), Image(1, 32, 48), Mask(("a", "b", "c")), 0).eval()
    assert model(torch.randn(2, 1, 32, 48)).shape == (2, 32, 48, 3)


def test_an_unknown_network_of_torchvision() -> None:
    with pytest.raises(UnfitError, match="did you mean 'deeplabv3_resnet50'"):
        made("model", {"type": "torchvision_segmentation", "name": "deeplab_resnet50"}, Image(3, 32, 32), TWO)


def test_a_network_for_classes_makes_no_masks() -> None:
    with pytest.raises(UnfitError, match=r"models that take images and make masks: fcn, torchvision_segm.*, unet"):
        network_for(chosen("model", "lenet"), Image(1, 28, 28), TWO)
