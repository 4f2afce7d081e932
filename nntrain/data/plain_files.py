"""Files that need no more than the kind of inputs to be read: pictures for images, tables for vectors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from nntrain.batch import IGNORED, Pair, Sequences
from nntrain.errors import UserError
from nntrain.specs import (
    Image,
    Inputs,
    LabelSet,
    OneToMany,
    Pairs,
    Several,
    Targets,
    Tokens,
    Transcripts,
    Values,
    Vector,
)

# What reads files for inputs of a kind: a module with read(inputs, paths) -> Iterator[Piece].
READERS: dict[type, str] = {
    Image: "nntrain.data.image_files",
    Vector: "nntrain.data.vector_files",
    Tokens: "nntrain.data.symbols",
    Pairs: "nntrain.data.symbols",
    OneToMany: "nntrain.data.one_to_many",
}


@dataclass(frozen=True)
class Piece:
    """Some examples from files: inputs (n, ...) as ordinary numbers, None where there are none.

    sources: where each comes from (file, row); failures: what could not be read, one sentence each
    """

    inputs: Any
    sources: Sequence[dict[str, Any]]
    failures: Sequence[str] = ()


def read(inputs: Inputs, paths: Sequence[str]) -> Iterator[Piece]:
    """The examples in files, piece by piece; UserError where no files hold such inputs."""
    if type(inputs) not in READERS:
        raise UserError(f"there is no way to read {inputs} from files; take --split")
    module = import_module(READERS[type(inputs)])
    yield from module.read(inputs, paths)


def unknown(targets: Targets, inputs: Any) -> Tensor:
    """Placeholders for the targets of examples that have none."""
    first = inputs if isinstance(inputs, Tensor) else inputs[0]
    if isinstance(targets, Values | Several):
        return torch.zeros(len(first), targets.columns)
    if isinstance(targets, LabelSet | Transcripts):
        return torch.full((len(first), targets.columns), IGNORED)
    if targets.per_position and isinstance(inputs, Sequences | Pair):
        known = inputs.target if isinstance(inputs, Pair) else inputs
        labels, mask = torch.zeros(known.values.shape[:2], dtype=torch.long), known.mask()
        return labels if mask is None else labels.masked_fill(~mask, IGNORED)
    return torch.zeros(len(first), dtype=torch.long)
