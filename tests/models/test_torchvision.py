"""Networks of torchvision with other channels, other classes, and images that are too small for them."""

from typing import Any

import pytest
import torch
import torchvision.models
from torch import Tensor

from nntrain.errors import UnfitError
from nntrain.models import torchvision as module
from nntrain.models.torchvision import Torchvision
from nntrain.network import parameter_count
from nntrain.specs import Classes, Image, Values

TEN = Classes(tuple("0123456789"))


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5", "regnet_x_400mf"])
@pytest.mark.parametrize("targets", [TEN, Values(("a", "b"))])
def test_networks_get_the_channels_and_outputs_of_the_data(name: str, targets: Any) -> None:
    body = Torchvision(Image(1, 32, 32), targets, name=name)
    assert body.training and body(torch.randn(2, 1, 32, 32)).shape == (2, len(targets))
    reference = getattr(torchvision.models, name)(num_classes=len(targets))
    first = next(p for p in reference.parameters())
    assert parameter_count(body) == parameter_count(reference) - first.numel() * 2 // 3


def test_colour_images_are_given_to_torchvisions_network_as_it_is() -> None:
    torch.manual_seed(0)
    body = Torchvision(Image(3, 32, 32), TEN, name="resnet18")
    torch.manual_seed(0)
    reference, x = torchvision.models.resnet18(num_classes=10), torch.randn(2, 3, 32, 32)
    assert torch.equal(body(x), reference(x))


def test_auxiliary_classifiers_are_left_out() -> None:
    body = Torchvision(Image(3, 32, 32), TEN, name="googlenet")
    assert isinstance(body.train()(torch.randn(2, 3, 32, 32)), Tensor)


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("mobilenet_v3_smal", 32, "torchvision has no network 'mobilenet_v3_smal'; did you mean 'mobilenet_v3_small'"),
        ("fcn_resnet50", 32, "torchvision has no network 'fcn_resnet50'"),  # for segmentation
        ("squeezenet1_1", 16, r"squeezenet1_1 fails on images of 16x16 \(.*\); the smallest that it takes are 17x17$"),
        ("vit_b_32", 32, "Expected 224 but got 32.*the smallest that it takes are 224x224"),
    ],
)
def test_unknown_names_and_unfit_images_are_refused(name: str, side: int, message: str) -> None:
    with pytest.raises(UnfitError, match=message) as refused:
        Torchvision(Image(3, side, side), TEN, name=name)
    assert refused.value.path == ("name",)


@pytest.mark.parametrize(("classes", "channels", "taken"), [(10, 3, 1), (1000, 3, 2), (10, 1, 0)])
def test_published_weights_are_taken_where_they_fit(
    classes: int, channels: int, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = torchvision.models.squeezenet1_1().state_dict()
    monkeypatch.setattr(module, "published_weights", lambda name: published)
    body = Torchvision(
        Image(channels, 32, 32), Classes(tuple(map(str, range(classes)))), name="squeezenet1_1", pretrained=True
    )
    own = body.network.state_dict()
    new = {name for name in own if not torch.equal(own[name], published[name])}
    ends = {"features.0.weight", "classifier.1.weight"}
    assert len(ends - new) == taken
    assert new <= ends | {"features.0.bias", "classifier.1.bias"}
