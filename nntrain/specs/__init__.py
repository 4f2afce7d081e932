"""What data looks like: the kinds of inputs and targets, which models, losses and metrics declare to take.

A description travels in the checkpoint as JSON, so that a trained model can be used without its training data.
"""

from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from nntrain.specs.inputs import Graphs, Image, Inputs, Nodes, OneToMany, Pairs, Series, Tokens, Vector, Video
from nntrain.specs.objects import Boxes, Instances
from nntrain.specs.outputs import Box, Density, Embedding, Reconstruction, Samples, Written
from nntrain.specs.targets import ClassAndBox, Classes, LabelSet, Links, Mask, Several, Tags, Transcripts, Values

Located = Boxes | Instances  # targets that are the objects in a picture, as many as there are
Targets = Classes | LabelSet | Tags | Mask | Tokens | Transcripts | Values | Links | Several | ClassAndBox | Located
PerExample = Classes | LabelSet | Values | Several | ClassAndBox | Embedding  # what is put out once for each example
Headed = PerExample | Tags | Tokens  # what a head can be put on a body for
Outputs = Targets | Embedding | Reconstruction | Density | Samples  # what a task asks of a model
Labels = Classes | Tags | Mask | Tokens  # targets that are one of several names
_KINDS = (
    *(Vector, Image, Video, Series, Tokens, Pairs, OneToMany, Nodes, Graphs),
    *(Classes, LabelSet, Tags, Mask, Transcripts, Values, Links, Several, ClassAndBox, Boxes, Instances),
)
_TYPES: dict[str, Any] = {cls.__name__: cls for cls in _KINDS}
# Lengths, and what is known of the training set.
_MAY_DIFFER = {"length", "source_length", "target_length", "most", "mean", "deviation", "counts", "known"}

__all__ = [
    "Box", "Boxes", "ClassAndBox", "Classes", "Density", "Embedding", "Graphs", "Headed", "Image", "Inputs",
    "Instances", "LabelSet", "Labels", "Links", "Located", "Mask", "Nodes", "OneToMany", "Outputs", "Pairs",
    "PerExample", "Reconstruction", "Samples", "Series", "Several", "Tags", "Targets", "Tokens", "Transcripts",
    "Values", "Vector", "Video", "Written", "are_alike", "from_json", "to_json",
]  # fmt: skip


def are_alike(one: Inputs | Targets, other: Inputs | Targets) -> bool:
    """Whether a model made for one can be used on the other: the same but for what `_MAY_DIFFER` names."""
    return _essence(to_json(one)) == _essence(to_json(other))


def _essence(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _essence(inner) for key, inner in value.items() if key not in _MAY_DIFFER}
    return [_essence(inner) for inner in value] if isinstance(value, list) else value


def to_json(spec: Inputs | Targets) -> dict[str, Any]:
    return {"type": type(spec).__name__, **{field.name: _to_json(getattr(spec, field.name)) for field in fields(spec)}}


def _to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_json(entry) for entry in value]
    return to_json(value) if is_dataclass(value) else value  # type: ignore[arg-type]  # of Inputs | Targets


def from_json(plain: dict[str, Any]) -> Any:
    """The description that `to_json` wrote; KeyError, TypeError or ValueError for anything else."""
    values = {k: _from_json(v) for k, v in plain.items() if k != "type"}
    return _adapter(plain["type"]).validate_python(values)


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    """What checks the types of a description's fields."""
    return TypeAdapter(_TYPES[name])


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_from_json, value))
    return from_json(value) if isinstance(value, dict) else value
