"""The batch size that `data.batch_size: auto` stands for: found by making real updates with larger and larger ones."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from time import perf_counter
from typing import Any

import torch

from nntrain.batch import Batch, tensors_in
from nntrain.config import Document
from nntrain.course import say_failure
from nntrain.data.order import Order
from nntrain.errors import RunError
from nntrain.layers import multiply_adds
from nntrain.memory import Peak, room
from nntrain.out_of_memory import is_out_of_memory
from nntrain.parts import Parts
from nntrain.plan import plan
from nntrain.schema import Path
from nntrain.update import Update

SMALLEST = 8
UPDATES = 16  # that an epoch is to have at least, for training goes by updates, not by examples alone
GROWTH = 1.05  # of the examples per second, below which they no longer grow
PATIENCE = 2  # doublings without growth, after which no more are tried
HEADROOM = 0.8  # of the memory that is left, for an update; the rest is for evaluations, and for longer examples
LOOKED_AT = 16  # updates of each size, of which the one with the largest batches is tried
SECONDS = 0.4  # that a size is tried,
REPEATS = 3  # and so many updates at least
AUTO = "auto"


@dataclass(frozen=True)
class Trial:
    """Updates with batches of one size: examples per second, and the most bytes that they, or smaller ones, took."""

    size: int
    speed: float
    bytes: int


@dataclass(frozen=True)
class Found:
    """The smallest size that is as fast as any, the sizes that were tried, and why no larger ones were."""

    trials: list[Trial]
    reason: str

    @property
    def size(self) -> int:
        fastest = max(trial.speed for trial in self.trials)
        return next(trial.size for trial in self.trials if trial.speed * GROWTH >= fastest)

    def __str__(self) -> str:
        speeds = ", ".join(f"{trial.size:,}: {trial.speed:,.0f}" for trial in self.trials)
        return f"data.batch_size: {self.size} found (examples/s with {speeds}; {self.reason})"


def found_size(document: Document, say: Callable[[str], None]) -> int | None:
    """The number for the places where a config says auto, of several stages the smallest; None where none does.

    Raises what `fit` would where the config is wrong; RunError where the smallest number does not work.
    """
    if not _places(document.data):
        return None
    sizes: list[int] = []

    def look(parts: Parts) -> None:
        if parts.plain["data"].get("batch_size") == AUTO:
            try:
                found = find(parts)
            except Exception as error:
                raise RunError(f"data.batch_size=auto: {say_failure(error)}") from error
            say(str(found))
            sizes.append(found.size)

    say("data.batch_size: auto; trying real updates")
    plan(document, look)
    return min(sizes)


def filled_in(document: Document, size: int | None) -> Document:
    """The config with a number where it says auto."""
    filled = copy.deepcopy(document)
    for place in _places(filled.data):
        filled.at(place[:-1])["batch_size"] = size
    return filled


def settings_for(document: Document, overrides: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """The overrides of a config for several runs that are to be alike: with one number for all of them."""
    places = {".".join(map(str, place)) for place in _places(document.data)}
    size = found_size(document, say)
    others = [text for text in overrides if text.partition("=")[0].strip() not in places]
    return [*others, *(f"{place}={size}" for place in sorted(places))]


def find(parts: Parts) -> Found:
    """Tries sizes on parts, which are of no use afterwards; raises what an update with the smallest one does."""
    update = replace(parts, settings=replace(parts.settings, capture=False, compile=False, oom="fail")).update()
    examples = parts.order.examples
    most = max(min(SMALLEST, examples), examples // (UPDATES * parts.settings.accumulate))
    memory = HEADROOM * room(parts.device.torch)
    peak = Peak(parts.device.torch)  # of all trials: what one has freed, the next one takes without asking for it
    trials: list[Trial] = []
    for size in _sizes(most):
        if trials and _is_dangerous(trials[-1], memory, parts.device.torch):
            return Found(trials, "memory is short for more")
        trial = _tried(parts, update, size, peak, is_first=not trials)
        if trial is None or (trials and trial.bytes > memory):
            return Found(trials, "memory is short for more")
        trials.append(trial)
        if _stands_still(trials):
            return Found(trials, "more are no faster")
    return Found(trials, f"more would leave fewer than {UPDATES} updates an epoch")


def _places(config: Mapping[str, Any]) -> list[Path]:
    """Where a config says auto."""
    stages = config.get("stages")
    parts: list[tuple[Path, Any]] = [((), config)]
    parts += [(("stages", i), stage) for i, stage in enumerate(stages if isinstance(stages, list) else [])]
    data = [((*path, "data"), part.get("data")) for path, part in parts if isinstance(part, Mapping)]
    return [(*path, "batch_size") for path, d in data if isinstance(d, Mapping) and d.get("batch_size") == AUTO]


def _sizes(most: int) -> Iterator[int]:
    size = min(SMALLEST, most)
    while size <= most:
        yield size
        size *= 2


def _tried(parts: Parts, update: Update, size: int, peak: Peak, is_first: bool) -> Trial | None:
    """How a size does; None where memory runs out, which ends the search, or the run where it is the first one."""
    device, order = parts.device, replace(parts.order, batch_size=size)
    device.use_threads(multiply_adds(parts.layers, size))
    try:
        batches = _largest(parts, order)
        seconds = [_seconds(update, batches, device.torch)]  # the first one finds the memory
        began = perf_counter()
        while len(seconds) <= REPEATS or perf_counter() - began < SECONDS:
            seconds.append(_seconds(update, batches, device.torch))
    except (MemoryError, RuntimeError) as error:
        if is_first or not is_out_of_memory(error):
            raise
        return None
    return Trial(size, sum(batch.examples for batch in batches) / min(seconds[1:]), peak.bytes())


def _largest(parts: Parts, order: Order) -> list[Batch]:
    """Of some updates the batches with the most numbers: sequences may be long or short."""
    updates = islice(parts.data.train.stream(order.updates(0)), LOOKED_AT)
    return max(_in_time(updates), key=lambda batches: sum(tensor.numel() for tensor in tensors_in(batches)))


def _in_time(updates: Iterable[list[Batch]]) -> Iterator[list[Batch]]:
    """As many as come in time, one at least."""
    began = perf_counter()
    for batches in updates:
        yield batches
        if perf_counter() - began > SECONDS:
            return


def _seconds(update: Update, batches: Sequence[Batch], device: torch.device) -> float:
    began = perf_counter()
    update(0, batches, 0.0)  # without a rate, so that the numbers stay ones that training begins with
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter() - began


def _is_dangerous(last: Trial, memory: float, device: torch.device) -> bool:
    """Whether twice the size would take too much of a CPU's memory, where a process that does so is killed."""
    return device.type != "cuda" and 2 * last.bytes > memory


def _stands_still(trials: Sequence[Trial]) -> bool:
    """Whether the last few sizes were no faster than those before."""
    before, since = trials[:-PATIENCE], trials[-PATIENCE:]
    return bool(before) and max(t.speed for t in since) < GROWTH * max(t.speed for t in before)
