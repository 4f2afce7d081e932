"""Calls that may be refused, with the problems of the config that come of it."""

from collections.abc import Callable
from typing import Any, TypeVar

from nntrain.data.places import WithheldError
from nntrain.errors import MismatchError, UnfitError, UserError
from nntrain.out_of_memory import is_out_of_memory
from nntrain.reader import Reader
from nntrain.schema import Component, Path, Problem

T = TypeVar("T")


class Attempts:
    """Calls that may be refused: a refusal becomes a problem of the config, and the result None."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.giver = ""  # the data set, for messages

    def __call__(self, path: Path, function: Callable[..., T], *arguments: Any) -> T | None:
        try:
            return function(*arguments)
        except UnfitError as error:
            error.locate(path)
            message = error.given_by(self.giver) if isinstance(error, MismatchError) else str(error)
            self.reader.problems.append(Problem(error.path, message))
        except UserError as error:
            self.reader.problems.append(Problem(path, str(error)))
        except WithheldError:
            if not self.reader.problems:  # else those are to be mended before the set is worth a download
                raise
        except Exception as error:
            self.reader.problems.append(Problem(path, f"failed: {reason(error)}"))
        return None

    def make(self, component: Component | None, *arguments: Any) -> Any:
        """The component for these arguments; None also where the config has none that is right."""
        return None if component is None else self(component.path, component, *arguments)


def reason(error: Exception) -> str:
    """A model's own error in one line; its type where that is needed to understand it."""
    text = " ".join(str(error).split())
    if is_out_of_memory(error) or isinstance(error, OverflowError) or "overflow" in text:
        return "it needs more memory than this machine has"
    return text if isinstance(error, RuntimeError) else f"{type(error).__name__}: {text}"
