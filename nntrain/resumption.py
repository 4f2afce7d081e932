"""Going on with a run: its newest state, and what may be different now."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nntrain.batch_size import filled_in
from nntrain.checkpoint import Checkpoint
from nntrain.clock import Clock
from nntrain.config import Document, differences, dump, load, override
from nntrain.course import Course
from nntrain.errors import UnfitError, UserError
from nntrain.lock import Lock
from nntrain.out_of_memory import is_out_of_memory
from nntrain.parts import Parts
from nntrain.plan import ALL, Plan, plan
from nntrain.profiler import Profiler, profiler_of
from nntrain.reader import Reader
from nntrain.request import Request, Say, document
from nntrain.run import ENDED, Run
from nntrain.sections import code_of, read, registry_of
from nntrain.stages import stages_of
from nntrain.state import position_of
from nntrain.trainer import Trainer

# What the position in a run, and what its dev set has not seen, depend on;
EXAMPLES = ("data", "trainer.accumulate")
# but not on where the data lies and how it is kept, nor on what is made of examples that are drawn.
FREE = r"data\.(root|path|images|labels|graph|nodes|edges|test|keep|broken|augment|mix)\b"


def resumed(run: Run, request: Request, say: Say, held: ExitStack) -> Course:
    """A run with its newest state, whose lock is `held`; settings change only by overrides, which is said."""
    held.enter_context(Lock(run.path, say))
    run.check_writable()
    before = load(run.config)
    changed = override(load(run.config), request.overrides)
    for note in changed.notes:
        say(note)
    reached = run.checkpoints.stage()
    stages = plan(changed, reached=reached)
    if request.config is not None:
        _check_is_of(run, before, stages, document(request.config, request.overrides, lambda note: None))
    stored, complaints = run.checkpoints.newest()
    for complaint in complaints:
        say(complaint)
    stage = _stage_of(stored, stages, run)
    if stage != reached:
        stages = plan(changed, reached=stage)
    trainer = _restored(stages.parts(stage or 0), run, stored, profiler_of(request.profile, run.path))
    _check_goes_on(run, stored, trainer, stages)
    changes = _changes(before, stages.plain)
    if stored is not None:
        _check_same_examples(changes[trainer.parts.stage])
    for message in _news(run, stored, before, changes, stages, trainer):
        say(message)
    run.go_on(dump(stages.plain) if any(changes) else None)
    trainer.settle_best()
    return Course(stages, trainer)


def _check_is_of(run: Run, before: Document, stages: Plan, asked: Document) -> None:
    """UserError where a run is of another config than the one that is asked for."""
    others = differences(stages.plain, _asked(asked, before.data))
    if others:
        raise UserError(
            f"{asked.source} is not the config of {run.path}: {'; '.join(others)}; "
            "give changed settings as KEY=VALUE to go on with them"
        )


def _check_goes_on(run: Run, stored: Checkpoint | None, trainer: Trainer, stages: Plan) -> None:
    """UserError where there is nothing left to do."""
    is_last = trainer.parts.stage + 1 == len(stages)
    if run.is_finished() and stored is None:
        raise UserError(f"{run.path} is finished, but its last checkpoint is gone or damaged; start a new run instead")
    if run.is_finished() and trainer.ended() and is_last:
        raise UserError(f'{run.path} is finished; to go on, give it a longer trainer.length="... epochs", or patience')
    if trainer.step > trainer.parts.clock.total:
        raise UserError(f"{run.path} is at step {trainer.step} already, past trainer.length; give it a longer one")


def _check_same_examples(changes: Sequence[str]) -> None:
    """UserError where the position in the run, or what its dev set has not seen, would become another."""
    refused = [change for change in changes if change.startswith(EXAMPLES) and not re.match(FREE, change)]
    if refused:
        raise UserError(f"a run cannot go on with other examples or batches ({'; '.join(refused)}); start a new one")


def _news(
    run: Run,
    stored: Checkpoint | None,
    before: Document,
    changes: Sequence[Sequence[str]],
    stages: Plan,
    trainer: Trainer,
) -> Iterator[str]:
    """What the user is told before the run goes on."""
    yield from (f"changed: {change}" for change in _with_stages(changes))
    yield from code_of(stages.plain["plugins"])
    step = trainer.past.steps + trainer.step
    rate_before = _rate_before(before, trainer.parts)
    if changes[trainer.parts.stage] and rate_before:
        rates = [rate(trainer.step) * trainer.rate for rate in (rate_before, partial(_rate, trainer.parts))]
        yield f"the rate at step {step}: {{:.4g}} before, {{:.4g}} now".format(*rates)
    yield f"resuming {run.path} at step {step}" if stored else f"starting {run.path} again: it has no checkpoint"


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


def _with_stages(changes: Sequence[Sequence[str]]) -> Sequence[str]:
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


def unfinished(folder: Path, wanted: Document) -> Run | None:
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
