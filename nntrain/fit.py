"""One training run, from a config to its summary."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nntrain.assemble import Parts, assemble
from nntrain.config import Document, differences, dump, find, load, override
from nntrain.errors import RunError, UserError
from nntrain.interruption import Interruption
from nntrain.meter import DivergedError
from nntrain.run import Run, describe_environment
from nntrain.trainer import Display, Trainer

Say = Callable[[str], None]
Show = Callable[[Parts, Run, int], AbstractContextManager[Display]]


@dataclass(frozen=True)
class Request:
    """What the user asks of `fit`."""

    config: str | None
    overrides: Sequence[str]
    out: Path
    resume: str | None = None


@dataclass(frozen=True)
class Result:
    summary: dict[str, Any]
    exit_status: int


def fit(request: Request, say: Say, show: Show) -> Result:
    """Trains as requested; `say` tells the user what is to be known, `show` makes the progress display."""
    trainer = _prepare(request, say)
    run, parts = trainer.run, trainer.parts
    reason, exit_status = None, 0
    with Interruption() as interruption, show(parts, run, trainer.step) as display:
        try:
            status = trainer.train(display, interruption)
        except DivergedError as error:
            status, reason, exit_status = "diverged", str(error), RunError.exit_status
        except Exception as error:
            if os.environ.get("NNTRAIN_DEBUG") == "1":
                raise
            status, reason, exit_status = "failed", _say_failure(error), RunError.exit_status
        finally:
            trainer.close()
    if status == "interrupted":
        exit_status = interruption.exit_status
        reason = "stopped by Ctrl-C" if exit_status == 130 else "stopped by SIGTERM"
    summary = trainer.summary(status, reason)
    try:
        run.write_summary(summary)
    except OSError as error:
        raise RunError(_say_failure(error)) from error
    return Result(summary, exit_status)


def _prepare(request: Request, say: Say) -> Trainer:
    """A new run, or one to go on with; nothing is written where the request is wrong."""
    if request.resume is not None and request.resume != "auto":
        return _resumed(Run.open(Path(request.resume)), request, say)
    if request.config is None:
        raise UserError("fit needs a config, such as configs/mlp_digits.yaml, or --resume RUN")
    parts = assemble(document(request.config, request.overrides, say))
    if request.resume == "auto":
        run = _unfinished(request.out / parts.plain["name"], parts.plain)
        if run is not None:
            return _resumed(run, Request(None, (), request.out), say)
        say("no unfinished run of this config; starting one")
    environment = describe_environment(parts.device.describe(), parts.seed)
    return Trainer(parts, Run.create(request.out, parts.plain["name"], dump(parts.plain), environment), None)


def _resumed(run: Run, request: Request, say: Say) -> Trainer:
    """A run with its newest state; settings change only by overrides, and the changes are said."""
    before = load(run.config)
    parts_before = assemble(load(run.config)) if request.overrides else None
    changed = override(load(run.config), request.overrides)
    for note in changed.notes:
        say(note)
    parts = assemble(changed)
    if request.config is not None:
        asked = assemble(document(request.config, request.overrides, lambda note: None)).plain
        others = differences(parts.plain, asked)
        if others:
            raise UserError(
                f"{request.config} is not the config of {run.path}: {'; '.join(others)}; "
                "give changed settings as KEY=VALUE to go on with them"
            )
    stored, complaints = run.checkpoints.newest()
    for complaint in complaints:
        say(complaint)
    trainer = Trainer(parts, run, stored)
    if run.is_finished() and trainer.ended():
        raise UserError(f'{run.path} is finished; to go on, give it a longer trainer.length="... epochs", or patience')
    changes = differences(before.data, parts.plain)
    for change in changes:
        say(f"changed: {change}")
    if changes and parts_before:
        rates = (f"{_rate(p, trainer.step):.4g}" for p in (parts_before, parts))
        say(f"the rate at step {trainer.step}: {' before, '.join(rates)} now")
    say(f"resuming {run.path} at step {trainer.step}" if stored else f"starting {run.path} again: it has no checkpoint")
    run.go_on(dump(parts.plain) if changes else None)
    trainer.settle_best()
    return trainer


def _rate(parts: Parts, step: int) -> float:
    """The first optimizer's learning rate after so many steps."""
    optimizer = next(iter(parts.optimizers.values()))
    return optimizer.rule.lr * parts.schedule(min(1.0, step / parts.clock.total))


def _unfinished(folder: Path, plain: dict[str, Any]) -> Run | None:
    """The newest run of this config that has not ended."""
    paths = sorted((p for p in folder.glob("*") if (p / "config.yaml").is_file()), reverse=True)
    for path in paths:
        run = Run.open(path)
        try:
            is_same = not differences(load(run.config).data, plain)
        except UserError:  # killed while it was written
            continue
        if is_same and not run.is_finished():
            return run
    return None


def document(config: str, overrides: Sequence[str], say: Say) -> Document:
    loaded = load(find(config), overrides)
    loaded.data.setdefault("name", Path(config).stem)
    for note in loaded.notes:
        say(note)
    return loaded


def _say_failure(error: Exception) -> str:
    """What went wrong in a run and what to do, in one sentence."""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"the run could not be written{where}: {error.strerror or error}; the last checkpoint is whole"
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return "out of memory; try a smaller data.batch_size, with trainer.accumulate for the same updates"
    return f"{type(error).__name__}: {text}; NNTRAIN_DEBUG=1 shows where"
