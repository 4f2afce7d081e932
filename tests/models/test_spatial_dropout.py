"""Dropout of whole maps, in the networks that have the setting."""

from typing import Any

import pytest
import torch
from made import made
from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.specs import Classes, Image, Series

SHARE = 0.3
CLASSES = Classes(("a", "b"))
NETWORKS: dict[str, tuple[dict[str, Any], tuple[Any, ...], Any, list[str]]] = {
    "lenet": ({"type": "lenet", "activation": "sigmoid"}, (Image(1, 28, 28),), torch.randn(200, 1, 28, 28), ["conv2"]),
    "alexnet": ({"type": "alexnet", "small": True, "norm": "none", "dropout": 0}, (Image(1, 15, 15),),
                torch.randn(40, 1, 15, 15), ["conv2", "conv3"]),
    "tdnn": ({"type": "tdnn", "activation": "sigmoid", "dilations": [1, 1, 1]}, (Series(3, 9), CLASSES),
             Sequences(torch.randn(50, 9, 3)), ["layers.1.weights", "layers.2.weights"]),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_maps_are_set_to_zero_in_training(name: str) -> None:
    """Seen at the convolutions above, whose inputs (batch, maps, ...) may be padded by zeros at the ends."""
    settings, specs, x, above = NETWORKS[name]
    torch.manual_seed(0)
    network = made("model", {**settings, "spatial_dropout": SHARE}, *specs)
    for layer_name, parameter in network.named_parameters():
        if name == "alexnet" and layer_name.endswith("bias"):
            nn.init.constant_(parameter, 10)  # so that relu units are on
        elif name == "alexnet":
            nn.init.normal_(parameter, std=1e-4)
    seen: list[Tensor] = []
    for layer in above:
        network.get_submodule(layer).register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(x)
    network.eval()(x)
    training, evaluation = seen[: len(above)], seen[len(above) :]
    for maps in training:
        inner = maps[..., 1:-1].flatten(2)
        is_zero = (inner == 0).all(dim=2)
        assert is_zero.float().mean().item() == pytest.approx(SHARE, abs=0.04)
        assert (inner != 0)[~is_zero].all()
        assert len({tuple(row) for row in is_zero.tolist()}) > 10  # drawn for each example
    for maps in evaluation:
        assert (maps[..., 1:-1] != 0).all()


def test_there_is_no_such_setting_where_there_are_no_maps() -> None:
    for model in ("mlp", "linear", "gnn", "lstm"):
        with pytest.raises(AssertionError, match="unknown setting"):
            made("model", {"type": model, "spatial_dropout": SHARE})
