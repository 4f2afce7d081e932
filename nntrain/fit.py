"""One training run, from a config to its summary."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nntrain.batch_size import filled_in, found_size
from nntrain.checkpoint import Checkpoint
from nntrain.clock import Clock
from nntrain.config import Document, differences, dump, find, load, override
from nntrain.course import Course, Show, say_failure
from nntrain.errors import RunError, UnfitError, UserError
from nntrain.garbage import not_looked_for
from nntrain.interruption import Interruption
from nntrain.invocation import command_line
from nntrain.lock import Lock
from nntrain.out_of_memory import is_out_of_memory
from nntrain.parts import Parts
from nntrain.plan import ALL, Plan, plan
from nntrain.preflight.finding import alarms, remarks
from nntrain.preflight.run import preflight
from nntrain.profiler import NoProfiler, Profiler, TorchProfiler
from nntrain.reader import Reader
from nntrain.run import ENDED, Run, check_room, describe_environment
from nntrain.sections import code_of, read, registry_of
from nntrain.stages import stages_of
from nntrain.state import bytes_of, position_of
from nntrain.trainer import Trainer

# What the position in a run, and what its dev set has not seen, depend on.
FIXED = (
    *(
        f"data.{name}"
        for name in ("type", "split", "batch_size", "standardize", "sampler", "tokenizer", "longest", "block")
    ),
    *(f"data.{name}" for name in ("target", "columns", "dev", "group", "time", "weight", "impute", "flag_missing")),
    "trainer.accumulate",
)
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
        return _resumed(Run.open(Path(request.resume)), request, say, held)
    if request.config is None:
        raise UserError("fit needs a config, such as configs/mlp_digits.yaml, or --resume RUN")
    wanted = document(request.config, request.overrides, say)
    if request.resume == "auto":
        run = _unfinished(request.out / str(wanted.data["name"]), wanted)
        if run is not None:
            return _resumed(run, replace(request, config=None, overrides=()), say, held)
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
    return Course(stages, Trainer(parts, run, None, profiler=_profiler(request, run)))


def _profiler(request: Request, run: Run) -> Profiler:
    return TorchProfiler(run.path) if request.profile else NoProfiler()


def _preflight(parts: Parts, request: Request) -> Iterator[str]:
    """The alarms before the first step, and how many remarks there are; a rule that fails stops no run."""
    if not parts.settings.preflight:
        return
    config = request.config or ""
    try:
        found = preflight(parts, with_fitting=False)
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


def _resumed(run: Run, request: Request, say: Say, held: ExitStack) -> Course:
    """A run with its newest state; settings change only by overrides, and the changes are said."""
    held.enter_context(Lock(run.path, say))
    run.check_writable()
    before = load(run.config)
    changed = override(load(run.config), request.overrides)
    for note in changed.notes:
        say(note)
    reached = run.checkpoints.stage()
    stages = plan(changed, reached=reached)
    if request.config is not None:
        asked = _asked(document(request.config, request.overrides, lambda note: None), before.data)
        others = differences(stages.plain, asked)
        if others:
            raise UserError(
                f"{request.config} is not the config of {run.path}: {'; '.join(others)}; "
                "give changed settings as KEY=VALUE to go on with them"
            )
    stored, complaints = run.checkpoints.newest()
    for complaint in complaints:
        say(complaint)
    stage = _stage_of(stored, stages, run)
    if stage != reached:
        stages = plan(changed, reached=stage)
    trainer = _restored(stages.parts(stage or 0), run, stored, _profiler(request, run))
    parts, is_last = trainer.parts, trainer.parts.stage + 1 == len(stages)
    if run.is_finished() and stored is None:
        raise UserError(f"{run.path} is finished, but its last checkpoint is gone or damaged; start a new run instead")
    if run.is_finished() and trainer.ended() and is_last:
        raise UserError(f'{run.path} is finished; to go on, give it a longer trainer.length="... epochs", or patience')
    if trainer.step > parts.clock.total:
        raise UserError(f"{run.path} is at step {trainer.step} already, past trainer.length; give it a longer one")
    changes = _changes(before, stages.plain)
    fixed = [change for change in changes[parts.stage] if change.startswith(FIXED)]
    if fixed and stored is not None:
        raise UserError(f"a run cannot go on with other examples or batches ({'; '.join(fixed)}); start a new one")
    for message in (*(f"changed: {change}" for change in _said(changes)), *code_of(stages.plain["plugins"])):
        say(message)
    rate_before = _rate_before(before, parts)
    if changes[parts.stage] and rate_before:
        rates = [rate(trainer.step) * trainer.rate for rate in (rate_before, partial(_rate, parts))]
        before_and_now = "{:.4g} before, {:.4g} now".format(*rates)
        say(f"the rate at step {trainer.past.steps + trainer.step}: {before_and_now}")
    place = f"at step {trainer.past.steps + trainer.step}"
    say(f"resuming {run.path} {place}" if stored else f"starting {run.path} again: it has no checkpoint")
    run.go_on(dump(stages.plain) if any(changes) else None)
    trainer.settle_best()
    return Course(stages, trainer)


def _restored(parts: Parts, run: Run, stored: Checkpoint | None, profiler: Profiler) -> Trainer:
    """The trainer with the state of a checkpoint; UserError where that is not what nntrain writes."""
    try:
        return Trainer(parts, run, stored, profiler=profiler)
    except (AttributeError, LookupError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        if stored is None or is_out_of_memory(error):
            raise
        raise UserError(f"{run.checkpoints.last} holds no state that a run can go on from: {error!r}") from error


def _stage_of(stored: Checkpoint | None, stages: Plan, run: Run) -> int | None:
    """The stage that a state is of; UserError where the config no longer has it."""
    number = None if stored is None else position_of(stored, run.checkpoints.last)["stage"]
    if number is not None and number >= len(stages):
        raise UserError(f"{run.path} is in stages.{number} already; the config may have more stages, but not fewer")
    return number


def _changes(before: Document, plain: dict[str, Any]) -> list[list[str]]:
    """What is different now, for each stage."""
    then, now = ([one.data for one in stages_of(whole)] for whole in (before, Document("", plain)))
    pairs = zip_longest(then, now)
    return [["added" if a is None else "left out"] if a is None or b is None else differences(a, b) for a, b in pairs]


def _said(changes: list[list[str]]) -> list[str]:
    """The changes with their stages, where there are several."""
    if len(changes) == 1:
        return changes[0]
    return [f"stages.{stage}.{change}" for stage, some in enumerate(changes) for change in some]


def _rate_before(before: Document, parts: Parts) -> Callable[[int], float] | None:
    """The learning rate by step as the run's config had it; None where that can no longer be read."""
    config = stages_of(before)[parts.stage]
    try:
        given, _, _ = read(Reader(registry_of(config), config.absolute), config)
        clock = Clock.of(given["trainer"].length, parts.clock.steps_per_epoch)
        chosen, schedule = given["optimizer"], given["scheduler"](clock)
        made = (chosen[next(iter(parts.optimizers))] if isinstance(chosen, dict) else chosen)()
    except (UserError, UnfitError, KeyError):
        return None
    return lambda step: made.rule.lr * schedule(min(1.0, step / clock.total))


