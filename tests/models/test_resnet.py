"""ResNet against torchvision's, its published sizes, the plain twin, and where published weights come from."""

import hashlib
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision.models
from made import made
from torch import nn

from nntrain.errors import UnfitError, UserError
from nntrain.models.pretrained import published_weights
from nntrain.models.resnet import BasicBlock, ResNet
from nntrain.network import parameter_count
from nntrain.specs import Image

COLOUR = Image(3, 32, 32)


def resnet(inputs: Image, **settings: Any) -> ResNet:
    return made("model", {"type": "resnet", **settings}, inputs)


PUBLISHED = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}


@pytest.mark.parametrize(("depth", "parameters"), PUBLISHED.items())
def test_parameters_with_the_head_of_1000_classes_as_published(depth: int, parameters: int) -> None:
    with torch.device("meta"):
        body = resnet(Image(3, 224, 224), depth=depth)
    assert parameter_count(body) + 1000 * (body.features + 1) == parameters


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_parameters_of_the_cifar_form_as_published(depth: int, millions: float) -> None:
    with torch.device("meta"):
        body = resnet(COLOUR, depth=depth, stem="cifar")
        plain = resnet(COLOUR, depth=depth, stem="cifar", shortcut=False)
    count = parameter_count(body) + 10 * (body.features + 1)
    assert round(count / 1e6, 1 if millions > 1 else 2) == millions
    assert parameter_count(plain) == parameter_count(body)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("mode", [True, False])
