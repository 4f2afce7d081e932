"""The commands that use what was trained."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

from typer import Argument, Exit, Option

from nntrain.commands import AsJson, parted
from nntrain.errors import RunError, UserError
from nntrain.garbage import not_looked_for
from nntrain.printing import print_json, print_tables, results_apart, say

if TYPE_CHECKING:
    from nntrain.parts import Trained
    from nntrain.question import Question

Split = Literal["dev", "test", "train"]
PLACE = "A checkpoint, or a run's folder (its best, else its last); "
SEVERAL = f"{PLACE}several, or a study's folder, with --ensemble or --average. And settings to change."
FILES = "Files (- for standard input), and settings to change."
Ensemble = Annotated[
    Literal["average", "vote"] | None, Option(help="Several models as one: their predictions together.")
]
Average = Annotated[Literal["weights"] | None, Option(help="Several models as one: the mean of their weights.")]
AllowPlugins = Annotated[bool, Option(help="Run the Python files that its config names.")]
Prompts = Annotated[list[str] | None, Option(metavar="TEXT", help="A text that a language model goes on with.")]
Temperature = Annotated[
    float | None, Option(min=0, help="Below 1 likelier tokens, above 1 odder ones; 0 the most likely.")
]
TopP = Annotated[
    float | None, Option(min=0, max=1, help="One of the most likely that together reach this probability.")
]


def evaluate(
    checkpoints: Annotated[list[str], Argument(metavar="CHECKPOINT ... KEY=VALUE", help=SEVERAL)],
    split: Annotated[Split, Option(help="Which part of the data.")] = "dev",
    ensemble: Ensemble = None,
    average: Average = None,
    allow_plugins: AllowPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Measure a trained model, or several as one."""
    with not_looked_for():
        from nntrain.members import Asked
        from nntrain.worth import worth

    overrides, places = parted(checkpoints)
    if not places:
        raise UserError("eval needs a checkpoint, or a run's folder")
    asked = Asked([Path(place) for place in places], overrides, allow_plugins)
    with results_apart():
        found = worth(asked, _way(ensemble, average), split, say)
    if as_json:
        print_json(found.facts())
    else:
        print_tables(found.tables())


def predict(
    checkpoint: Annotated[Path, Argument(help=f"{PLACE}a study's with --ensemble or --average.")],
    inputs: Annotated[list[str] | None, Argument(metavar="INPUT ... KEY=VALUE", help=FILES)] = None,
    split: Annotated[Split | None, Option(help="A part of its own data instead of files.")] = None,
    features: Annotated[str | None, Option(metavar="LAYER", help="Write a layer's output instead.")] = None,
    prompt: Prompts = None,
    length: Annotated[int | None, Option(min=1, help="So many tokens (200 where nothing is said).")] = None,
    temperature: Temperature = None,
    top_k: Annotated[int | None, Option(min=1, help="One of the k most likely tokens.")] = None,
    top_p: TopP = None,
    seed: Annotated[int | None, Option(min=0, help="Of the tokens that are drawn.")] = None,
    ensemble: Ensemble = None,
    average: Average = None,
    out: Annotated[Path | None, Option(help="A .jsonl or .csv file instead of standard output.")] = None,
    allow_plugins: AllowPlugins = False,
) -> None:
    """Apply a trained model to files, or to its dev set: one JSON object a line for each example."""
    from nntrain.ensemble import as_one
    from nntrain.members import Asked
    from nntrain.question import Question

    overrides, paths = parted(inputs or ())
    drawing = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    given = {name: number for name, number in drawing.items() if number is not None}
    question = Question(paths, split, features, prompt or [], given)
    results = sys.stdout
    with results_apart():
        _, parts = as_one(Asked([checkpoint], overrides, allow_plugins), _way(ensemble, average), say)
        complaints = _answer(parts, question, out, results)
    if complaints:
        raise Exit(RunError.exit_status)


def _answer(parts: "Trained", question: "Question", out: Path | None, results: TextIO) -> list[str]:
    """Writes the answers; returns what could not be answered, which is said, too."""
    from nntrain.predict import predict
    from nntrain.question import answer_and_given
    from nntrain.rows import write_json_lines, write_rows

    complaints: list[str] = []

    def complain(failure: str) -> None:
        complaints.append(failure)
        say(failure)

    rows = predict(parts, *answer_and_given(parts, question, complain), complain)
    if out is None:
        write_json_lines(rows, results)
    else:
        say(f"{write_rows(rows, out):,} rows in {out}")
    return complaints


def _way(ensemble: str | None, average: str | None) -> str | None:
    """How several models are made one, as it is typed; None for one model."""
    if ensemble and average:
        raise UserError("--ensemble and --average are two ways to make several models one; take one of them")
    return f"--ensemble {ensemble}" if ensemble else f"--average {average}" if average else None
