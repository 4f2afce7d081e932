"""What attention learns and a plain recurrent network does not: to find things by their place.

Run alone: .venv/bin/python scripts/bench/lessons/attention.py   (about a minute)
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.registry import model
from nntrain.settings import Count
from nntrain.specs import Tags, Tokens

CONFIG = Path(__file__).parents[3] / "configs" / "transformer_reversal.yaml"
HIDDEN = 280  # units with which the recurrent network has as many parameters as the transformer, to 0.2 %
RATES = (0.003, 0.001)
Row = tuple[str, str, bool]  # a claim, what was measured, and whether the claim holds


@model("recurrence")
class Recurrence(nn.Module):
    """h_t = tanh(W x_t + U h_{t-1} + b), torch's, upon embedded tokens."""

    def __init__(self, inputs: Tokens, targets: Tags, *, embedding: Count = 64, hidden: Count = HIDDEN) -> None:
        super().__init__()
        self.features = hidden
        self.embedding = nn.Embedding(len(inputs), embedding)
        self.rnn = nn.RNN(embedding, hidden, batch_first=True)

    def forward(self, x: Sequences) -> Tensor:
        return self.rnn(self.embedding(x.values))[0]


def reversal() -> list[Row]:
    """The transformer and a plain recurrent network of its size, with equal data and steps, at its best rate."""
    attention = trained()
    recurrent = [trained("model=recurrence", f"plugins=[{__file__}]", f"optimizer.lr={rate}") for rate in RATES]
    best = max(recurrent, key=exact)
    is_fair = best["steps"] == attention["steps"] and _size(best) > 0.99 * _size(attention)
    return [
        ("the transformer reverses 20 of 26 symbols exactly", said(attention), exact(attention) == 1),
        ("a plain RNN of its size stays under 50 %", said(best), is_fair and exact(best) < 0.5),
    ]


def trained(*overrides: str) -> dict[str, Any]:
    """The summary of a run; its progress goes to this process's standard error."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "nntrain", "fit", str(CONFIG), *overrides, "--out", out, "--json"]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def exact(summary: dict[str, Any]) -> float:
    return summary["dev"]["exact_match"]


def said(summary: dict[str, Any]) -> str:
    right = f"{exact(summary):.1%} of the dev set's sequences, {summary['dev']['accuracy']:.1%} of their symbols"
    return f"{right}, {_size(summary):,} parameters, {summary['steps']} steps"


def _size(summary: dict[str, Any]) -> int:
    return summary["model"]["parameters"]


LESSONS: tuple[Callable[[], list[Row]], ...] = (reversal,)

if __name__ == "__main__":
    for lesson in LESSONS:
        for claim, measured, holds in lesson():
            print(f"{'yes' if holds else 'NO '}  {claim}: {measured}")
