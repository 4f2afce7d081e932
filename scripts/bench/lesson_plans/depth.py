"""What it takes to train many layers, read off the gradients of the first and the last, through the command line."""

import json
from collections.abc import Callable
from pathlib import Path

from training import Row, fitted

LAYERS = 20
DEEP = (f"model.hidden={[32] * LAYERS}", "model.dropout=0", "trainer.gradient_norms=true", "trainer.length=20 epochs")
SMALL = 'init=[{type: normal, deviation: 0.1, match: "linear.weight$"}]'
HE = 'init=[{type: he_normal, match: "linear.weight$"}]'


def vanishing_gradients() -> list[Row]:
    """The gradient of the first layer is that of the last one times a factor for each layer between."""
    sigmoid = ("model.activation=sigmoid", SMALL)
    return [
        _deep("sigmoid layers with small normal weights do not train", False, *sigmoid),
        _deep("relu layers with He's weights do", True, "model.activation=relu", HE),
        _deep(
            "sigmoid layers with small normal weights do with batch normalisation", True, *sigmoid, "model.norm=batch"
        ),
    ]


def _deep(what: str, trains: bool, *overrides: str) -> Row:
    with fitted("mlp_digits", *DEEP, *overrides) as summary:
        first_epoch = json.loads((Path(summary["run"]) / "metrics.jsonl").read_text().splitlines()[0])["train"]
        first, last = (first_epoch[f"grad_norm/{layer}"] for layer in ("body.layers.0.linear", "head"))
        error = summary["train"]["error_rate"]
    measured = f"gradient of the first over that of the last layer {first / last:.1e}, training error {error:.1%}"
    holds = first / last > 0.1 and error < 0.1 if trains else first / last < 1e-3 and error > 0.8
    return f"{LAYERS} {what}", measured, holds


LESSONS: tuple[Callable[[], list[Row]], ...] = (vanishing_gradients,)
