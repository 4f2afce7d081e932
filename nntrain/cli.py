"""The commands: each parses, calls one function, and prints."""

import contextlib
import io
import json
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from nntrain.errors import RunError, UserError
from nntrain.garbage import not_looked_for
from nntrain.interruption import StopAtOnce, Terminated, early_requests_ignored, ended_in_order
from nntrain.invocation import command
from nntrain.printing import print_json, print_results, print_study, print_tables, results_apart, say

if TYPE_CHECKING:
    from nntrain.fit import Result
    from nntrain.parts import Parts
    from nntrain.request import Request
    from nntrain.terminal import ProgressBar
    from nntrain.trainer import Trainer

app = typer.Typer(
    help="Train neural networks from YAML configs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change.")]
SplitName = Annotated[Literal["dev", "test", "train"], typer.Option(help="Which part of the data.")]
AllowPlugins = Annotated[bool, typer.Option(help="Run the Python files that its config names.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
EnsembleBy = Annotated[
    Literal["average", "vote"] | None, typer.Option(help="Several models as one: their predictions together.")
]
AverageOf = Annotated[Literal["weights"] | None, typer.Option(help="Several models as one: the mean of their weights.")]


@app.command()
@early_requests_ignored()
def fit(
    config: Annotated[str | None, typer.Argument(help="A config file, or the name of a shipped one.")] = None,
    overrides: Overrides = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN|auto", help="Go on with a run, or with the newest unfinished one."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
    seeds: Annotated[int | None, typer.Option(min=2, help="Train so often, from other random weights.")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Train so often, tested on another part each time.")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Look at some steps: where their time goes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a network as CONFIG says."""
    with not_looked_for():
        from nntrain.fit import fit as train
        from nntrain.request import Request

    if config is not None and _is_override(config):  # `fit --resume RUN trainer.length="40 epochs"`
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
    raise typer.Exit(result.exit_status)


@app.command(name="eval")
def evaluate(
    checkpoints: Annotated[
        list[str],
        typer.Argument(
            metavar="CHECKPOINT ... KEY=VALUE",
            help="A checkpoint, or a run's folder (its best, else its last); several, or a study's folder, with "
            "--ensemble or --average. And settings to change.",
        ),
    ],
    split: SplitName = "dev",
    ensemble: EnsembleBy = None,
    average: AverageOf = None,
    allow_plugins: AllowPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Measure a trained model, or several as one."""
    with not_looked_for():
        from nntrain.members import Asked
        from nntrain.worth import worth

    overrides, places = _parted(checkpoints)
    if not places:
        raise UserError("eval needs a checkpoint, or a run's folder")
    with results_apart():
        found = worth(
            Asked([Path(place) for place in places], overrides, allow_plugins), _way(ensemble, average), split, say
        )
    if as_json:
        print_json(found.facts())
    else:
        print_tables(found.tables())


@app.command()
def predict(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint, or a run's folder (its best, else its last); a study's with --ensemble or --average."
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT ... KEY=VALUE", help="Files (- for standard input), and settings to change."),
    ] = None,
    split: Annotated[
        Literal["dev", "test", "train"] | None, typer.Option(help="A part of its own data instead of files.")
    ] = None,
    features: Annotated[str | None, typer.Option(metavar="LAYER", help="Write a layer's output instead.")] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A text that a language model goes on with.")
    ] = None,
    length: Annotated[int | None, typer.Option(min=1, help="So many tokens (200 where nothing is said).")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="Below 1 likelier tokens, above 1 odder ones; 0 the most likely.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="One of the k most likely tokens.")] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="One of the most likely that together reach this probability.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the tokens that are drawn.")] = None,
    ensemble: EnsembleBy = None,
    average: AverageOf = None,
    out: Annotated[Path | None, typer.Option(help="A .jsonl or .csv file instead of standard output.")] = None,
    allow_plugins: AllowPlugins = False,
) -> None:
    """Apply a trained model to files, or to its dev set: one JSON object a line for each example."""
    from nntrain import predict as predicting
    from nntrain.ensemble import as_one
    from nntrain.members import Asked
    from nntrain.question import Question, answer_and_given
    from nntrain.rows import write_json_lines, write_rows

    overrides, paths = _parted(inputs or ())
    drawing = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    given = {name: number for name, number in drawing.items() if number is not None}
    question = Question(paths, split, features, prompt or [], given)
    complaints: list[str] = []
    results = sys.stdout
    with results_apart():
        _, parts = as_one(Asked([checkpoint], overrides, allow_plugins), _way(ensemble, average), say)

        def complain(failure: str) -> None:
            complaints.append(failure)
            say(failure)

        rows = predicting.predict(parts, *answer_and_given(parts, question, complain), complain)
        if out is None:
            write_json_lines(rows, results)
        else:
            say(f"{write_rows(rows, out):,} rows in {out}")
    if complaints:
        raise typer.Exit(RunError.exit_status)


@app.command()
def check(
    configs: Annotated[list[str], typer.Argument(metavar="CONFIG ... KEY=VALUE", help="Configs and settings.")],
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 2 where there are alarms.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find everything that can be wrong with CONFIG, without training."""
    with not_looked_for():
        from nntrain.check import Report
        from nntrain.check import check as check_config
        from nntrain.preflight.finding import alarms
        from nntrain.request import document

    overrides, names = _parted(configs)
    if not names:
        raise UserError("check needs a config, such as configs/mlp_digits.yaml")
    reports: list[Report] = []
    errors = 0
    for name in names:
        try:
            with results_apart():
                reports.append(check_config(document(name, overrides, say), name, overrides))
        except UserError as error:
            say(f"{error.said_after}{error}")
            errors += 1
    if errors:
        raise typer.Exit(UserError.exit_status)
    if as_json:
        print_json(
            reports[0].facts
            if len(reports) == 1
            else {name: report.facts for name, report in zip(names, reports, strict=True)}
        )
    else:
        for name, report in zip(names, reports, strict=True):
            print_tables(report.tables())
            for finding in report.findings:
                print(finding.as_text(name, overrides))
    if strict and any(alarms(report.findings) for report in reports):
        raise typer.Exit(UserError.exit_status)


@app.command(name="data")
def look_at_data(
    data: Annotated[str, typer.Argument(help="A config file, the name of a shipped one, or a data set's name.")],
    overrides: Overrides = None,
    pictures: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw some of its images.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look into a data set: sizes, classes, ranges, lengths, examples."""
    from nntrain.look.pictures import write_grid
    from nntrain.look.report import look
    from nntrain.look.source import data_of

    with results_apart():
        name, made = data_of(data, overrides or [], say)
        report = look(name, made)
        if pictures is not None:
            write_grid(made, pictures)
    if as_json:
        print_json(report.facts)
        return
    print_tables(report.tables())
    if pictures is not None:
        print(f"images       {pictures}")


@app.command(name="list")
def list_components(
    kind: Annotated[str | None, typer.Argument(help="models, data, optimizers ...; all without it.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the components there are."""
    from nntrain.catalog import all_kinds, listing, listing_lines
    from nntrain.registry import Registry, kind_named

    found = listing(Registry(), [kind_named(kind)] if kind else all_kinds())
    if as_json:
        print_json(found)
    else:
        print(*listing_lines(found, shutil.get_terminal_size().columns), sep="\n")


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="A kind of component, such as model; or config.")],
    name: Annotated[str, typer.Argument(help="Its name; or a config file.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show a component's formula, settings, defaults and source; or a config with every default filled in,
    and where each setting comes from."""
    from nntrain.particulars import particulars, particulars_table, picture
    from nntrain.registry import Registry, kind_named

    if kind in ("config", "configs"):
        from nntrain.group_table import group_lines, groups_of
        from nntrain.plan import plan
        from nntrain.provenance import annotated
        from nntrain.request import document

        with results_apart():
            written = document(name, overrides or [], say)
            groups: list[list[str]] = []

            def note(parts: "Parts") -> None:
                groups.append(group_lines(groups_of(parts.model, parts.task.objectives, parts.optimizers)))

            plain = plan(written, note).plain
        if as_json:
            print_json(plain)
        else:
            print(annotated(written, plain), end="")
            for stage, lines in enumerate(groups):
                where = f"stages.{stage}, " if len(groups) > 1 else ""
                for line in lines:
                    print(f"# {where}{line}")
        return
    if overrides:
        raise UserError(f"'{overrides[0]}': only a config can be shown with other settings")
    found = particulars(Registry(), kind_named(kind), name)
    if as_json:
        print_json(found)
        return
    print(f"{found['kind']} {found['name']}\n\n{found['description']}\n")
    if found["settings"]:
        print_tables([particulars_table(found)])
    drawn = picture(Registry(), kind_named(kind), name)
    if drawn:
        print(f"\n{drawn}")
    print(f"\nin {found['file']}")


@app.command(name="verify-resume")
def verify_resume(
    config: Annotated[str, typer.Argument(help="A config file, or the name of a shipped one.")],
    overrides: Overrides = None,
    kills: Annotated[int, typer.Option(min=1, max=1000, help="How often the run is killed.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the moments at which it is killed.")] = 0,
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
        raise typer.Exit(RunError.exit_status)


@app.command()
def tune(
    config: Annotated[str, typer.Argument(help="A config file, or the name of a shipped one.")],
    overrides: Overrides = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="How long each way is timed.")] = 3.0,
    out: Annotated[
        Path | None, typer.Option(help="The config to write; CONFIG_tuned.yaml where nothing is said.")
    ] = None,
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


@app.command()
def replay(
    run: Annotated[Path, typer.Argument(help="The folder of a run that has diverged.")],
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


@app.command()
def schema(
    config: Annotated[str | None, typer.Argument(help="A config whose plug-ins are to be included.")] = None,
) -> None:
    """Print the JSON Schema of configs, for editors: nntrain schema > nntrain.schema.json."""
    from nntrain.json_schema import config_schema
    from nntrain.registry import Registry
    from nntrain.request import document
    from nntrain.sections import registry_of

    with results_apart():
        registry = registry_of(document(config, [], say)) if config else Registry()
        found = config_schema(registry)
    print(json.dumps(found, indent=1, ensure_ascii=False))


@app.command()
def board(
    runs: Annotated[Path, typer.Argument(help="A run, or a folder of runs.")] = Path("runs"),
    port: Annotated[int, typer.Option(help="Where TensorBoard listens, on this machine only.")] = 6006,
) -> None:
    """Open TensorBoard on runs."""
    if not runs.is_dir():
        raise UserError(f"there is no folder {runs}; give a run's folder, or the one that holds runs")
    arguments = ["--logdir", str(runs), "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "tensorboard.main", *arguments])


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


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those that are KEY=VALUE, and the others."""
    overrides = [word for word in words if _is_override(word)]
    return overrides, [word for word in words if word not in overrides]


def _is_override(word: str) -> bool:
    """Whether a word is KEY=VALUE rather than a config or a run, whose path may hold a = too."""
    return "=" in word and not os.path.exists(word)  # which takes words that are too long for a path


def _way(ensemble: str | None, average: str | None) -> str | None:
    """How several models are made one, as it is typed; None for one model."""
    if ensemble and average:
        raise UserError("--ensemble and --average are two ways to make several models one; take one of them")
    return f"--ensemble {ensemble}" if ensemble else f"--average {average}" if average else None


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
