"""What a trained model says of examples, one by one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import Batch, GraphNodes
from nntrain.data import Dataset, Given
from nntrain.data.text import Blocks
from nntrain.data.texts import TextSet
from nntrain.device import at_least_single
from nntrain.errors import RunError, UserError
from nntrain.measure import examples_of, refusals_of_data
from nntrain.parts import Trained
from nntrain.suggest import did_you_mean

Row = dict[str, Any]
Answer = Callable[[Batch], list[Row]]  # to a batch, a row for each example
Complain = Callable[[str], None]


def predict(parts: Trained, pieces: Iterable[Given], answer: Answer, complain: Complain) -> Iterator[Row]:
    """The answer for each example, after what says where it comes from.

    `complain` is told of batches that the model cannot take, such as a sequence that is too long for it.
    """
    parts.model.eval()
    for piece in pieces:
        sources = iter(piece.sources)
        for batch in piece.examples.in_order() if piece.examples is not None else ():
            some = list(islice(sources, batch.examples))
            try:
                with torch.inference_mode(), parts.device.precision():
                    rows = answer(batch)
            except RunError as error:
                complain(f"{_place(some[0])}: {error}")
                continue
            for source, row in zip(some, rows, strict=True):
                yield {**source, **row}


def judgement(parts: Trained) -> Answer:
    """What the task says of a batch."""

    return lambda batch: parts.task.respond(parts.model, batch)


def features(parts: Trained, layer: str) -> Answer:
    """What a layer puts out for each example of a batch, as a flat list of numbers."""
    module = parts.model.get_submodule(layer_named(parts.model, layer))

    def answer(batch: Batch) -> list[Row]:
        seen: list[Any] = []
        hook = module.register_forward_hook(lambda module, arguments, output: seen.append(output))
        try:
            parts.model(batch.inputs)
        finally:
            hook.remove()
        return [{"features": numbers.flatten().tolist()} for numbers in _by_example(seen, batch)]

    return answer


def of_split(parts: Trained, split: str) -> Given:
    """The examples of a split, in order."""
    examples = examples_of(parts, split)
    return Given(examples, [{"split": split, "example": number} for number in range(len(examples))])


def of_files(parts: Trained, paths: Sequence[str], prompts: Sequence[str], complain: Complain) -> Iterator[Given]:
    """The examples in files, piece by piece, and prompts; `complain` is told of each that cannot be read."""
    with refusals_of_data():
        yield from readable(chain(parts.data.given(paths), _prompted(parts.data, prompts)), complain)


def readable(pieces: Iterable[Given], complain: Complain) -> Iterator[Given]:
    """The pieces, while `complain` is told of what could not be read."""
    for piece in pieces:
        for failure in piece.failures:
            complain(failure)
        yield piece


def _prompted(data: Dataset, prompts: Sequence[str]) -> Iterator[Given]:
    for text in prompts:
        assert isinstance(data, Blocks | TextSet)
        yield from data.prompt(text)


def layer_named(model: nn.Module, layer: str) -> str:
    """The full name of a layer that is given by it or by its end; UserError where it is none or several."""
    names = [name for name, _ in model.named_modules() if name]
    found = [name for name in names if name == layer] or [name for name in names if name.endswith(f".{layer}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"several layers are called '{layer}': {', '.join(found)}")
    raise UserError(f"no layer is called '{layer}'; {did_you_mean(layer, names)}")


def _place(source: Mapping[str, Any]) -> str:
    """Where an example stands, in words."""
    return f"{source['file']}:{source['row']}" if "row" in source else " ".join(map(str, source.values()))


def _by_example(seen: list[Any], batch: Batch) -> Tensor:
    """The layer's one output (examples, ...), of a graph's nodes those chosen; UserError where it is something else."""
    outputs = [output[0] if isinstance(output, tuple) else output for output in seen]
    if len(outputs) == 1 and isinstance(batch.inputs, GraphNodes) and len(outputs[0]) == batch.inputs.nodes:
        return at_least_single(outputs[0].index_select(0, batch.inputs.chosen))
    if len(outputs) != 1 or not isinstance(outputs[0], Tensor) or len(outputs[0]) != batch.examples:
        raise UserError("this layer does not put out one tensor with a row for each example; take another")
    return at_least_single(outputs[0])
