"""One training run, from a config to its summary."""

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nntrain.assemble import Parts, assemble
from nntrain.config import Document, differences, dump, find, load, override
from nntrain.errors import RunError, UserError
from nntrain.interruption import Interruption
from nntrain.invocation import command_line
from nntrain.meter import DivergedError
from nntrain.preflight.finding import alarms, remarks
from nntrain.preflight.run import preflight
from nntrain.run import Run, describe_environment
from nntrain.trainer import Display, Trainer

# What the position in a run, and what its dev set has not seen, depend on.
FIXED = (
    *("data.type", "data.split", "data.batch_size", "data.standardize", "data.sampler", "data.tokenizer"),
    "trainer.accumulate",
)
Say = Callable[[str], None]
Show = Callable[[Parts, Run, int], AbstractContextManager[Display]]


@dataclass(frozen=True)
class Request:
    """What the user asks of `fit`; the run is `out/folder/label`, by default the config's name, date and time."""

    config: str | None
    overrides: Sequence[str]
    out: Path
    resume: str | None = None
    folder: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Result:
    """How a run ended; `better` says whether the metric that it is judged by is to be lower or higher."""

    summary: dict[str, Any]
    exit_status: int
    better: str = "lower"


def fit(request: Request, say: Say, show: Show) -> Result:
    """Trains as requested; `say` tells the user what is to be known, `show` makes the progress display."""
    trainer = _prepare(request, say)
    with Interruption() as interruption, show(trainer.parts, trainer.run, trainer.step) as display:
        status, reason = _train(trainer, display, interruption)
    summary = trainer.summary(status, reason)
    try:
        trainer.run.write_summary(summary)
    except OSError as error:
        raise RunError(_say_failure(error)) from error
    failed = dict.fromkeys(("diverged", "failed"), RunError.exit_status)
    watch = trainer.curves.watch
    exit_status = {**failed, "interrupted": interruption.exit_status}.get(status, 0)
    return Result(summary, exit_status, watch.better if watch else "lower")


def _train(trainer: Trainer, display: Display, interruption: Interruption) -> tuple[str, str | None]:
    """Trains to the end, whatever it is: the run's status, and the reason where it did not simply finish."""
    try:
        try:
            status = trainer.train(display, interruption)
        finally:
            trainer.close()
    except DivergedError as error:
        return "diverged", str(error)
    except RunError as error:
        return "failed", str(error)
    except Exception as error:
        if os.environ.get("NNTRAIN_DEBUG") == "1":
            raise
        return "failed", _say_failure(error)
    if status == "interrupted":
        return status, "stopped by Ctrl-C" if interruption.signal == signal.SIGINT else "stopped by SIGTERM"
    return status, None


def _prepare(request: Request, say: Say) -> Trainer:
    """A new run, or one to go on with; nothing is written where the request is wrong."""
    if request.resume is not None and request.resume != "auto":
        return _resumed(Run.open(Path(request.resume)), request, say)
    if request.config is None:
        raise UserError("fit needs a config, such as configs/mlp_digits.yaml, or --resume RUN")
    wanted = document(request.config, request.overrides, say)
    if request.resume == "auto":
        run = _unfinished(request.out / str(wanted.data["name"]), wanted)
        if run is not None:
            return _resumed(run, Request(None, (), request.out), say)
        say("no unfinished run of this config; starting one")
    parts = assemble(wanted)
    for note in parts.taken_over:
        say(note)
    if parts.settings.preflight:
        for message in _preflight(parts, request):
            say(message)
    environment = describe_environment(parts.device.describe(), parts.seed)
    folder = request.folder or parts.plain["name"]
    run = Run.create(request.out, folder, dump(parts.plain), environment, request.label)
    return Trainer(parts, run, None)


