"""The image classifiers of torchvision."""

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.models.pretrained import published_weights
from nntrain.registry import model
from nntrain.specs import Image, PerExample
from nntrain.suggest import did_you_mean

WITH_AUXILIARY = ("googlenet", "inception_v3")


@model("torchvision")
class Torchvision(nn.Module):
    """A network of torchvision, such as mobilenet_v3_small, with the data's channels and classes.

    z = network(x), the network's last layer made anew with one output for each class or value

    Takes images (batch, channels, height, width) of a size that the network can work with. The first convolution
    is replaced where images have other than three channels. Auxiliary classifiers are left out.
    Good where a known network is to be trained as it is, or from its published weights.
    Source: torchvision.models, https://docs.pytorch.org/vision/stable/models.html, which names each network's paper.

    Settings:
        name: one of torchvision's networks for classification
        pretrained: whether to start from torchvision's newest ImageNet weights, wherever their shapes fit
    """

    def __init__(self, inputs: Image, outputs: PerExample, *, name: str, pretrained: bool = False) -> None:
        super().__init__()
        self.network = _network(name, len(outputs))
        if inputs.channels != 3:
            change_channels(self.network, inputs.channels)
        refuse_unfit_images(self.network, inputs, name)
        if pretrained:
            own = self.network.state_dict()
            fitting = {n: w for n, w in published_weights(name).items() if n in own and own[n].shape == w.shape}
            self.network.load_state_dict(fitting, strict=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def _network(name: str, outputs: int) -> nn.Module:
    from torchvision import models

    names = models.list_models(module=models)
    if name not in names:
        raise UnfitError(f"torchvision has no network '{name}'; {did_you_mean(name, names)}", "name")
    settings = {"aux_logits": False, "init_weights": True} if name in WITH_AUXILIARY else {}
    return models.get_model(name, weights=None, num_classes=outputs, **settings)


def change_channels(network: nn.Module, channels: int) -> None:
    """Puts an untrained convolution of the same form in the place of the first."""
    place, first = next((n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d))
    new = nn.Conv2d(
        channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    network.set_submodule(place, new)


def refuse_unfit_images(network: nn.Module, inputs: Image, name: str) -> None:
    from torchvision.models import get_model_weights

    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *inputs.shape))
    except (RuntimeError, AssertionError) as error:
        height, width = min(weights.meta["min_size"] for weights in get_model_weights(name))
        reason = " ".join(str(error).split()).rstrip(".!")
        sizes = f"{inputs.height}x{inputs.width} ({reason}); the smallest that it takes are {height}x{width}"
        raise UnfitError(f"{name} fails on images of {sizes}", "name") from None
    network.train()
