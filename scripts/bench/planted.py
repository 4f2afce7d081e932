"""Faults to plant, for `scripts/bench/preflight`: a plug-in with a data set and a model that are made wrong."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nntrain.batch import Batch, Sequences, each
from nntrain.data import Learned
from nntrain.data.tensor_split import TensorSplit
from nntrain.network import Network, head_for
from nntrain.registry import data, model
from nntrain.settings import Data, Model
from nntrain.specs import Classes, Image, Series, Tags, Tokens, Values, Vector

Change = Literal[
    "dev_times_3", "dev_plus_2", "dev_times_255", "all_times_1000", "all_plus_50", "one_feature_times_500", "sorted",
    "leak", "dev_is_train", "tenth_of_dev_is_train", "nan", "infinite_dev", "label_too_large", "label_negative",
    "absent_class", "labels_moved", "imbalanced", "heavy_tail", "one_outlier",
]  # fmt: skip


@data("planted")
class PlantedData:
    """A data set, changed after it was prepared.

    Settings:
        source: the set as it is
        change: what is done to it; imbalanced, heavy_tail and one_outlier are no faults
    """

    def __init__(self, device: torch.device, stored: Learned | None, *, source: Data, change: Change) -> None:
        self._made = source(device, stored)
        self.inputs, self.targets = self._made.inputs, self._made.targets
        self.batch_size = self._made.batch_size
        self.train = self._made.train
        _CHANGES[change](self)

    def split(self, name: str) -> Any:
        return self.train if name == "train" else self._made.split(name)

    @property
    def learned(self) -> Learned:
        return self._made.learned

    def describe(self) -> dict[str, Any]:
        return self._made.describe()

    @property
    def dev(self) -> Any:
        return self._made.split("dev")


def _numbers(split: Any) -> Tensor:
    return split.inputs.values if isinstance(split.inputs, Sequences) else split.inputs


def _scaled(split: Any, factor: float, offset: float) -> None:
    split.inputs = each(lambda part: part * factor + offset if part.is_floating_point() else part, split.inputs)


def _one_feature(planted: PlantedData) -> None:
    for split in (planted.train, planted.dev):
        _numbers(split)[:, 0] *= 500


def _sort(planted: PlantedData) -> None:
    split = planted.train
    order = split.targets.argsort(stable=True)
    inputs = each(lambda part: part[order], split.inputs)
    planted.train = _InOrder(TensorSplit(inputs, split.targets[order], split.batch_size))


class _InOrder:
    """A split that reads its examples one after the other, whatever it is asked for."""

    def __init__(self, split: Any) -> None:
        self._split = split

    def __len__(self) -> int:
        return len(self._split)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._split, name)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        return self._split.stream(self._in_order(plan))

    def _in_order(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Tensor]]:
        start = 0
        for update in plan:
            numbers = []
            for batch in update:
                numbers.append((torch.arange(len(batch), device=batch.device) + start) % len(self._split))
                start += len(batch)
            yield numbers


def _leak(planted: PlantedData) -> None:
    for split in (planted.train, planted.dev):
        target = split.targets.float().flatten(1)[:, 0] if split.targets.dim() > 1 else split.targets.float()
        numbers = _numbers(split).flatten(1)
        numbers[:, 1] = (target - target.mean()) / target.std()
        _numbers(split).copy_(numbers.view_as(_numbers(split)))


def _copy_into_dev(planted: PlantedData, share: float) -> None:
    train, dev = planted.train, planted.dev
    count = max(1, round(share * len(dev)))
    _numbers(dev)[:count] = _numbers(train)[:count]
    dev.targets[:count] = train.targets[:count]


def _put(split: Any, value: float) -> None:
    _numbers(split).flatten(1)[len(split) // 2, 1] = value


def _label(split: Any, value: int) -> None:
    split.targets[len(split) // 2] = value


def _keep(planted: PlantedData, kept: Callable[[Tensor], Tensor]) -> None:
    split = planted.train
    numbers = kept(split.targets).nonzero().flatten()
    split.inputs, split.targets = each(lambda part: part[numbers], split.inputs), split.targets[numbers]


def _one_in_twenty(targets: Tensor) -> Tensor:
    return (targets != 0) | ((targets == 0).cumsum(0) % 20 == 0)


def _heavy_tail(planted: PlantedData) -> None:
    for split in (planted.train, planted.dev):
        numbers = _numbers(split)
        numbers[:, 0] = numbers[:, 0].mul(1.5).exp() / 3


_CHANGES: Mapping[str, Callable[[PlantedData], Any]] = {
    "dev_times_3": lambda planted: _scaled(planted.dev, 3, 0),
    "dev_plus_2": lambda planted: _scaled(planted.dev, 1, 2),
    "dev_times_255": lambda planted: _scaled(planted.dev, 255, 0),
    "all_times_1000": lambda planted: [_scaled(split, 1000, 0) for split in (planted.train, planted.dev)],
    "all_plus_50": lambda planted: [_scaled(split, 1, 50) for split in (planted.train, planted.dev)],
    "one_feature_times_500": _one_feature,
    "sorted": _sort,
    "leak": _leak,
    "dev_is_train": lambda planted: _copy_into_dev(planted, 1.0),
    "tenth_of_dev_is_train": lambda planted: _copy_into_dev(planted, 0.1),
    "nan": lambda planted: _put(planted.train, float("nan")),
    "infinite_dev": lambda planted: _put(planted.dev, float("inf")),
    "label_too_large": lambda planted: _label(planted.train, len(planted.targets)),
    "label_negative": lambda planted: _label(planted.dev, -1),
    "absent_class": lambda planted: _keep(planted, lambda targets: targets != 0),
    "labels_moved": lambda planted: setattr(planted.train, "targets", planted.train.targets.roll(1, 0)),
    "imbalanced": lambda planted: _keep(planted, _one_in_twenty),
    "heavy_tail": _heavy_tail,
    "one_outlier": lambda planted: _put(planted.train, 60.0),
}

ModelFault = Literal[
    "softmax", "relu_outputs", "more_outputs", "head_times_30", "all_times_5", "zero_body", "zero_weights",
    "frozen_body", "frozen_first", "dead_relu", "dead_first", "detached", "unused_layer", "saturated",
]  # fmt: skip


@model("planted")
class PlantedModel(nn.Module):
    """A model with a fault.

    Settings:
        network: the model as it is
        fault: what is done to it
    """

    def __init__(
        self,
        inputs: Vector | Image | Series | Tokens,
        outputs: Classes | Values | Tags | Tokens,
        *,
        network: Model,
        fault: ModelFault,
    ) -> None:
        super().__init__()
        body = network(inputs, outputs) if network.takes("targets") else network(inputs)
        self.network = Network(body, head_for(outputs, body))
        self.after: nn.Module = nn.Identity()
        _FAULTS[fault](self)

    def forward(self, x: Any) -> Tensor:
        return self.after(self.network(x))


class _Detached(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Any) -> Tensor:
        return self.body(x).detach()


def _fill(module: nn.Module, kind: str, value: float) -> None:
    for name, parameter in module.named_parameters():
        if kind in name:
            nn.init.constant_(parameter, value)


def _scale(module: nn.Module, factor: float) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(factor)


def _freeze(planted: PlantedModel, count: int | None) -> None:
    for parameter in list(planted.network.body.parameters())[:count]:
        parameter.requires_grad_(False)


def _first(planted: PlantedModel) -> nn.Module:
    return next(m for m in planted.network.body.modules() if list(m.parameters(recurse=False)))


def _more_outputs(planted: PlantedModel) -> None:
    head = planted.network.head
    planted.network.head = nn.Linear(head.in_features, head.out_features + 5)


_FAULTS: Mapping[str, Callable[[PlantedModel], Any]] = {
    "softmax": lambda planted: setattr(planted, "after", nn.Softmax(dim=-1)),
    "relu_outputs": lambda planted: setattr(planted, "after", nn.ReLU()),
    "more_outputs": _more_outputs,
    "head_times_30": lambda planted: _scale(planted.network.head, 30),
    "all_times_5": lambda planted: _scale(planted.network, 5),
    "zero_body": lambda planted: _scale(planted.network.body, 0),
    "zero_weights": lambda planted: _scale(planted.network, 0),
    "frozen_body": lambda planted: _freeze(planted, None),
    "frozen_first": lambda planted: _freeze(planted, 1),
    "dead_relu": lambda planted: _fill(planted.network.body, "bias", -20),
    "dead_first": lambda planted: _fill(_first(planted), "bias", -20),
    "detached": lambda planted: setattr(planted.network, "body", _Detached(planted.network.body)),
    "unused_layer": lambda planted: setattr(planted, "unused", nn.Linear(8, 8)),
    "saturated": lambda planted: _scale(planted.network.body, 100),
}
