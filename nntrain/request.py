"""What the user asks to be trained."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nntrain.config import Document, find, load

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What the user asks of `fit`; the run is `out/folder/label`, by default the config's name, date and time.

    With `profile` some of its steps are looked at with torch's profiler.
    """

    config: str | None
    overrides: Sequence[str]
    out: Path
    resume: str | None = None
    folder: str | None = None
    label: str | None = None
    profile: bool = False


def document(config: str, overrides: Sequence[str], say: Say) -> Document:
    """A config by its path or shipped name, with its own name filled in; `say` tells what the overrides drop."""
    loaded = load(find(config), overrides)
    loaded.data.setdefault("name", Path(config).stem)
    for note in loaded.notes:
        say(note)
    return loaded
