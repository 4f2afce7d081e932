"""How lessons train: by the command line, or in this process where the networks are tiny."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nntrain.assemble import assemble
from nntrain.document import Document
from nntrain.evaluate import Numbers, evaluate
from nntrain.parts import Parts

CONFIGS = Path(__file__).parents[3] / "configs"
Row = tuple[str, str, bool]  # a claim, what was measured, and whether the claim holds


def nntrain(*arguments: str) -> dict[str, Any]:
    """The JSON that a command prints; its progress goes to this process's standard error."""
    command = [sys.executable, "-m", "nntrain", *arguments, "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


@contextmanager
def fitted(config: str, *overrides: str) -> Iterator[dict[str, Any]]:
    """The summary of a run of a shipped config, which is there as long as it is looked at."""
    with tempfile.TemporaryDirectory() as out:
        yield nntrain("fit", str(CONFIGS / f"{config}.yaml"), *overrides, "--out", out)


def trained(config: dict[str, Any]) -> Parts:
    """The parts of a run after its last step; nothing is written."""
    parts = assemble(Document("lesson", {"name": "lesson", **config}))
    update, total = parts.update(), parts.clock.total
    batches = parts.data.train.stream(parts.order.updates(0))
    parts.model.train()
    for step in range(total):
        parts.device.seed(parts.seed, 1, 0, step)
        update(step, next(batches), parts.schedule(step / total))
    return parts


def measured(parts: Parts, split: str = "dev") -> Numbers:
    examples = parts.data.split(split)
    assert examples is not None
    return evaluate(parts.model, parts.task, examples, parts.metrics, parts.device).numbers
