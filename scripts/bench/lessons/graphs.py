"""What graph networks learn that others cannot, each claim measured.

Usage: NNTRAIN_DATA=FOLDER .venv/bin/python scripts/bench/lessons/graphs.py   (half a minute)
"""

import statistics
import sys
from typing import Any

from nntrain.assemble import Parts, assemble
from nntrain.document import Document
from nntrain.evaluate import evaluate

Row = tuple[str, str, bool]  # a claim, what was measured, and whether the claim holds
EPOCHS, SEEDS = 100, 3
MODELS: dict[str, dict[str, Any]] = {
    "gnn": {"type": "gnn", "layer": "gcn", "hidden": [16], "dropout": 0.5},
    "mlp": {"type": "mlp", "hidden": [16], "dropout": 0.5},
}


def neighbours_help() -> list[Row]:
    """A graph network beats a multilayer perceptron on the same nodes: citations say what words alone do not."""
    scores = {name: [accuracy(model, seed) for seed in range(SEEDS)] for name, model in MODELS.items()}
    means = {name: statistics.mean(values) for name, values in scores.items()}
    found = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
    claim = f"the GNN beats an MLP on the same nodes of Cora (test accuracy, {SEEDS} seeds)"
    return [(claim, found, means["gnn"] > means["mlp"] + 0.1)]


def accuracy(model: dict[str, Any], seed: int) -> float:
    """On the test nodes of Cora, after training on its 140 labelled nodes."""
    parts = trained({
        "name": "graphs",
        "seed": seed,
        "data": "cora",
        "model": model,
        "optimizer": {"type": "adam", "lr": 0.01},
        "regularizers": [{"type": "l2", "weight": 5e-4}],
        "trainer": {"length": f"{EPOCHS} epochs"},
    })  # fmt: skip
    test = parts.data.split("test")
    assert test is not None
    return evaluate(parts.model, parts.task, test, parts.metrics, parts.device).numbers["accuracy"]


def trained(config: dict[str, Any]) -> Parts:
    """The parts of a config after its training, without a run's records."""
    parts = assemble(Document("graphs", config))
    update = parts.update()
    batches = parts.data.train.stream(parts.order.updates(0, parts.device.torch))
    parts.model.train()
    for step in range(parts.clock.total):
        parts.device.seed(parts.seed, 1, 0, step)
        update(step, next(batches), parts.schedule(step / parts.clock.total))
    return parts


def main() -> int:
    rows = neighbours_help()
    for claim, measured, holds in rows:
        print(f"{'holds' if holds else 'FAILS'}: {claim}: {measured}")
    return 0 if all(holds for *_, holds in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
