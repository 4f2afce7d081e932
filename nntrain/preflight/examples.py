"""The numbers in the inputs of a batch, whatever kind of data it is."""

from functools import singledispatch
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nntrain.batch import GraphBatch, GraphNodes, Sequences, flat


@singledispatch
def by_example(inputs: Any) -> Tensor | None:
    """Real numbers of each example (examples, ...), zero where there is padding; None for tokens and the like."""
    return None


@singledispatch
def by_feature(inputs: Any) -> Tensor | None:
    """Real numbers by feature or channel (times, features): pixels, steps without padding, nodes; None for tokens."""
    return None


@singledispatch
def fingerprints(inputs: Any) -> list[int]:
    """A number for each example that is the same for the same inputs; none where that cannot be said."""
    return []


@by_example.register
def _(inputs: Tensor) -> Tensor | None:
    return inputs if inputs.is_floating_point() else None


@by_feature.register
def _(inputs: Tensor) -> Tensor | None:
    if not inputs.is_floating_point() or inputs.dim() < 2:
        return None
    return inputs.movedim(1, -1).flatten(0, -2)


@fingerprints.register
def _(inputs: Tensor) -> list[int]:
    return [hash(row.tobytes()) for row in inputs.cpu().numpy()]


@by_example.register
def _(inputs: Sequences) -> Tensor | None:
    mask = inputs.mask()
    if not inputs.values.is_floating_point() or mask is None:
        return by_example(inputs.values)
    return inputs.values.masked_fill(~mask.unsqueeze(-1), 0.0)


@by_feature.register
def _(inputs: Sequences) -> Tensor | None:
    if not inputs.values.is_floating_point():
        return None
    mask = inputs.mask()
    return inputs.values.flatten(0, 1) if mask is None else inputs.values[mask]


@fingerprints.register
def _(inputs: Sequences) -> list[int]:
    if inputs.lengths is None:
        return fingerprints(inputs.values)
    rows = zip(inputs.values.cpu().numpy(), inputs.lengths.tolist(), strict=True)
    return [hash(row[:length].tobytes()) for row, length in rows]


@by_example.register
def _(inputs: GraphNodes) -> Tensor | None:
    return by_example(flat(inputs))


@by_feature.register
def _(inputs: GraphNodes) -> Tensor | None:
    return by_example(inputs)


@by_example.register
def _(inputs: GraphBatch) -> Tensor | None:
    """The features of each graph's nodes, with zeros for the nodes that smaller graphs lack."""
    if not inputs.features.is_floating_point():
        return None
    return pad_sequence(list(torch.split(inputs.features, inputs.sizes.tolist())), batch_first=True)


@by_feature.register
def _(inputs: GraphBatch) -> Tensor | None:
    return by_example(inputs.features)
