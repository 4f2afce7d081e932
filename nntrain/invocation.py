"""How the user calls nntrain, for lines to copy."""

import os
import shlex
from collections.abc import Sequence


def command() -> str:
    """The program's name: scripts/nntrain says its own."""
    return shlex.quote(os.environ.get("NNTRAIN_COMMAND", "nntrain"))


def check_command(config: str, overrides: Sequence[str]) -> str:
    return f"{command()} check {shlex.join([config, *overrides])}"
