"""Whether two runs are the same in all but wall time, and the first thing in which they are not."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from nntrain.checkpoint import Checkpoint, load

# Wall time and what depends on it, and the run's own folder.
VOLATILE = (
    *("seconds", "examples_per_second", "data_wait", "profile"),
    *("captured", "compiled", "lengths", "run", "checkpoint"),
)
PARTS = ("train", "dev")


def first_difference(one: Path, other: Path) -> str | None:
    """In a few words, None where the runs are the same: checkpoints, metrics.jsonl, TensorBoard's points, summary."""
    return next(_differences(one, other), None)


def _differences(one: Path, other: Path) -> Iterator[str]:
    for name in ("last", "best"):
        files = [run / "checkpoints" / f"{name}.safetensors" for run in (one, other)]
        if files[0].exists() != files[1].exists():
            yield f"only one run has a checkpoint {name}"
        elif files[0].exists():
            yield from _between_checkpoints(name, *map(load, files))
    yield from _between_lines(records(one), records(other))
    for part in PARTS:
        yield from _between_curves(part, *(without_time(points(run, part)) for run in (one, other)))
    summaries = [without_time(json.loads((run / "summary.json").read_text())) for run in (one, other)]
    if summaries[0] != summaries[1]:
        yield f"the summary: {summaries[0]} and {summaries[1]}"


def _between_checkpoints(name: str, one: Checkpoint, other: Checkpoint) -> Iterator[str]:
    for tensor in sorted(one.tensors.keys() | other.tensors.keys()):
        if tensor not in one.tensors or tensor not in other.tensors:
            yield f"{name}: only one run has the tensor {tensor}"
        elif not _same_bits(one.tensors[tensor], other.tensors[tensor]):
            yield f"{name}: the bits of the tensor {tensor}"
    mine, theirs = without_time(one.facts), without_time(other.facts)
    if mine != theirs:
        facts = sorted(name for name in mine if mine[name] != theirs.get(name))
        yield f"{name}: {', '.join(facts) or 'what is known'}"


def _same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Equal type, shape and bits: NaN is like NaN, 0 not like -0."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(one.contiguous().view(-1).view(torch.uint8), other.contiguous().view(-1).view(torch.uint8))


def _between_lines(one: list[Any], other: list[Any]) -> Iterator[str]:
    for number, (a, b) in enumerate(zip(one, other, strict=False), start=1):
        if without_time(a) != without_time(b):
            yield f"line {number} of metrics.jsonl: {without_time(a)} and {without_time(b)}"
    if len(one) != len(other):
        yield f"metrics.jsonl: {len(one)} and {len(other)} lines"


def _between_curves(part: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for tag in sorted(one.keys() | other.keys()):
        if one.get(tag) != other.get(tag):
            yield f"the points of {tag} in TensorBoard's {part} curves"


def without_time(value: Any) -> Any:
    """JSON without the fields that hold wall time or name the run's folder."""
    if isinstance(value, dict):
        return {key: without_time(inner) for key, inner in value.items() if not _is_volatile(key)}
    return [without_time(inner) for inner in value] if isinstance(value, list) else value


def _is_volatile(key: str) -> bool:
    return key.removeprefix("by_epoch/") in VOLATILE


def records(run: Path) -> list[Any]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def points(run: Path, part: str) -> dict[str, list[tuple[int, float]]]:
    """The points of each tag of the `train` or `dev` curves, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(run / part), size_guidance={"scalars": 0})
    reader.Reload()
    return {tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
