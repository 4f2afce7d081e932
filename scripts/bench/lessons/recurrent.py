"""What only networks with gates learn: to remember. Run alone: python scripts/bench/lessons/recurrent.py"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONFIGS = Path(__file__).parents[3] / "configs"
Row = tuple[str, str, bool]  # the claim, what was measured, whether that bears it out


def adding_problem() -> list[Row]:
    """The LSTM and the plain RNN on the adding problem, with equal data, units, optimizer and steps."""
    lstm, lstm_steps = _error_on_test("lstm_adding.yaml")
    rnn, rnn_steps = _error_on_test("lstm_adding.yaml", "model={type: rnn, hidden: 64}")
    return [
        ("the LSTM learns the adding problem at 100 steps", _measured(lstm, lstm_steps), lstm < 0.01),
        ("the plain RNN does not", _measured(rnn, rnn_steps), rnn > 0.1 and rnn_steps == lstm_steps),
    ]


def _measured(error: float, steps: int) -> str:
    return f"mean squared error {error:.4f} on test after {steps:,} steps (always saying 1: 0.1667)"


def _error_on_test(config: str, *overrides: str) -> tuple[float, int]:
    """The mean squared error of the best model of a run, and the run's steps."""
    with tempfile.TemporaryDirectory() as out:
        fitted = _nntrain("fit", str(CONFIGS / config), *overrides, "--out", out)
        test = _nntrain("eval", fitted["run"], "--split", "test")
    return test["metrics"]["rmse"] ** 2, fitted["steps"]


def _nntrain(*arguments: str) -> dict[str, Any]:
    """The JSON that a command prints; its progress goes to this process's standard error."""
    command = [sys.executable, "-m", "nntrain", *arguments, "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


LESSONS: tuple[Callable[[], list[Row]], ...] = (adding_problem,)

if __name__ == "__main__":
    for lesson in LESSONS:
        for claim, measured, passed in lesson():
            print(f"{'yes' if passed else 'NO '}  {claim}: {measured}")
