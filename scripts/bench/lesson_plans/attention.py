"""What attention learns and a plain recurrent network does not: to find things by their place."""

from collections.abc import Callable
from typing import Any

from training import Row, fitted

RNN = "model={type: rnn, embedding: 64, hidden: 280}"  # as many parameters as the transformer, to 1 %
RATES = (0.003, 0.001)


def reversal() -> list[Row]:
    """The transformer and a plain recurrent network of its size, with equal data and steps, at its best rate."""
    attention = _summary()
    recurrent = max((_summary(RNN, f"optimizer.lr={rate}") for rate in RATES), key=_exact)
    is_fair = recurrent["steps"] == attention["steps"] and _size(recurrent) > 0.99 * _size(attention)
    return [
        ("the transformer reverses 20 of 26 symbols exactly", _said(attention), _exact(attention) == 1),
        ("a plain RNN of its size stays under 50 %", _said(recurrent), is_fair and _exact(recurrent) < 0.5),
    ]


def _summary(*overrides: str) -> dict[str, Any]:
    with fitted("transformer_reversal", *overrides) as summary:
        return summary


def _exact(summary: dict[str, Any]) -> float:
    return summary["dev"]["exact_match"]


def _said(summary: dict[str, Any]) -> str:
    right = f"{_exact(summary):.1%} of the dev set's sequences, {summary['dev']['accuracy']:.1%} of their symbols"
    return f"{right}, {_size(summary):,} parameters, {summary['steps']} steps"


def _size(summary: dict[str, Any]) -> int:
    return summary["model"]["parameters"]


LESSONS: tuple[Callable[[], list[Row]], ...] = (reversal,)