def test_outputs_equal_torchvision(depth: int, mode: bool) -> None:
    torch.manual_seed(0)
    reference = getattr(torchvision.models, f"resnet{depth}")(num_classes=7).train(mode)
    body, head, x = resnet(COLOUR, depth=depth).train(mode), reference.fc, torch.randn(3, *COLOUR.shape)
    body.load_state_dict({k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")})
    torch.testing.assert_close(head(body(x)), reference(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
@pytest.mark.parametrize("shortcut", [True, False])
def test_the_depth_is_the_number_of_layers_with_weights(stem: Any, shortcut: bool) -> None:
    with torch.device("meta"):
        body = resnet(COLOUR, depth=50, stem=stem, shortcut=shortcut)
    convolutions = [name for name, m in body.named_modules() if isinstance(m, nn.Conv2d) and "downsample" not in name]
    assert len(convolutions) + 1 == 50


def test_a_block_by_its_formula() -> None:
    torch.manual_seed(0)
    for shortcut in (True, False):
        body, x = resnet(COLOUR, depth=8, stem="cifar", width=4, shortcut=shortcut).eval(), torch.randn(2, 4, 6, 6)
        block = body.layer2[0]
        change = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
        expected = change.clone()
        if shortcut:
            expected[:, :4] += x[:, :, ::2, ::2]
        torch.testing.assert_close(block(x), torch.relu(expected))


def test_stochastic_depth_rises_to_the_last_block_and_drops_example_by_example() -> None:
    torch.manual_seed(0)
    body = resnet(COLOUR, depth=20, stem="cifar", width=4, stochastic_depth=0.45)
    blocks = [block for block in body.modules() if isinstance(block, BasicBlock)]
    assert [block.drop.p for block in blocks] == pytest.approx([0.05 * (i + 1) for i in range(9)])
    assert {block.drop.mode for block in blocks} == {"row"}
    block, x = blocks[-1], torch.randn(400, 16, 3, 3)
    for module in block.modules():  # so that the change is the same whatever the batch
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    change = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
    whole, dropped = torch.relu(change / 0.55 + x), torch.relu(x)
    found = block(x)
    is_dropped = (found == dropped).flatten(1).all(dim=1)
    torch.testing.assert_close(found[~is_dropped], whole[~is_dropped])
    assert is_dropped.float().mean().item() == pytest.approx(0.45, abs=0.08)
    torch.testing.assert_close(block.eval()(x), torch.relu(change + x))


@pytest.mark.parametrize("depth", [8, 50])
def test_spatial_dropout_takes_whole_maps_before_the_last_convolution(depth: int) -> None:
    torch.manual_seed(0)
    form = {"stem": "cifar"} if depth == 8 else {}
    body = resnet(COLOUR, depth=depth, width=64, spatial_dropout=0.3, **form)
    block = body.layer1[0]
    seen: list[torch.Tensor] = []
    last = block.conv2 if depth == 8 else block.conv3
    last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = torch.rand(40, 64, 4, 4)
    block(x)
    block.eval()(x)
    shares = [(maps.flatten(2) == 0).all(dim=2).float().mean().item() for maps in seen]
    assert shares[0] == pytest.approx(0.33, abs=0.07) and shares[1] < 0.1


@pytest.mark.parametrize(("stem", "side", "expected"), [("imagenet", 64, (2, 2)), ("cifar", 8, (2, 2))])
def test_stages_halve_the_maps(stem: Any, side: int, expected: tuple[int, int]) -> None:
    body = resnet(Image(1, side, side), depth=50, stem=stem, width=4)
    last_maps = nn.Sequential(*list(body)[:-2])(torch.randn(2, 1, side, side))
    assert last_maps.shape == (2, body.features, *expected)
    assert body(torch.ones(2, 1, side, side)).shape == (2, body.features)


def test_the_smallest_images_are_of_one_pixel() -> None:
    for stem in ("imagenet", "cifar"):
        body = resnet(Image(1, 1, 1), depth={"imagenet": 18, "cifar": 8}[stem], stem=stem, width=4)
        assert body(torch.randn(2, 1, 1, 1)).shape == (2, body.features)


@pytest.mark.parametrize(
    ("settings", "message", "setting"),
    [
        ({"depth": 20}, "depths 18, 34, 50, 101, 152, not 20", "depth"),
        ({"depth": 18, "stem": "cifar"}, r"6n \+ 2, not 18; the nearest is 20", "depth"),
        ({"depth": 2, "stem": "cifar"}, r"not 2; the nearest is 8", "depth"),
        ({"pretrained": True, "width": 8}, "need width: 64; write pretrained: false", "pretrained"),
        ({"pretrained": True, "depth": 20, "stem": "cifar"}, "need stem: imagenet", "pretrained"),
        ({"pretrained": True, "shortcut": False}, "need shortcut: true", "pretrained"),
        (
            {"shortcut": False, "stochastic_depth": 0.2},
            "nothing is left of a block that is dropped",
            "stochastic_depth",
        ),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], message: str, setting: str) -> None:
    with pytest.raises(UnfitError, match=message) as refused:
        resnet(COLOUR, **settings)
    assert refused.value.path == ("model", setting)


def test_published_weights_are_for_colour() -> None:
    with pytest.raises(UnfitError, match="need three channels"):
        resnet(Image(1, 32, 32), pretrained=True)


class Cache:
    """torch.hub's folder, in which one file stands for the published weights of every network."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TORCH_HOME", str(folder))
        self.folder = folder / "hub" / "checkpoints"
        self.folder.mkdir(parents=True)
        self._monkeypatch = monkeypatch

    def publish(self, content: Any) -> Path:
        """Saves the file under a name with its hash, and makes that name the published one."""
        file = self.folder / "new"
        torch.save(content, file)
        path = file.rename(self.folder / f"net-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth")
        weights = SimpleNamespace(DEFAULT=SimpleNamespace(url=f"https://example.org/models/{path.name}"))
        self._monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: weights)
        return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    return Cache(tmp_path, monkeypatch)


def test_published_weights_on_disk_are_taken(cache: Cache) -> None:
    reference = torchvision.models.resnet18()
    cache.publish(reference.state_dict())
    body = resnet(COLOUR, depth=18, pretrained=True)
    assert torch.equal(body.conv1.weight, reference.conv1.weight)
    assert torch.equal(body.layer4[1].bn2.running_var, reference.layer4[1].bn2.running_var)


def test_a_file_that_does_not_fit_its_hash_is_refused(cache: Cache) -> None:
    path = cache.publish({"weight": torch.ones(3)})
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match=f"{path} is damaged: its SHA-256 does not fit its name"):
        published_weights("resnet18")


def test_no_pickled_code_is_run(cache: Cache) -> None:
    cache.publish({"weight": pytest.approx(1)})
    with pytest.raises(pickle.UnpicklingError):
        published_weights("resnet18")


def test_without_file_and_network_the_file_is_named(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cache.publish({})
    path.unlink()

    def no_network(url: str, *arguments: object, **settings: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(UserError, match=f"{path.name} could not be downloaded.*put it into {path.parent}$"):
        published_weights("resnet18")


def test_a_download_is_checked_against_the_published_hash(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cache.publish({"weight": torch.ones(3)})
    content, asked = path.read_bytes(), []
    path.unlink()

    def download(url: str, destination: str, prefix: str, progress: bool) -> None:
        asked.append((url, prefix))
        Path(destination).write_bytes(content)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert torch.equal(published_weights("resnet18")["weight"], torch.ones(3))
    assert asked == [(f"https://example.org/models/{path.name}", path.stem.partition("-")[2])]


def test_torchvision_publishes_a_hash_for_every_depth() -> None:
    for depth in PUBLISHED:
        url = torchvision.models.get_model_weights(f"resnet{depth}").DEFAULT.url
        assert len(url.rpartition("-")[2].removesuffix(".pth")) == 8
