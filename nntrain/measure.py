"""What a trained model is worth: a checkpoint measured on a split."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nntrain.assemble import recall
from nntrain.checkpoint import Checkpoint, learned_of
from nntrain.checkpoints import load_from
from nntrain.config import Document, override
from nntrain.data import Split
from nntrain.errors import UnfitError, UserError
from nntrain.evaluate import Measured, evaluate
from nntrain.parts import Parts, Trained
from nntrain.sections import code_of
from nntrain.stages import stages_of
from nntrain.state import load_state, position_of


def trained(
    checkpoint: Path,
    overrides: Sequence[str],
    allow_plugins: bool,
    say: Callable[[str], None],
) -> tuple[Path, Trained]:
    """The parts of a checkpoint's config with its weights and its preparation of data, and the checkpoint's file.

    `say` tells the user what else is to be known.
    """
    path, stored = load_from(checkpoint, say)
    config = stored.facts.get("config")
    if not isinstance(config, dict):
        raise UserError(f"{path} holds no config, so it is not a trained model of nntrain")
    if config.get("plugins") and not allow_plugins:
        files = ", ".join(config["plugins"])
        raise UserError(f"{path} runs code of its own ({files}); add --allow-plugins if you trust it")
    document = override(Document(str(path), config), overrides)
    for note in (*document.notes, *code_of(document.data.get("plugins") or ())):
        say(note)
    of_stage, arithmetic = _stage_of(document, stored, path), stored.facts.get("multiply_adds", 0)
    parts = recall(of_stage, learned_of(stored), arithmetic, stored.model)
    load_state(parts.model, stored.model, path)
    return path, parts


def _stage_of(document: Document, stored: Checkpoint, path: Path) -> Document:
    """The config of the stage that a checkpoint is of."""
    stages, number = stages_of(document), position_of(stored, path)["stage"]
    if number >= len(stages):
        raise UserError(f"{path} is of stages.{number}, which the config has not; leave stages as they are")
    return stages[number]


@contextmanager
def refusals_of_data() -> Iterator[None]:
    """Within it, a setting of the data that does not fit is a UserError."""
    try:
        yield
    except UnfitError as error:
        raise UserError(f"{'.'.join(map(str, ('data', *error.path)))}: {error}") from None


def examples_of(parts: Parts | Trained, split: str) -> Split:
    """A split by name; UserError where the data has none."""
    with refusals_of_data():
        examples = parts.data.split(split)
    if examples is None:
        name = parts.plain["data"]["type"]
        raise UserError(f"{name} has no {split} set; set data.split.{split}, or take --split train")
    return examples


def measure(parts: Parts | Trained, split: str) -> Measured:
    """Measures a trained model on `train`, `dev` or `test`."""
    examples, task = examples_of(parts, split), parts.task
    return evaluate(parts.model, task, examples, parts.metrics, parts.device, task.details, is_thorough=True)
