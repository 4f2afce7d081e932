"""Heads on layers inside of a network: a vector made of what a layer puts out, and a linear layer on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.errors import UnfitError
from nntrain.layers import layer_named
from nntrain.specs import Headed, Image, Inputs, Series, Tags, Tokens, Vector, Video

Shape = tuple[int, ...]
SHORTENED = 2  # how many times shorter the sequences are that show which axis of an output is time


@dataclass(frozen=True)
class Layout:
    """What a layer puts out: so many features for each example, at one place or at many.

    `time` is the axis of time of sequences; `per_position` says that each of their positions has an output.
    """

    features: int
    time: int | None
    per_position: bool

    def read(self, output: Tensor, lengths: Tensor | None, steps: int) -> Tensor:
        """Features (batch, features): means over all places, padding left out; or (batch, time, features)."""
        if self.time is None:  # a copy, since the layer that follows may change its inputs in place
            return output.clone() if output.dim() == 2 else output.flatten(2).mean(dim=2)
        x = output.movedim(self.time, 1)
        if self.per_position:
            return x.clone()
        if lengths is None:
            return x.mean(dim=1)
        # Where the layer has fewer positions than the sequence, as many of them are padding as of the sequence's.
        filled = (lengths * x.shape[1] + steps - 1) // steps
        mask = torch.arange(x.shape[1], device=x.device) < filled[:, None]
        return (x * mask.unsqueeze(-1)).sum(dim=1) / filled[:, None]


class AuxiliaryHeads(nn.ModuleList):
    """Heads z_k = W_k a_k + b_k, with a_k read off the output of a layer, for layers of a network by their names.

    They stand in the network as its part `auxiliary` and are computed at the end of each of its passes; of a layer
    that runs several times the last output counts.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str], inputs: Inputs, targets: Headed) -> None:
        if not isinstance(inputs, Vector | Image | Video | Series | Tokens):
            raise UnfitError(f"heads inside are there for vectors, images, videos, series and tokens, not for {inputs}")
        chosen = [layer_named(model, layer, f"{i}.layer") for i, layer in enumerate(layers)]
        self.layouts = list(_layouts(model, chosen, inputs, targets))
        super().__init__(nn.Linear(layout.features, len(targets)) for layout in self.layouts)
        self._inputs: Any = None
        self._features: dict[int, Tensor] = {}
        self._outputs: dict[int, Tensor] = {}
        model.register_forward_pre_hook(self._begin)
        for number, layer in enumerate(chosen):
            layer.register_forward_hook(_Tap(self, number))
        model.register_forward_hook(self._end)

    def forward(self, x: Any) -> Any:
        """Lets x through: some networks send it through all of their parts."""
        return x

    def taken(self) -> list[Tensor]:
        """What the heads have put out in the network's last pass, which can be taken once.

        UnfitError where a layer did not run: some layers have a faster way, or another one in training.
        """
        outputs, self._outputs = self._outputs, {}
        for number in range(len(self)):
            if number not in outputs:
                raise UnfitError("the network does not always run this layer as it stands", f"{number}.layer")
        return [outputs[number] for number in range(len(self))]

    def see(self, number: int, output: Any) -> None:
        """Notes what a layer has put out."""
        lengths, steps = None, 1
        if isinstance(self._inputs, Sequences):
            lengths, steps = self._inputs.lengths, self._inputs.values.shape[1]
        self._features[number] = self.layouts[number].read(_tensor(output), lengths, steps)

    def _begin(self, model: nn.Module, arguments: tuple[Any, ...]) -> None:
        self._inputs = arguments[0]

    def _end(self, model: nn.Module, arguments: Any, output: Any) -> None:
        self._outputs = {number: self[number](features) for number, features in self._features.items()}
        self._inputs, self._features = None, {}