def _preflight(parts: Parts, request: Request) -> Iterator[str]:
    """The alarms before the first step, and how many remarks there are; a rule that fails stops no run."""
    config = request.config or ""
    try:
        found = preflight(parts, with_fitting=False)
    except Exception as error:
        if os.environ.get("NNTRAIN_DEBUG") == "1":
            raise
        yield f"the look for faults failed ({_say_failure(error)}); trainer.preflight=false leaves it out"
        return
    for alarm in alarms(found):
        yield alarm.as_text(config, request.overrides)
    count = len(remarks(found))
    if count:
        command = command_line("check", config, request.overrides)
        yield f"{count} remark{'s' if count > 1 else ''}; to read: {command}"


def _resumed(run: Run, request: Request, say: Say) -> Trainer:
    """A run with its newest state; settings change only by overrides, and the changes are said."""
    before = load(run.config)
    rate_before = _rate_of(run) if request.overrides else None
    changed = override(load(run.config), request.overrides)
    for note in changed.notes:
        say(note)
    has_state = run.checkpoints.exist()
    parts = assemble(changed, goes_on=has_state)
    if request.config is not None:
        asked = assemble(document(request.config, request.overrides, lambda note: None), goes_on=True).plain
        others = differences(parts.plain, asked)
        if others:
            raise UserError(
                f"{request.config} is not the config of {run.path}: {'; '.join(others)}; "
                "give changed settings as KEY=VALUE to go on with them"
            )
    stored, complaints = run.checkpoints.newest()
    for complaint in complaints:
        say(complaint)
    if has_state and stored is None:
        parts = assemble(changed)
    trainer = Trainer(parts, run, stored)
    if run.is_finished() and stored is None:
        raise UserError(f"{run.path} is finished, but its last checkpoint is gone or damaged; start a new run instead")
    if run.is_finished() and trainer.ended():
        raise UserError(f'{run.path} is finished; to go on, give it a longer trainer.length="... epochs", or patience')
    if trainer.step > parts.clock.total:
        raise UserError(f"{run.path} is at step {trainer.step} already, past trainer.length; give it a longer one")
    changes = differences(before.data, parts.plain)
    fixed = [change for change in changes if change.startswith(FIXED)]
    if fixed and stored is not None:
        raise UserError(f"a run cannot go on with other examples or batches ({'; '.join(fixed)}); start a new one")
    for change in changes:
        say(f"changed: {change}")
    if changes and rate_before:
        rates = [rate(trainer.step) * trainer.curves.rate for rate in (rate_before, partial(_rate, parts))]
        before_and_now = "{:.4g} before, {:.4g} now".format(*rates)
        say(f"the rate at step {trainer.step}: {before_and_now}")
    say(f"resuming {run.path} at step {trainer.step}" if stored else f"starting {run.path} again: it has no checkpoint")
    run.go_on(dump(parts.plain) if changes else None)
    trainer.settle_best()
    return trainer


def _rate_of(run: Run) -> Callable[[int], float] | None:
    """The learning rate by step as the run's config has it; None where that no longer works here."""
    try:
        parts = assemble(load(run.config), goes_on=True)
    except UserError:
        return None
    return lambda step: _rate(parts, step)


def _rate(parts: Parts, step: int) -> float:
    """The first optimizer's learning rate after so many steps."""
    optimizer = next(iter(parts.optimizers.values()))
    return optimizer.rule.lr * parts.schedule(min(1.0, step / parts.clock.total))


def _unfinished(folder: Path, wanted: Document) -> Run | None:
    """The newest run of this config that has not ended."""
    paths = sorted((p.parent for p in folder.glob("*/config.yaml")), key=_started, reverse=True)
    runs = [run for path in paths if not (run := Run.open(path)).is_finished()]
    plain = assemble(wanted, goes_on=True).plain if runs else {}
    for run in runs:
        try:
            is_same = not differences(load(run.config).data, plain)
        except UserError:  # killed while it was written
            continue
        if is_same:
            return run
    return None


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


def _say_failure(error: Exception) -> str:
    """What went wrong in a run and what to do, in one sentence."""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"the run could not be written{where}: {error.strerror or error}; what was saved before is whole"
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return "out of memory; try a smaller data.batch_size, with trainer.accumulate for the same updates"
    return f"{type(error).__name__}: {text}; NNTRAIN_DEBUG=1 shows where"