def _rate(parts: Parts, step: int) -> float:
    """The first optimizer's learning rate after so many steps."""
    optimizer = next(iter(parts.optimizers.values()))
    return optimizer.rule.lr * parts.schedule(min(1.0, step / parts.clock.total))


def _unfinished(folder: Path, wanted: Document) -> Run | None:
    """The newest run of this config that has not ended."""
    paths = sorted((p.parent for p in folder.glob("*/config.yaml")), key=_started, reverse=True)
    runs = [run for path in paths if (run := Run.open(path)).summary_status() not in (*ENDED, "diverged")]
    asked: dict[str, dict[str, Any]] = {}  # by the size of batches, which may be one that was found
    for run in runs:
        try:
            config = load(run.config).data
        except UserError:  # killed while it was written
            continue
        size = str(config["data"].get("batch_size"))
        if size not in asked:
            asked[size] = _asked(wanted, config)
        if not differences(config, asked[size]):
            return run
    return None


def _asked(wanted: Document, config: dict[str, Any]) -> dict[str, Any]:
    """A config as a run of it, whose config is given, would have it."""
    return plan(filled_in(wanted, config["data"].get("batch_size")), reached=ALL).plain


def _started(path: Path) -> list[int]:
    """When a run was started, from its folder's name; of those of one second the numbered ones are later."""
    return [int(number) for number in re.findall(r"\d+", path.name)]


def document(config: str, overrides: Sequence[str], say: Say) -> Document:
    """A config by its path or shipped name, with its own name filled in; `say` tells what the overrides drop."""
    loaded = load(find(config), overrides)
    loaded.data.setdefault("name", Path(config).stem)
    for note in loaded.notes:
        say(note)
    return loaded
