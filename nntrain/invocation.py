"""How the user calls nntrain, for lines to copy."""

import os
import shlex
from collections.abc import Sequence


def command() -> str:
    """The program's name: scripts/nntrain says its own."""
    return shlex.quote(os.environ.get("NNTRAIN_COMMAND", "nntrain"))


def command_line(verb: str, config: str, overrides: Sequence[str], settings: Sequence[str] = ()) -> str:
    """A command on a config as the user has it, but with other settings."""
    changed = {setting.partition("=")[0] for setting in settings}
    kept = [override for override in overrides if override.partition("=")[0] not in changed]
    return f"{command()} {verb} {shlex.join([config, *kept, *settings])}"
