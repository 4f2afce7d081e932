"""One training run, from a config to its summary."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nntrain.batch_size import filled_in, found_size
from nntrain.config import dump
from nntrain.course import Course, Show, say_failure
from nntrain.errors import RunError, UserError
from nntrain.garbage import not_looked_for
from nntrain.interruption import Interruption
from nntrain.invocation import command_line
from nntrain.lock import Lock
from nntrain.parts import Parts
from nntrain.plan import plan
from nntrain.preflight.finding import alarms, remarks
from nntrain.preflight.run import preflight
from nntrain.profiler import profiler_of
from nntrain.request import Request, Say, document
from nntrain.resumption import resumed, unfinished
from nntrain.run import Run, check_room, describe_environment
from nntrain.sections import code_of
from nntrain.state import bytes_of
from nntrain.trainer import Trainer


@dataclass(frozen=True)
class Result:
    """How a run ended; `better` says whether the metric that it is judged by is to be lower or higher."""

    summary: dict[str, Any]
    exit_status: int
    better: str = "lower"


def fit(request: Request, say: Say, show: Show) -> Result:
    """Trains as requested; `say` tells the user what is to be known, `show` makes the progress display."""
    with ExitStack() as held:
        with not_looked_for():
            course = _prepare(request, say, held)
        with Interruption() as interruption:
            summary = course.train(show, interruption)
        try:
            Run(Path(summary["run"])).write_summary(summary)
        except OSError as error:
            raise RunError(say_failure(error)) from error
        advice = course.advice()
    if advice:
        say(advice)
    failed = dict.fromkeys(("diverged", "failed"), RunError.exit_status)
    exit_status = {**failed, "interrupted": interruption.exit_status}.get(summary["status"], 0)
    return Result(summary, exit_status, course.better)


def _prepare(request: Request, say: Say, held: ExitStack) -> Course:
    """A new run, or one to go on with, whose lock is `held`; nothing is written where the request is wrong."""
    if request.resume is not None and request.resume != "auto":
        return resumed(Run.open(Path(request.resume)), request, say, held)
    if request.config is None:
        raise UserError("fit needs a config, such as configs/mlp_digits.yaml, or --resume RUN")
    wanted = document(request.config, request.overrides, say)
    if request.resume == "auto":
        run = unfinished(request.out / str(wanted.data["name"]), wanted)
        if run is not None:
            return resumed(run, replace(request, config=None, overrides=()), say, held)
        say("no unfinished run of this config; starting one")
    wanted = filled_in(wanted, found_size(wanted, say))
    found: list[str] = []
    stages = plan(wanted, lambda parts: found.extend(_preflight(parts, request)))
    for message in (*found, *code_of(stages.plain["plugins"])):
        say(message)
    parts = stages.parts(0)
    check_room(request.out, bytes_of(parts), parts.settings.keep + 1)  # those kept, and one that is being written
    environment = describe_environment(parts.device, parts.seed, parts.data.describe())
    folder = request.folder or parts.plain["name"]
    run = Run.create(request.out, folder, dump(stages.plain), environment, request.label)
    held.enter_context(Lock(run.path, say))
    return Course(stages, Trainer(parts, run, None, profiler=profiler_of(request.profile, run.path)))


def _preflight(parts: Parts, request: Request) -> Iterator[str]:
    """The alarms before the first step, and how many remarks there are; a rule that fails stops no run."""
    if not parts.settings.preflight:
        return
    config = request.config or ""
    try:
        found = preflight(parts, with_fitting=False)
    except UserError:  # what fails is the network, not a rule
        raise
    except Exception as error:
        if os.environ.get("NNTRAIN_DEBUG") == "1":
            raise
        yield f"the look for faults failed ({say_failure(error)}); trainer.preflight=false leaves it out"
        return
    for alarm in alarms(found):
        yield alarm.as_text(config, request.overrides)
    count = len(remarks(found))
    if count:
        command = command_line("check", config, request.overrides)
        yield f"{count} remark{'s' if count > 1 else ''}; to read: {command}"
