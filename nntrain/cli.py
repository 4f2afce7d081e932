"""The command line: what the commands are called, and what becomes of what goes wrong in them."""

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

import typer

from nntrain.commands import looking, trained, training
from nntrain.errors import RunError, UserError
from nntrain.interruption import StopAtOnce, Terminated, ended_in_order
from nntrain.printing import say

COMMANDS: dict[str, Callable[..., None]] = {
    "fit": training.fit,
    "eval": trained.evaluate,
    "predict": trained.predict,
    "check": looking.check,
    "data": looking.look_at_data,
    "list": looking.list_components,
    "show": looking.show,
    "verify-resume": training.verify_resume,
    "tune": training.tune,
    "replay": training.replay,
    "schema": looking.schema,
    "board": looking.board,
}

app = typer.Typer(
    help="Train neural networks from YAML configs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for name, function in COMMANDS.items():
    app.command(name)(function)


def main() -> None:
    """The command `nntrain`: turns what went wrong into one plain message and an exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every name of a file is text, nor every terminal UTF-8
    try:
        with ended_in_order():
            try:
                app()
            finally:
                sys.stdout.flush()
    except (UserError, RunError, StopAtOnce, Terminated) as error:
        _fail(error, f"{error.said_after}{error}", error.exit_status)
    except BrokenPipeError:
        _let_go_of_results()
        sys.exit(RunError.exit_status)
    except OSError as error:
        _let_go_of_results()
        where = f": {error.filename}" if error.filename else ""
        _fail(error, f"error: {error.strerror or error}{where}", RunError.exit_status)
    except Exception as error:
        _fail(error, f"internal error: {error!r}; NNTRAIN_DEBUG=1 shows where", RunError.exit_status)


def _let_go_of_results() -> None:
    """Lets what could not be written to standard output be forgotten, which Python would try again at its end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(error: BaseException, message: str, exit_status: int) -> NoReturn:
    if os.environ.get("NNTRAIN_DEBUG") == "1":
        traceback.print_exception(error)
    say(message)
    sys.exit(exit_status)
