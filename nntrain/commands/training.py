"""The commands that train."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from nntrain.commands import AsJson, Config, Overrides, is_override
from nntrain.errors import RunError, UserError
from nntrain.garbage import not_looked_for
from nntrain.interruption import early_requests_ignored
from nntrain.invocation import command
from nntrain.printing import print_json, print_results, print_study, print_tables, results_apart, say

if TYPE_CHECKING:
    from nntrain.fit import Result
    from nntrain.request import Request
    from nntrain.terminal import ProgressBar
    from nntrain.trainer import Trainer


@early_requests_ignored()
def fit(
    config: Annotated[str | None, Argument(help="A config file, or the name of a shipped one.")] = None,
    overrides: Overrides = None,
    resume: Annotated[
        str | None, Option(metavar="RUN|auto", help="Go on with a run, or with the newest unfinished one.")
    ] = None,
    out: Annotated[Path, Option(help="Where runs are kept.")] = Path("runs"),
    seeds: Annotated[int | None, Option(min=2, help="Train so often, from other random weights.")] = None,
    folds: Annotated[int | None, Option(min=2, help="Train so often, tested on another part each time.")] = None,
    profile: Annotated[bool, Option("--profile", help="Look at some steps: where their time goes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a network as CONFIG says."""
    with not_looked_for():
        from nntrain.fit import fit as train
        from nntrain.request import Request

    if config is not None and is_override(config):  # `fit --resume RUN trainer.length="40 epochs"`
        config, overrides = None, [str(config), *(overrides or [])]
    request = Request(config, overrides or [], out, resume, profile=profile)
    with results_apart():
        result = _study(request, seeds, folds) if seeds or folds else train(request, say, _progress)
    summary = result.summary
    if as_json:
        print_json(summary)
    elif "runs" in summary:
        print_study(summary)
    else:
        print_results(summary)
    if result.exit_status == RunError.exit_status:
        say(f"error: {summary['reason']}")
    elif result.exit_status:
        run = shlex.quote(summary["runs"][-1] if "runs" in summary else summary["run"])
        say(f"{summary['reason']}; the state is saved. To go on:\n  {command()} fit --resume {run}")
    raise Exit(result.exit_status)


def verify_resume(
    config: Config,
    overrides: Overrides = None,
    kills: Annotated[int, Option(min=1, max=1000, help="How often the run is killed.")] = 5,
    seed: Annotated[int, Option(help="Of the moments at which it is killed.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Prove that a killed run of CONFIG ends bit for bit like one that was not."""
    from nntrain.verify_resume import verify

    verdict = verify(config, overrides or [], kills, seed, say)
    if as_json:
        print_json(verdict.as_json())
    else:
        print_tables([verdict.table()])
        print("the same, bit for bit" if verdict.difference is None else f"they differ in {verdict.difference}")
    if verdict.difference is not None:
        raise Exit(RunError.exit_status)


def tune(
    config: Config,
    overrides: Overrides = None,
    seconds: Annotated[float, Option(min=0.1, max=600, help="How long each way is timed.")] = 3.0,
    out: Annotated[Path | None, Option(help="The config to write; CONFIG_tuned.yaml where nothing is said.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find the fastest settings of CONFIG on this machine, and write a config with them."""
    from nntrain.tune import tune as tuned

    with results_apart():
        found = tuned(config, overrides or [], seconds, out, say)
    if as_json:
        print_json(found.facts)
        return
    print_tables([found.table()])
    if found.out is None:
        print("the settings as they are are as fast as any; nothing is written")
    else:
        print(f"written to   {shlex.quote(str(found.out))}")
        print(f"to train     {command()} fit {shlex.quote(str(found.out))}")


def replay(
    run: Annotated[Path, Argument(help="The folder of a run that has diverged.")],
    as_json: AsJson = False,
) -> None:
    """Run the batch again whose loss or gradient was no longer finite, and show it layer by layer."""
    from nntrain.replay import replay_of
    from nntrain.run import Run

    with results_apart():
        kept, seen = replay_of(Run.open(run))
    if as_json:
        print_json({**kept, **seen.facts()})
        return
    print_tables([seen.table()])
    print(f"{kept['seen']} in step {kept['step'] + 1}")
    print(f"not finite   {f'first in {seen.first}' if seen.first else 'nothing, this time'}")
    print(f"examples     {' '.join(str(number) for batch in kept['examples'] for number in batch)}")


def _study(request: "Request", seeds: int | None, folds: int | None) -> "Result":
    from nntrain import study

    if seeds and folds:
        raise UserError("--seeds and --folds are two studies; take one of them")
    if seeds:
        return study.study(request, study.seeds(seeds), "seeds", say, _progress)
    return study.study(request, study.folds(folds or 0), "folds", say, _progress)


def _progress(trainer: "Trainer") -> "ProgressBar":
    from nntrain.terminal import ProgressBar

    parts = trainer.parts
    several = len(parts.config["stages"])
    stage = f" stage {parts.stage + 1} of {several} (stages.{parts.stage})" if several else ""
    for note in trainer.notes:
        say(note)
    say(f"training{stage} in {trainer.run.path} on {parts.device.describe()}")
    return ProgressBar(parts.clock, trainer.step, trainer.past.steps)
