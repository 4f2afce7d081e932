"""Files that need no more than the kind of the data to be read: pictures for images, tables for vectors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from nntrain.batch import IGNORED, Pair, Sequences
from nntrain.errors import UserError
from nntrain.specs import (
    Boxes,
    ClassAndBox,
    Image,
    Inputs,
    Instances,
    LabelSet,
    Mask,
    OneToMany,
    Pairs,
    Several,
    Targets,
    Tokens,
    Transcripts,
    Values,
    Vector,
)

# What reads files for targets of a kind, else for inputs: a module with read(inputs, paths) -> Iterator[Piece].
OF_TARGETS: dict[type, str] = {
    Boxes: "nntrain.data.whole_pictures",
    Instances: "nntrain.data.whole_pictures",
    Mask: "nntrain.data.mask_pictures",
}
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

    sources: where each comes from (file, row); failures: what could not be read, one sentence each; targets: where
    something is known of them, else placeholders are made
    """

    inputs: Any
    sources: Sequence[dict[str, Any]]
    failures: Sequence[str] = ()
    targets: Any = None


def read(inputs: Inputs, targets: Targets, paths: Sequence[str]) -> Iterator[Piece]:
    """The examples in files, piece by piece; UserError where no files hold such inputs."""
    reader = OF_TARGETS.get(type(targets)) or READERS.get(type(inputs))
    if reader is None:
        raise UserError(f"there is no way to read {inputs} from files; take --split")
    yield from import_module(reader).read(inputs, paths)


def targets_of(piece: Piece, targets: Targets, inputs: Any) -> Any:
    """What is known of the targets of examples from files, or placeholders."""
    return unknown(targets, inputs) if piece.targets is None else piece.targets


def unknown(targets: Targets, inputs: Any) -> Tensor:
    """Placeholders for the targets of examples that have none."""
    first = inputs if isinstance(inputs, Tensor) else inputs[0]
    if isinstance(targets, Mask):
        return torch.zeros(len(first), *first.shape[2:], dtype=torch.long)
    if isinstance(targets, Values | Several | ClassAndBox):
        return torch.zeros(len(first), targets.columns)
    if isinstance(targets, LabelSet | Transcripts):
        return torch.full((len(first), targets.columns), IGNORED)
    if targets.per_position and isinstance(inputs, Sequences | Pair):
        known = inputs.target if isinstance(inputs, Pair) else inputs
        labels, mask = torch.zeros(known.values.shape[:2], dtype=torch.long), known.mask()
        return labels if mask is None else labels.masked_fill(~mask, IGNORED)
    return torch.zeros(len(first), dtype=torch.long)
