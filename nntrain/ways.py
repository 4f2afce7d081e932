"""The ways to compute a config's steps that a machine has, as settings of the trainer."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch

from nntrain.capture.compiled import lacking
from nntrain.experiment import TrainerSettings
from nntrain.memory_format import has_images
from nntrain.parts import Parts

STEPS: tuple[Mapping[str, Any], ...] = (
    {"capture": "auto", "compile": False},
    {"capture": True, "compile": False},
    {"capture": "auto", "compile": True},
)
# What becomes of results; less exact where products are of shorter numbers.
BITS, ROUNDING, SHORTER = "same bits", "same to rounding", "less exact"


@dataclass(frozen=True)
class Way:
    """Settings below `trainer` that are other than the config's."""

    changes: Mapping[str, Any]

    def __str__(self) -> str:
        told = ", ".join(f"{name}={str(value).lower()}" for name, value in self.changes.items())
        return told or "as the config says"

    @property
    def results(self) -> str:
        """What becomes of a run's results."""
        if self.changes.get("precision") in ("bf16", "tf32"):
            return SHORTER
        return ROUNDING if self.changes.keys() & {"precision", "compile", "channels_last", "threads"} else BITS

    def with_threads(self, threads: int) -> "Way":
        return Way({**self.changes, "threads": threads})


def ways(parts: Parts) -> list[Way]:
    """Every combination of precision, memory format and kind of step that this machine has; the config's own first."""
    settings = parts.settings
    formats = (settings.channels_last, not settings.channels_last) if has_images(parts.model) else (False,)
    steps = [step for step in STEPS if not step["compile"] or not lacking(parts.device.torch)]
    found = [settings]
    for precision, channels_last, step in product(_precisions(parts), formats, steps):
        found.append(replace(settings, precision=precision, channels_last=channels_last, **step))
    return _unlike(found, settings)


def threads(parts: Parts) -> Iterator[int]:
    """1, 2, 4 ... CPU threads up to the cores, but for those that are used now; none on a GPU."""
    if parts.device.torch.type != "cpu":
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    numbers = {1 << power for power in range(cores.bit_length())} | {cores}
    yield from sorted(number for number in numbers if number <= cores and number != torch.get_num_threads())


def _precisions(parts: Parts) -> list[str]:
    """The config's, and the shorter ones that the device computes in itself."""
    now, device = parts.settings.precision, parts.device.torch
    if now == "fp64":
        return [now]
    others = ["fp32", *(["tf32"] if device.type == "cuda" else []), *(["bf16"] if has_bf16(device) else [])]
    return [now, *(other for other in others if other != now)]


def has_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16: without them it is slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return any(bool(has.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _unlike(found: list[TrainerSettings], settings: TrainerSettings) -> list[Way]:
    """What each changes of the settings, without repetitions."""
    names = ("precision", "channels_last", "capture", "compile")
    changes = [
        {name: getattr(other, name) for name in names if getattr(other, name) != getattr(settings, name)}
        for other in found
    ]
    return [Way(change) for i, change in enumerate(changes) if change not in changes[:i]]
