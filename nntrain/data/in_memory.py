"""Data that fits in memory: decoded once into tensors, prepared once, kept on the device, batched by index."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from nntrain.data.split import SplitSettings, divide
from nntrain.errors import UnfitError
from nntrain.loss import Batch
from nntrain.settings import Count
from nntrain.specs import Classes, Image, Values, Vector

EVALUATION_BYTES = 4 << 20  # of inputs in a batch of evaluation: large enough to be fast, small beside any model
PIECE = 4096  # examples whose moments are taken at a time


@dataclass(frozen=True)
class Examples:
    """Inputs (n, ...) of any number type and targets (n, ...)."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, numbers: Tensor) -> "Examples":
        return Examples(self.inputs[numbers], self.targets[numbers])


@dataclass(frozen=True)
class Source:
    """A set as it comes: `scale` times the inputs are ordinary numbers (pixels from 0 to 1)."""

    name: str
    inputs: Vector | Image
    targets: Classes | Values
    train: Examples
    test: Callable[[], Examples] | None = None
    scale: float = 1.0


class TensorSplit:
    """Examples as tensors on the device."""

    def __init__(self, inputs: Tensor, targets: Tensor, batch_size: int) -> None:
        self.inputs = inputs
        self.targets = targets
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.targets)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in plan:
            yield [Batch(self.inputs.index_select(0, i), self.targets.index_select(0, i)) for i in update]

    def in_order(self) -> Iterator[Batch]:
        bytes_each = max(1, self.inputs[:1].nbytes)
        size = max(self.batch_size, EVALUATION_BYTES // bytes_each)
        return map(Batch, torch.split(self.inputs, size), torch.split(self.targets, size))

    def sample(self, examples: int, seed: int) -> "TensorSplit":
        if len(self) <= examples:
            return self
        generator = torch.Generator().manual_seed(seed)
        numbers = torch.randperm(len(self), generator=generator)[:examples].sort().values.to(self.inputs.device)
        return TensorSplit(self.inputs[numbers], self.targets[numbers], self.batch_size)


class InMemory:
    """A set held in memory, divided and prepared.

    Standardisation is x' = (x - mean) / deviation with the mean and deviation of the training set, for each
    feature of a vector or each channel of an image (a deviation of 0 counts as 1); it travels in the checkpoint.

    Settings:
        batch_size: how many examples a batch has; all for the whole training set
        standardize: whether inputs are standardised
        split: how the set is divided where it does not come divided
    """

    def __init__(
        self,
        source: Callable[[], Source],
        device: torch.device,
        stored: Mapping[str, Tensor] | None,
        *,
        batch_size: Count | Literal["all"] = 32,
        standardize: bool = True,
        split: SplitSettings = SplitSettings(),  # noqa: B008
    ) -> None:
        self._source = source()
        self._device = device
        self._standardize = standardize
        train, dev, self._test = self._divided(split)
        self.batch_size = len(train) if batch_size == "all" else batch_size
        self._prepared = self._learn(train) if stored is None else self._fitting(stored)
        self.inputs = self._source.inputs
        targets = self._source.targets
        self.targets = targets.learned_from(train.targets) if stored is None else targets.restored(stored)
        self.train = self._ready(train)
        self._splits = {"train": self.train, "dev": self._ready(dev) if len(dev) else None}

    def split(self, name: str) -> TensorSplit | None:
        if name == "test":
            test = self._test()
            return self._ready(test) if len(test) else None
        return self._splits[name]

    def prepared(self) -> dict[str, Tensor]:
        return {**self._prepared, **self.targets.statistics()}

    def describe(self) -> dict[str, Any]:
        sizes = {name: len(part) for name, part in self._splits.items() if part is not None}
        return {"inputs": str(self.inputs), "targets": str(self.targets), "examples": sizes}

    def _divided(self, split: SplitSettings) -> tuple[Examples, Examples, Callable[[], Examples]]:
        """Training, dev and test examples; a set with a test set of its own keeps it for testing."""
        source, rest = self._source, torch.arange(len(self._source.train))
        strata = source.targets.strata(source.train.targets)
        if source.test is not None:
            if split.test is not None:
                raise UnfitError(f"{source.name} has a test set of its own; leave this setting out", "split.test")
            test, dev_share = source.test, 0.1 if split.dev is None else split.dev
        else:
            rest, tested = divide(strata, 0.15 if split.test is None else split.test, split.seed)
            test = lambda: source.train.take(tested)  # noqa: E731
            dev_share = (0.15 if split.dev is None else split.dev) * len(strata) / len(rest)
            if dev_share >= 1:
                raise UnfitError("dev and test leave no examples for training", "split")
        kept, dev = divide(strata[rest], dev_share, split.seed + 1)
        if len(kept) == 0 or (len(dev) == 0 and dev_share > 0):
            sizes = f"{len(kept)} for training and {len(dev)} for the dev set"
            raise UnfitError(f"of {len(strata)} examples this leaves {sizes}; dev: 0 goes without a dev set", "split")
        return source.train.take(rest[kept]), source.train.take(rest[dev]), test

    def _learn(self, train: Examples) -> dict[str, Tensor]:
        if not self._standardize:
            return {}
        mean, deviation = _moments(train.inputs)
        is_constant = deviation <= 1e-7 * mean.abs()  # to rounding
        scale = self._source.scale
        return {"mean": mean * scale, "deviation": torch.where(is_constant, 1.0, deviation * scale)}

    def _fitting(self, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A checkpoint's preparation, where it is one of such data."""
        size = self._source.inputs.shape[0]
        if self._standardize and any(len(stored.get(name, ())) != size for name in ("mean", "deviation")):
            raise UnfitError(
                f"the checkpoint was trained on other data, or not standardised, than {self._source.name} is"
            )
        return dict(stored)

    def _ready(self, examples: Examples) -> TensorSplit:
        inputs = examples.inputs.to(torch.float32, copy=True).mul_(self._source.scale)
        if self._standardize:
            shape = (-1, *[1] * (inputs.dim() - 2))
            mean, deviation = (self._prepared[name].float().view(shape) for name in ("mean", "deviation"))
            inputs.sub_(mean).div_(deviation)
        return TensorSplit(inputs.to(self._device), examples.targets.to(self._device), self.batch_size)


def _moments(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature or channel (the second axis), in float64.

    Piece by piece, since float64 is eight times the size of the bytes that images come in.
    """

    def pieces() -> Iterator[Tensor]:
        for piece in torch.split(inputs, PIECE):
            yield piece.transpose(0, 1).flatten(1).double()

    count = inputs.numel() // inputs.shape[1]
    mean = torch.stack([piece.sum(dim=1) for piece in pieces()]).sum(dim=0) / count
    squares = torch.stack([(piece - mean[:, None]).square().sum(dim=1) for piece in pieces()]).sum(dim=0)
    return mean, (squares / count).sqrt()
