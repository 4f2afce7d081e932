"""The networks for masks of torchvision."""

from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.models.torchvision import change_channels, refuse_unfit_images
from nntrain.registry import model
from nntrain.specs import Image, Mask
from nntrain.suggest import did_you_mean


@model("torchvision_segmentation")
class TorchvisionSegmentation(nn.Module):
    """A network of torchvision for masks, such as lraspp_mobilenet_v3_large, with the data's channels and classes.

    z = network(x), the scores of every pixel's classes (batch, height, width, classes)

    Takes images (batch, channels, height, width). The weights start at random; the first convolution is replaced
    where images have other than three channels. Auxiliary classifiers are left out.
    Good where a known network is to be trained as it is.
    Source: torchvision.models.segmentation, https://docs.pytorch.org/vision/stable/models.html#semantic-segmentation,
    which names each network's paper.

    Settings:
        name: one of torchvision's networks for segmentation
    """

    def __init__(self, inputs: Image, outputs: Mask, *, name: str) -> None:
        super().__init__()
        self.network = _network(name, len(outputs))
        if inputs.channels != 3:
            change_channels(self.network, inputs.channels)
        refuse_unfit_images(self.network, inputs, name)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)["out"].movedim(1, -1)


def _network(name: str, classes: int) -> nn.Module:
    from torchvision import models

    names = models.list_models(module=models.segmentation)
    if name not in names:
        raise UnfitError(f"torchvision has no network for masks '{name}'; {did_you_mean(name, names)}", "name")
    return models.get_model(name, weights=None, weights_backbone=None, num_classes=classes)
