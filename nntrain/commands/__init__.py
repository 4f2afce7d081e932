"""The commands: each parses, calls one function, and prints; here what several of them take."""

import os
from collections.abc import Sequence
from typing import Annotated

from typer import Argument, Option

Config = Annotated[str, Argument(help="A config file, or the name of a shipped one.")]
Overrides = Annotated[list[str] | None, Argument(metavar="KEY=VALUE", help="Settings to change.")]
AsJson = Annotated[bool, Option("--json", help="Print one JSON object on standard output.")]


def parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those that are KEY=VALUE, and the others."""
    overrides = [word for word in words if is_override(word)]
    return overrides, [word for word in words if word not in overrides]


def is_override(word: str) -> bool:
    """Whether a word is KEY=VALUE rather than a config or a run, whose path may hold a = too."""
    return "=" in word and not os.path.exists(word)  # which takes words that are too long for a path
