"""Hessian-free in 50 updates against plain gradient descent in 5000, on the deep autoencoder of curves."""

import math
import os
import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from nntrain.batch import Batch
from nntrain.data.curves import curves
from nntrain.device import Device
from nntrain.loss import Loss, Objective, Term
from nntrain.optimizers import Optimizer, Rule
from nntrain.optimizers.hessian_free import HessianFree
from nntrain.optimizers.sgd import SGD
from nntrain.update import Update

TABLE = Path(__file__).with_name("second_order.md")
IMAGES, SIDE = 200, 14
SIZES = (SIDE * SIDE, 100, 50, 25, 6, 25, 50, 100, SIDE * SIDE)  # the code of 6 units is linear, the rest sigmoid
INCOMING = 15  # non-zero weights into a unit at the start
RATES = (0.03, 0.1, 0.3, 0.5, 1.0)
UPDATES = {"hessian_free": 50, "sgd": 5000}


def autoencoder() -> nn.Sequential:
    """With Martens' sparse initialisation: so many incoming weights from N(0, 1), all others and the biases 0."""
    generator = torch.Generator().manual_seed(1)
    net = nn.Sequential()
    for inputs, outputs in pairwise(SIZES):
        layer = nn.Linear(inputs, outputs)
        chosen = torch.rand(outputs, inputs, generator=generator).argsort(dim=1) < min(INCOMING, inputs)
        layer.weight.data = torch.randn(outputs, inputs, generator=generator) * chosen
        layer.bias.data.zero_()
        net.append(layer)
        if outputs not in (min(SIZES), SIZES[-1]):
            net.append(nn.Sigmoid())
    return net


CROSS_ENTROPY = Objective(
    "model",
    lambda model, batch: model(batch.inputs),
    lambda z, batch: Loss(loss=Term(F.binary_cross_entropy_with_logits(z, batch.targets, reduction="sum"))),
    lambda batch: {"loss": len(batch.targets)},
)


def losses(rule: Rule, updates: int) -> Iterator[float]:
    """The loss, in nats an image, before each update and after the last."""
    model, images = autoencoder(), curves(examples=IMAGES, side=SIDE).train.inputs.flatten(1)
    update = Update(model, [CROSS_ENTROPY], {"model": Optimizer(rule, model)}, [], Device("cpu"))
    for step in range(updates + 1):
        yield float(update(step, [Batch(images, images)], 1.0)["model"].objective)


def row(name: str, rule: Rule, updates: int) -> tuple[str, float]:
    began = time.monotonic()
    seen = list(losses(rule, updates))
    lowest = min(loss if math.isfinite(loss) else math.inf for loss in seen)
    cells = (
        name,
        f"{updates}",
        f"{seen[0]:.2f}",
        f"{seen[-1]:.2f}",
        f"{lowest:.2f}",
        f"{time.monotonic() - began:.0f}",
    )
    return "| " + " | ".join(cells) + " |", lowest


def main() -> None:
    images = curves(examples=IMAGES, side=SIDE).train.inputs.flatten(1)
    entropy = float(F.binary_cross_entropy(images, images, reduction="sum")) / IMAGES
    rules: dict[str, Rule] = {"hessian_free": HessianFree(), **{f"sgd, lr {rate:g}": SGD(lr=rate) for rate in RATES}}
    found = {name: row(name, rule, UPDATES[name.split(",")[0]]) for name, rule in rules.items()}
    reached, *others = (lowest for _, lowest in found.values())
    verdict = "went lower than" if reached < min(others) else "did not go lower than"
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    lines = (
        f"Written by `scripts/bench/second_order` on {machine}.\n",
        f"An autoencoder {'-'.join(map(str, SIZES))} of {IMAGES} made-up curves of {SIDE}x{SIDE} pixels, all in one",
        f"batch; cross-entropy in nats an image, which cannot fall below {entropy:.2f}.",
        f"Hessian-free {verdict} gradient descent at each of these constant rates (one network, one set of images).\n",
        "| optimizer | updates | loss at the start | at the end | lowest | seconds |",
        "| --- " + "| ---: " * 5 + "|",
        *(text for text, _ in found.values()),
    )
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
