"""What a model is given: a batch of examples, and the inputs that are more than one tensor."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nntrain.sparse import Sparse

IGNORED = -100  # a label that neither loss nor metrics count (torch's default ignore_index): padding


class Sequences(NamedTuple):
    """Sequences padded at their end to one length.

    values: real numbers (batch, time, features) or token numbers (batch, time)
    lengths: how much of each is not padding (batch,); None where nothing is padded
    """

    values: Tensor
    lengths: Tensor | None = None

    def mask(self) -> Tensor | None:
        """True where there is no padding, (batch, time); None where nothing is padded."""
        if self.lengths is None:
            return None
        return torch.arange(self.values.shape[1], device=self.lengths.device) < self.lengths[:, None]


class Pair(NamedTuple):
    """Sequences, vectors or images and what they are turned into: the target up to each token to be predicted."""

    source: Any
    target: Sequences


class GraphNodes(NamedTuple):
    """Some nodes of one graph, which the model sees whole.

    features: of all nodes (nodes, features); edges: from row 0 to row 1 (2, edges), the same tensor in every
    batch; chosen: the nodes that are the examples (examples,)
    """

    features: Tensor | Sparse
    edges: Tensor
    chosen: Tensor

    @property
    def nodes(self) -> int:
        """How many nodes the graph has."""
        return len(self.features.starts) - 1 if isinstance(self.features, Sparse) else len(self.features)


class GraphBatch(NamedTuple):
    """Whole graphs, side by side.

    features: of all nodes (nodes, features); edges: from row 0 to row 1, numbered through (2, edges); sizes: how
    many nodes each graph has (graphs,)
    """

    features: Tensor
    edges: Tensor
    sizes: Tensor


class Objects(NamedTuple):
    """The objects in pictures, as many rows for each picture as the most have; rows without one stand anywhere.

    boxes: left, top, right and bottom edge in pixels, pixel i reaching from i to i + 1 (batch, most, 4)
    labels: the number of each one's class, IGNORED where there is none (batch, most)
    crowds: True for what stands for several that are not told apart: whether it is found does not count (batch, most)
    sizes: height and width that each picture had in its file (batch, 2)
    masks: True where each is seen (batch, most, height, width); None where that is not known
    """

    boxes: Tensor
    labels: Tensor
    crowds: Tensor
    sizes: Tensor
    masks: Tensor | None = None

    @property
    def are_there(self) -> Tensor:
        """True in the rows that hold an object, or a crowd (batch, most)."""
        return self.labels != IGNORED


class Detections(NamedTuple):
    """The objects that a model finds in pictures: as `Objects`, but with a score from 0 to 1, the highest first.

    scores: how sure the model is of each (batch, most); 0 in rows without one
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: Tensor | None = None

    @property
    def are_there(self) -> Tensor:
        """True in the rows that hold an object (batch, most)."""
        return self.labels != IGNORED


class Batch(NamedTuple):
    """Some examples, on the device: `inputs` is what a model's forward pass takes.

    targets: (batch, ...), or a named tuple of such
    weights: how much each example counts in losses (batch,); None where all count 1. Metrics count every example once.
    """

    inputs: Any
    targets: Any
    weights: Tensor | None = None

    @property
    def examples(self) -> int:
        return count(self.targets)

    def first(self, examples: int) -> "Batch":
        """The first of its examples, where inputs are by example."""
        return Batch(*(each(lambda part: part[:examples], whole) for whole in self))


def each(function: Callable[[Tensor], Tensor], inputs: Any) -> Any:
    """The function applied to every tensor of inputs that are one tensor or a named tuple of some."""
    if inputs is None or isinstance(inputs, Tensor):
        return None if inputs is None else function(inputs)
    return type(inputs)(*(each(function, part) for part in inputs))


def count(values: Any) -> int:
    """How many examples a tensor, or a named tuple of some, is of."""
    return len(values) if isinstance(values, Tensor) else count(values[0])


def lengths_of(inputs: Any) -> Tensor | None:
    """How long each sequence is (batch,), of pairs the source; None where nothing is padded."""
    if isinstance(inputs, Pair):
        return lengths_of(inputs.source)
    return inputs.lengths if isinstance(inputs, Sequences) else None


def dense(features: Tensor | Sparse) -> Tensor:
    """Features as one tensor, zeros and all."""
    return features.dense() if isinstance(features, Sparse) else features


def flat(inputs: Any) -> Tensor:
    """One row of numbers for each example (examples, features): of images all pixels, of a graph's nodes theirs."""
    if isinstance(inputs, GraphNodes):
        return dense(inputs.features).index_select(0, inputs.chosen)
    return inputs.flatten(1)


def tensors_in(batch: Any) -> list[Tensor]:
    """All tensors of a batch, or of several, in order."""
    if isinstance(batch, Tensor):
        return [batch]
    return list(chain.from_iterable(map(tensors_in, batch))) if isinstance(batch, tuple | list) else []


def with_tensors(batch: Any, tensors: Sequence[Tensor]) -> Any:
    """The same with other tensors in the same places."""
    rest = iter(tensors)

    def filled(part: Any) -> Any:
        if isinstance(part, Tensor):
            return next(rest)
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            return type(part)(*map(filled, part))
        return type(part)(map(filled, part)) if isinstance(part, tuple | list) else part

    return filled(batch)


def one_hot(labels: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """1 in the place of each label, 0 elsewhere (..., classes); torch's own looks at the labels, and waits for them."""
    return (labels.unsqueeze(-1) == torch.arange(classes, device=labels.device)).to(dtype)