class _Tap:
    """A hook that survives when the network is copied: the copy's layers then have the copy's heads."""

    def __init__(self, heads: AuxiliaryHeads, number: int) -> None:
        self.heads = heads
        self.number = number

    def __call__(self, layer: nn.Module, arguments: Any, output: Any) -> None:
        self.heads.see(self.number, output)


def judged(model: nn.Module, layers: Sequence[nn.Module], inputs: Any, targets: Headed) -> list[Layout | UnfitError]:
    """The layout of each layer's output, found by sending blank inputs through, or why there is none."""
    steps = inputs.length if isinstance(inputs, Series | Tokens) else None
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    whole = _shapes(model, layers, _blank(inputs, steps, device))
    shorter = None if steps is None else _shapes(model, layers, _blank(inputs, max(1, steps // SHORTENED), device))
    found: list[Layout | UnfitError] = []
    for number, shape in enumerate(whole):
        try:
            found.append(_layout(shape, shorter[number] if shorter else None, steps, targets))
        except UnfitError as error:
            found.append(error)
    return found


def _layouts(model: nn.Module, layers: Sequence[nn.Module], inputs: Any, targets: Headed) -> Iterator[Layout]:
    """The layouts; UnfitError where a layer has none."""
    for number, layout in enumerate(judged(model, layers, inputs, targets)):
        if isinstance(layout, UnfitError):
            raise UnfitError(str(layout), f"{number}.layer")
        yield layout


def _layout(shape: Shape | None, shorter: Shape | None, steps: int | None, targets: Headed) -> Layout:
    """What an output of this shape for two examples holds; `shorter` is that for shorter sequences."""
    if shape is None:
        raise UnfitError("this layer puts out no numbers when the network runs")
    spoken = "x".join(map(str, shape[1:])) or "nothing"
    if len(shape) < 2 or shape[0] != 2:
        raise UnfitError(f"what this layer puts out ({spoken}) is no row for each example")
    if isinstance(targets, Tags | Tokens) and shorter is None and shape[1:2] == (targets.length,) and len(shape) == 3:
        return Layout(shape[2], 1, per_position=True)  # a sequence that is made of a vector
    if shorter is None or len(shape) == 2:
        if targets.per_position:
            raise UnfitError(f"every position has a label, and this layer's output ({spoken}) has no positions")
        return Layout(shape[1], None, per_position=False)
    differing = [axis for axis, sizes in enumerate(zip(shape, shorter, strict=True)) if sizes[0] != sizes[1]]
    if len(shape) != 3 or len(differing) != 1:
        raise UnfitError(f"it cannot be told which axis of this layer's output ({spoken}) is time")
    (time,) = differing
    if targets.per_position and shape[time] != steps:
        raise UnfitError(f"every position has a label, and this layer has {shape[time]} positions for {steps}")
    return Layout(shape[3 - time], time, targets.per_position)


def _shapes(model: nn.Module, layers: Sequence[nn.Module], inputs: Any) -> list[Shape | None]:
    """The shapes of what the layers put out for these inputs; None where that is no numbers."""
    seen: dict[int, Any] = {}
    hooks = [
        layer.register_forward_hook(lambda module, arguments, output, number=number: seen.update({number: output}))
        for number, layer in enumerate(layers)
    ]
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(inputs)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    outputs = [_tensor(seen.get(number)) for number in range(len(layers))]
    return [tuple(output.shape) if isinstance(output, Tensor) else None for output in outputs]


def _tensor(output: Any) -> Any:
    """A layer's output, the first where it has several."""
    return output[0] if isinstance(output, tuple) else output


def _blank(inputs: Vector | Image | Video | Series | Tokens, steps: int | None, device: torch.device) -> Any:
    """Two examples of nothing."""
    if steps is None:
        return torch.zeros(2, *inputs.shape, device=device)
    if isinstance(inputs, Tokens):
        return Sequences(torch.zeros(2, steps, dtype=torch.long, device=device))
    return Sequences(torch.zeros(2, steps, *inputs.shape[1:], device=device))
