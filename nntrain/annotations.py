"""Taking annotations of settings apart."""

from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from nntrain.settings import Choice, Parsed

T = TypeVar("T")


def options(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of `A | B`, or the annotation itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def metadata(annotation: Any, kind: type[T]) -> T | None:
    """The metadata of this kind of an `Annotated` type."""
    return next((m for m in getattr(annotation, "__metadata__", ()) if isinstance(m, kind)), None)


def item(annotation: Any) -> Any:
    """What the entries of a list are; None where the annotation is no list."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_args(annotation)[0] if get_origin(annotation) is list else None


def entry(annotation: Any) -> Any:
    """What the values of a mapping from names are; None where the annotation is no mapping."""
    return get_args(annotation)[1] if get_origin(annotation) is dict else None


def is_nested(option: Any) -> bool:
    """Whether a type is read by nntrain rather than by pydantic: components, sections, durations, several of such."""
    inside = item(option) or entry(option)
    if inside is not None:
        return any(is_nested(inner) for inner in options(inside))
    return (
        metadata(option, Choice) is not None
        or metadata(option, Parsed) is not None
        or getattr(option, "is_section", False)
    )
