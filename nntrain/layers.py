"""What happens layer by layer: shapes, parameters and arithmetic, seen by sending examples through."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.sparse import Sparse
from nntrain.suggest import did_you_mean

_CHANNELS_FIRST = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
PARAMETRIZATIONS = "parametrizations"  # torch's name for what computes a module's weights from others


@dataclass(frozen=True)
class Layer:
    """A layer's name and type, the shape of its output, its parameters, multiply-adds.

    `grows` is whether these are an example's; else they are the same for every batch: the nodes of a graph.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    grows: bool = True


def layer_named(model: nn.Module, name: str, setting: str = "layer") -> nn.Module:
    """A layer by its name as check shows it; UnfitError, with the setting, where there is none."""
    modules = dict(model.named_modules())
    if not name or name not in modules:
        raise UnfitError(f"there is no layer '{name}'; {did_you_mean(name, [n for n in modules if n])}", setting)
    return modules[name]


def trace(model: nn.Module, inputs: Any) -> list[Layer]:
    """The layers (modules without parts) in the order in which they run, for a batch in eval mode."""
    layers: list[Layer] = []
    hooks = [
        module.register_forward_hook(_recorder(name, layers))
        for name, module in model.named_modules()
        if _is_layer(name, module)
    ]
    was_training = model.training
    try:
        with torch.inference_mode():
            model.eval()(inputs)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return layers


def _is_layer(name: str, module: nn.Module) -> bool:
    """A module without parts; what computes its weights (weight normalisation) counts as none."""
    parts = {part for part, _ in module.named_children()}
    return not parts - {PARAMETRIZATIONS} and PARAMETRIZATIONS not in name.split(".")


def trace_example(model: nn.Module, example: Any, twice: Any) -> list[Layer]:
    """The layers for one example; `twice` is a batch of it two times, which shows what grows with the batch."""
    pairs = zip(trace(model, example), trace(model, twice), strict=True)
    return [replace(one, grows=math.prod(two.shape) > math.prod(one.shape)) for one, two in pairs]


def multiply_adds(layers: list[Layer], examples: int = 1, batches: int = 1) -> int:
    """Multiply-adds of a forward pass over some examples, in so many batches."""
    return sum(layer.multiply_adds * (examples if layer.grows else batches) for layer in layers)


def outputs(layers: list[Layer], examples: int) -> int:
    """How many numbers all layers put out for a batch."""
    return sum(math.prod(layer.shape) * (examples if layer.grows else 1) for layer in layers)


def _recorder(name: str, layers: list[Layer]) -> Any:
    def record(module: nn.Module, arguments: Any, output: Any) -> None:
        out = output[0] if isinstance(output, tuple) else output
        if not isinstance(out, Tensor) or isinstance(output, Sparse):
            return
        count = sum(p.numel() for p in module.parameters())
        layers.append(Layer(name, type(module).__name__, tuple(out.shape), count, _work(module, out)))

    return record


def _work(module: nn.Module, output: Tensor) -> int:
    """Multiply-adds: every weight is used once at every position of the output; a table is only looked up in."""
    if isinstance(module, nn.Embedding):
        return 0
    weights = sum(p.numel() for p in module.parameters() if p.dim() > 1)
    channels = output.shape[1] if isinstance(module, _CHANNELS_FIRST) else output.shape[-1]
    return weights * math.prod(output.shape) // max(1, channels)
