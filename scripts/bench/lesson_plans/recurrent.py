"""What only networks with gates learn: to remember."""

from collections.abc import Callable

from training import Row, fitted, nntrain


def adding_problem() -> list[Row]:
    """The LSTM and the plain RNN on the adding problem, with equal data, units, optimizer and steps."""
    lstm, lstm_steps = _error_on_test()
    rnn, rnn_steps = _error_on_test("model={type: rnn, hidden: 64}")
    return [
        ("the LSTM learns the adding problem at 100 steps", _said(lstm, lstm_steps), lstm < 0.01),
        ("the plain RNN does not", _said(rnn, rnn_steps), rnn > 0.1 and rnn_steps == lstm_steps),
    ]


def _said(error: float, steps: int) -> str:
    return f"mean squared error {error:.4f} on test after {steps:,} steps (always saying 1: 0.1667)"


def _error_on_test(*overrides: str) -> tuple[float, int]:
    """The mean squared error of the best model of a run, and the run's steps."""
    with fitted("lstm_adding", *overrides) as summary:
        test = nntrain("eval", summary["run"], "--split", "test")
    return test["metrics"]["rmse"] ** 2, summary["steps"]


LESSONS: tuple[Callable[[], list[Row]], ...] = (adding_problem,)
