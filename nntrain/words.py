"""Types and values in words, for messages and tables."""

from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Len

from nntrain.annotations import entry, is_nested, item, metadata, options
from nntrain.schema import settings_of
from nntrain.settings import Choice, Parsed

_NAMES = {float: "a number", int: "a whole number", str: "text", bool: "true or false", type(None): "null"}
_BOUNDS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}


def describe(annotation: Any) -> str:
    """A type in words: "a number greater than 0", "one of relu, tanh", "a list, each a whole number"."""
    return " or ".join(dict.fromkeys(_describe_option(option) for option in options(annotation)))


def show(value: object) -> str:
    """A value as a user would write it, shortened."""
    if isinstance(value, str):
        text = repr(value)
    elif isinstance(value, bool):
        text = str(value).lower()
    elif value is None:
        text = "null"
    elif isinstance(value, dict):
        text = "settings (" + ", ".join(map(str, value)) + ")"
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def a(noun: str) -> str:
    """The noun with its article; `data` has none."""
    return noun if noun == "data" else f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _describe_option(option: Any) -> str:
    for kind in getattr(option, "__metadata__", ()):
        if isinstance(kind, Choice):
            return a(kind.kind)
        if isinstance(kind, Parsed):
            return kind.expected
    if item(option) is not None:
        return f"a list{_length(option)}, each {describe(item(option))}"
    if entry(option) is not None:
        return f"{describe(entry(option))} under each name"
    if get_origin(option) is Annotated:
        return f"{_describe_option(get_args(option)[0])} {_bounds(option)}".strip()
    if get_origin(option) is Literal:
        values = [str(v) for v in get_args(option)]
        return values[0] if len(values) == 1 else "one of " + ", ".join(values)
    if is_nested(option):
        return "settings (" + ", ".join(settings_of(option)) + ")"
    return _NAMES.get(option, str(option))


def _bounds(option: Any) -> str:
    found = ((_BOUNDS[name], getattr(m, name)) for m in option.__metadata__ for name in _BOUNDS if hasattr(m, name))
    return " and ".join(f"{word} {bound:g}" if isinstance(bound, float) else f"{word} {bound}" for word, bound in found)


def _length(option: Any) -> str:
    length = metadata(option, Len) or Len(0)
    if length.min_length == length.max_length:
        return f" of {length.max_length}"
    return f" of {length.min_length} or more" if length.min_length else ""
