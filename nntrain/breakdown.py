"""What the time of profiled steps consists of: waiting for data, torch's operations, and the rest."""

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch._C._autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent

from nntrain.tables import Table

STEP = "ProfilerStep"  # the name that TensorBoard's plug-in knows; torch's profiler drops what follows #
WAITING = "waiting for data"
APART = "evaluating or saving"
SHOWN = 10  # operations
MICROSECOND = 1e-6

Spans = list[tuple[float, float]]


def breakdown(events: Iterable[FunctionEvent]) -> dict[str, Any]:
    """Shares of the steps' wall time, and the operations that take the most of it; of several steps but for the first.

    Evaluating and saving are left out. An operation's own time is without that of the operations that it calls; what
    a GPU computes for it is counted where there is one.
    """
    here = [event for event in events if event.device_type == DeviceType.CPU]
    steps = _spans(event for event in here if event.name.startswith(STEP))
    steps = steps[1:] or steps
    marked = {name: _spans(e for e in here if e.name == name and _within(steps, e)) for name in (WAITING, APART)}
    operations = [e for e in here if not e.is_user_annotation and _within(steps, e) and not _within(marked[APART], e)]
    seconds = (_length(steps) - _length(marked[APART])) * MICROSECOND
    waited = _length(marked[WAITING]) * MICROSECOND
    computed = _length(_spans(e for e in operations if not _within(marked[WAITING], e))) * MICROSECOND
    return {
        "steps": len(steps),
        "step_seconds": seconds / max(1, len(steps)),
        "data_wait": _share(waited, seconds),
        "in_torch": _share(computed, seconds),
        "outside_torch": _share(seconds - waited - computed, seconds),
        "operations": _most_expensive(operations, seconds),
    }


def tables(found: Mapping[str, Any]) -> list[Table]:
    """What a breakdown says, for the terminal."""
    steps = found["steps"]
    names = {"data_wait": WAITING, "in_torch": "torch's operations", "outside_torch": "outside of torch"}
    seconds = found["step_seconds"]
    shares = tuple((name, _milliseconds(found[key] * seconds), _percent(found[key])) for key, name in names.items())
    whole = ("a step", _milliseconds(seconds), _percent(1.0))
    unwatched = found["unwatched_step_seconds"]
    others = (("a step before, not looked at", _milliseconds(unwatched), "-"),) if unwatched is not None else ()
    rows = tuple(
        (its["name"], _milliseconds(its["seconds"] / steps), f"{its['calls'] / steps:.4g}", _percent(its["share"]))
        for its in found["operations"]
    )
    return [
        Table(f"time of a step (mean of {steps})", ("", "ms", "%"), (*shares, whole, *others)),
        Table("most expensive operations (own time)", ("operation", "ms a step", "calls a step", "% of time"), rows),
    ]


def _most_expensive(operations: Sequence[FunctionEvent], seconds: float) -> list[dict[str, Any]]:
    by_name: dict[str, list[FunctionEvent]] = defaultdict(list)
    for event in operations:
        by_name[event.name].append(event)
    on_device = any(event.self_device_time_total for event in operations)
    own = {name: MICROSECOND * sum(_own(event, on_device) for event in found) for name, found in by_name.items()}
    names = sorted(own, key=lambda name: own[name], reverse=True)[:SHOWN]
    return [
        {"name": name, "seconds": own[name], "calls": len(by_name[name]), "share": _share(own[name], seconds)}
        for name in names
    ]


def _own(event: FunctionEvent, on_device: bool) -> float:
    return event.self_device_time_total if on_device else event.self_cpu_time_total


def _spans(events: Iterable[FunctionEvent]) -> Spans:
    """When at least one of these was going on, in order."""
    spans: Spans = []
    for start, end in sorted((event.time_range.start, event.time_range.end) for event in events):
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _within(spans: Spans, event: FunctionEvent) -> bool:
    """Whether an event began in one of the spans."""
    start = event.time_range.start
    i = bisect(spans, (start, float("inf"))) - 1
    return i >= 0 and start < spans[i][1]


def _length(spans: Spans) -> float:
    return sum(end - start for start, end in spans)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}"
