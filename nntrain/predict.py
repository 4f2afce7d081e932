"""What a trained model says of examples, one by one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.assemble import Trained
from nntrain.batch import Batch, GraphNodes
from nntrain.data import Given, Split
from nntrain.device import at_least_single
from nntrain.errors import UserError
from nntrain.measure import examples_of, refusals_of_data
from nntrain.suggest import did_you_mean

Row = dict[str, Any]


def predict(parts: Trained, pieces: Iterable[Given]) -> Iterator[Row]:
    """The task's answer for each example, after what says where it comes from."""
    for piece in pieces:
        yield from _joined(piece, _answers(parts, piece.examples))


def features(parts: Trained, pieces: Iterable[Given], layer: str) -> Iterator[Row]:
    """What a layer puts out for each example, as a flat list of numbers, after what says where it comes from."""
    module = parts.model.get_submodule(layer_named(parts.model, layer))
    for piece in pieces:
        yield from _joined(piece, _features(parts, piece.examples, module))


def of_split(parts: Trained, split: str) -> Given:
    """The examples of a split, in order."""
    examples = examples_of(parts, split)
    return Given(examples, [{"split": split, "example": number} for number in range(len(examples))])


def of_files(parts: Trained, paths: Sequence[str], complain: Callable[[str], None]) -> Iterator[Given]:
    """The examples in files, piece by piece; `complain` is told of each that cannot be read."""
    with refusals_of_data():
        for piece in parts.data.given(paths):
            for failure in piece.failures:
                complain(failure)
            yield piece


def layer_named(model: nn.Module, layer: str) -> str:
    """The full name of a layer that is given by it or by its end; UserError where it is none or several."""
    names = [name for name, _ in model.named_modules() if name]
    found = [name for name in names if name == layer] or [name for name in names if name.endswith(f".{layer}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"several layers are called '{layer}': {', '.join(found)}")
    raise UserError(f"no layer is called '{layer}'; {did_you_mean(layer, names)}")


def _joined(piece: Given, rows: Iterator[Row]) -> Iterator[Row]:
    for source, row in zip(piece.sources, rows, strict=True):
        yield {**source, **row}


def _answers(parts: Trained, examples: Split | None) -> Iterator[Row]:
    parts.model.eval()
    with torch.inference_mode():
        for batch in examples.in_order() if examples else ():
            with parts.device.precision():
                outcome = parts.task.evaluate(parts.model, batch)
            yield from parts.task.answers(outcome)


def _features(parts: Trained, examples: Split | None, layer: nn.Module) -> Iterator[Row]:
    seen: list[Any] = []
    hook = layer.register_forward_hook(lambda module, arguments, output: seen.append(output))
    parts.model.eval()
    try:
        with torch.inference_mode():
            for batch in examples.in_order() if examples else ():
                seen.clear()
                with parts.device.precision():
                    parts.model(batch.inputs)
                for numbers in _by_example(seen, batch):
                    yield {"features": numbers.flatten().tolist()}
    finally:
        hook.remove()


def _by_example(seen: list[Any], batch: Batch) -> Tensor:
    """The layer's one output (examples, ...), of a graph's nodes those chosen; UserError where it is something else."""
    outputs = [output[0] if isinstance(output, tuple) else output for output in seen]
    if len(outputs) == 1 and isinstance(batch.inputs, GraphNodes) and len(outputs[0]) == batch.inputs.nodes:
        return at_least_single(outputs[0].index_select(0, batch.inputs.chosen))
    if len(outputs) != 1 or not isinstance(outputs[0], Tensor) or len(outputs[0]) != len(batch.targets):
        raise UserError("this layer does not put out one tensor with a row for each example; take another")
    return at_least_single(outputs[0])
