"""Feature maps at several scales, which detectors look for objects in."""

from typing import Any

from torch import nn

from nntrain.errors import UnfitError
from nntrain.models.resnet import ResNet
from nntrain.specs import Image

LEVELS = ("layer1", "layer2", "layer3", "layer4")
STRIDES = (4, 8, 16, 32)
SMALL: dict[str, Any] = {"type": "resnet", "width": 16}


def pyramid(inputs: Image, backbone: Any, channels: int) -> nn.Module:
    """The maps of a resnet's stages, each with what those above it know, by level: 0 for every 4th pixel, 1, 2, 3.

    p_l = C3x3(q_l),  q_l = C1x1(c_l) + up(q_{l+1}),  c_l the last maps of stage l

    All have so many `channels`. There is a fifth level, pool: every second position of the fourth.

    Source: Lin et al., Feature pyramid networks for object detection, 2016, arXiv:1612.03144.
    """
    from torchvision.models.detection.backbone_utils import BackboneWithFPN

    network = backbone(inputs) if backbone.name == "resnet" else None
    if not isinstance(network, ResNet) or not hasattr(network, "layer4"):
        raise UnfitError("detectors stand on the four stages of a resnet with stem: imagenet", "backbone")
    widths = [getattr(network, level)[-1].maps.channels for level in LEVELS]
    return BackboneWithFPN(network, {level: str(i) for i, level in enumerate(LEVELS)}, widths, channels)


def foot(inputs: Image, backbone: Any, channels: int) -> nn.Module:
    """A pyramid of which only level 0 is looked at: the others are given on as they are, without C3x3."""
    whole: Any = pyramid(inputs, backbone, channels)
    for i in range(1, len(LEVELS)):
        whole.fpn.layer_blocks[i] = nn.Identity()
    return whole
