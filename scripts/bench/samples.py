"""Trains the shipped models that make examples through the command line and measures what they make."""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.measure import trained
from nntrain.metrics.samples import RarestClass, Sureness

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_suffix(".md")
RING = {"samples": 10_000, "modes": 8, "radius": 2.0, "deviation": 0.02}  # as the data's defaults
NEAR = 3  # deviations from a mode's mean within which a sample is of it
FOUND = 0.01  # of the samples: a mode that has as many is found
DIGITS = 1000  # samples


def nntrain(*arguments: str) -> dict[str, Any]:
    """The JSON that a command prints."""
    command = [sys.executable, "-m", "nntrain", *arguments, "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)


def fitted(config: str, out: str, *overrides: str) -> Path:
    """A trained run's folder."""
    return Path(nntrain("fit", str(ROOT / "configs" / f"{config}.yaml"), *overrides, "--out", out)["run"])


def generator(run: Path) -> Any:
    """The parts of a run's last model, in eval mode, and generators at a known position."""
    _, parts = trained(run / "checkpoints" / "last.safetensors", [], False, lambda note: None)
    torch.manual_seed(0)
    parts.model.eval()
    return parts


def ring(seed: int, out: str) -> str:
    run = fitted("gan_ring", out, f"seed={seed}")
    with torch.inference_mode():
        made = generator(run).model.make(RING["samples"])
    angle = 2 * math.pi * torch.arange(RING["modes"]) / RING["modes"]
    distance, mode = torch.cdist(made, RING["radius"] * torch.stack((angle.cos(), angle.sin()), dim=1)).min(dim=1)
    near = mode[distance <= NEAR * RING["deviation"]]
    shares = torch.bincount(near, minlength=int(RING["modes"])) / len(made)
    found = int((shares >= FOUND).sum())
    return f"{found} of 8 | {shares.min():.3f} | {shares.sum():.2f}"


def digits(seed: int, out: str) -> str:
    run = fitted("gan_digits", out, f"seed={seed}")
    parts = generator(run)
    with torch.inference_mode():
        made = parts.model.make(DIGITS)
    sureness, rarest = (
        metric.value(metric.measure(made, made))
        for metric in (kind(parts.task.measured, classifier=classifier(out)) for kind in (Sureness, RarestClass))
    )
    train = images(parts, "train")
    (own, least), (others, least_of_others) = (nearest(some, train) for some in (made, images(parts, "test")))
    return f"{100 * sureness:.1f} | {100 * rarest:.1f} | {own:.2f}, {least:.2f} | {others:.2f}, {least_of_others:.2f}"


def drawn(seed: int, out: str) -> str:
    run = fitted("rnn_drawn_digits", out, f"seed={seed}")
    parts = generator(run)
    labels = torch.arange(10).repeat_interleave(DIGITS // 10)
    with torch.inference_mode():
        images = parts.task.drawn(parts.model, F.one_hot(labels).float(), parts.data.inputs.drawn)
        _, judge = trained(Path(classifier(out)), [], False, lambda note: None)
        logits = judge.model.eval()(images)
    right = (logits.argmax(dim=1) == labels).float().mean()
    sureness = logits.softmax(dim=1).amax(dim=1).mean()
    return f"{100 * right:.1f} | {100 * sureness:.1f}"


@cache
def classifier(out: str) -> str:
    """The folder of a run that is sure which digit is which."""
    return str(fitted("cnn_digits", out, "data.standardize=false"))


def images(parts: Any, split: str) -> Tensor:
    return torch.cat([batch.inputs for batch in parts.data.split(split).in_order()])


def nearest(some: Tensor, train: Tensor) -> tuple[float, float]:
    """How far the nearest training image is from images: in the median, and at least."""
    distance = torch.cdist(some.flatten(1), train.flatten(1)).amin(dim=1)
    return float(distance.median()), float(distance.min())


SECTIONS = {
    "ring": (
        ring,
        "A ring of 8 normal distributions: of 10,000 samples of the last model, those within 3 deviations of a mode "
        "are of it; a mode with 1 % of the samples is found.",
        "| modes found | least share of a mode (0.125 is even) | share of the samples near a mode |",
    ),
    "digits": (
        digits,
        "Handwritten digits, 1,000 samples of the last model: how sure a classifier is (configs/cnn_digits.yaml), the "
        "share of the class it finds least often, and how far the nearest training image is, in the median and at "
        "least, beside the same for test images.",
        "| sureness, % | rarest class, % | distance of samples | of test images |",
    ),
    "drawn": (
        drawn,
        "Handwritten digits drawn pixel by pixel from their label, 100 of each: how many the classifier takes for what "
        "they are to be, and how sure it is.",
        "| right, % | sureness, % |",
    ),
}


def section(name: str, seeds: int) -> str:
    measure, words, columns = SECTIONS[name]
    rows = []
    with tempfile.TemporaryDirectory() as out:
        for seed in range(seeds):
            rows.append(f"| {seed} | {measure(seed, out)} |")
            print(f"{name}: {rows[-1]}", file=sys.stderr)
    ruler = "|" + " ---: |" * columns.count("|")
    return "\n".join((f"## {name}", "", words, "", f"| seed {columns}", ruler, *rows))


def written() -> dict[str, str]:
    """The sections that the table has already, by name."""
    parts = TABLE.read_text(encoding="utf-8").split("## ")[1:] if TABLE.exists() else []
    return {part.partition("\n")[0]: f"## {part}".rstrip() for part in parts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; both where none is given")
    parser.add_argument("--seeds", type=int, default=5, help="train with the seeds 0 to N - 1 (default: 5)")
    asked = parser.parse_args()
    for name in asked.sections or SECTIONS:
        there = written() | {name: section(name, asked.seeds)}
        machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
        head = f"Written by `scripts/bench/samples` on {machine}."
        TABLE.write_text("\n\n".join((head, *(there[n] for n in SECTIONS if n in there))) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
