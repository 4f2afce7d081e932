"""Where each setting of a resolved config comes from: a line of a file, the command line, or a default."""

from collections.abc import Iterator
from typing import Any

from nntrain.document import COMMAND_LINE, Document
from nntrain.schema import Path
from nntrain.stages import stages_of
from nntrain.yaml_text import inline

WIDEST = 60  # a longer line does not push the comments of the others to the right


def annotated(document: Document, plain: dict[str, Any]) -> str:
    """The resolved config `plain` as YAML, each setting with a comment that says where it comes from."""
    written, resolved = stages_of(document), [stage.data for stage in stages_of(Document("", plain))]

    def from_where(path: Path) -> str:
        is_in_stage = path[0] == "stages" and len(path) > 2
        stage, inside = (int(path[1]), path[2:]) if is_in_stage else (0, path)
        return origin(written[stage], resolved[stage], inside)

    lines = [(text, from_where(path) if path else "") for text, path in _lines(plain, (), "")]
    width = max(len(text) for text, _ in lines if len(text) <= WIDEST) + 2
    return "\n".join(f"{text:{width}}# {comes_from}" if comes_from else text for text, comes_from in lines) + "\n"


def origin(document: Document, plain: dict[str, Any], path: Path) -> str:
    """`my.yaml:9`, `command line`, or `default of sgd`."""
    mark = document.values.get(path)
    if mark is None and path[-1] == "type":  # `model: lenet` is short for `model: {type: lenet}`
        mark = document.values.get(path[:-1])
    if mark is not None:
        return COMMAND_LINE if mark.source == COMMAND_LINE else f"{mark.source}:{mark.line}"
    if path == ("name",):
        return "the file's name"
    if path == ("task", "type"):
        return "inferred from the data"
    owner = _owner(plain, path[:-1] if path[-1] == "type" else path)
    return f"default of {owner}" if owner else "default"


def _owner(plain: dict[str, Any], path: Path) -> str:
    """The component that a setting belongs to, else its section; nothing for the sections themselves."""
    owner = ""
    here: Any = plain
    for key in path[:-1]:
        here = here[key]
        if isinstance(here, dict):
            owner = here.get("type") or (owner if isinstance(key, int) else str(key))  # an entry is its list's owner's
    return owner


def _lines(data: dict[str, Any], path: Path, indent: str) -> Iterator[tuple[str, Path | None]]:
    """Lines of YAML, each with the path of what it sets; None where it only begins a section."""
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:", None
            yield from _lines(value, here, indent + "  ")
        elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
            yield f"{indent}{key}:", None
            for i, entry in enumerate(value):
                lines = list(_lines(entry, (*here, i), f"{indent}    ")) or [("{}", None)]
                (first, path_of_first), *rest = lines
                yield f"{indent}  - {first.lstrip()}", path_of_first
                yield from rest
        else:
            yield f"{indent}{key}: {inline(value)}", here
