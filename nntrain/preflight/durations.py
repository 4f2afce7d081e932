"""Rules on durations: what is to happen after one happens within the run, an update within an epoch."""

from collections.abc import Iterator, Mapping
from typing import Any

from nntrain.clock import Clock, Duration, parse_duration
from nntrain.data.order import Order
from nntrain.preflight.finding import Finding

SECTIONS = (("scheduler",), ("optimizer",), ("trainer", "early_stopping"), ("trainer", "plateau"))


def beyond_the_end(plain: Mapping[str, Any], clock: Clock) -> Iterator[Finding]:
    """Such as a warm-up that is as long as the run or longer: the full rate is then never reached."""
    for section in SECTIONS:
        for path, duration in _durations(_below(plain, section), section):
            if duration.unit != "%" and clock.steps(duration) >= clock.total:
                name = ".".join(path)
                yield Finding(
                    "durations",
                    "remark",
                    f"{name} of {duration} does not end within the run of {clock.total} steps",
                    {"setting": name},
                    ("a run that is shorter than the one it was meant for",),
                    (f"{name}=10%",),
                )


def beyond_an_epoch(order: Order) -> Iterator[Finding]:
    """An update takes its batches from one epoch."""
    if order.accumulate > order.batches_per_epoch:
        batches = order.batches_per_epoch
        yield Finding(
            "durations",
            "remark",
            f"trainer.accumulate is {order.accumulate}, but an epoch has only {batches} batches, and an update no more",
            {"setting": "trainer.accumulate"},
            ("batches that are larger than they were meant to be",),
            (f"trainer.accumulate={batches}",),
        )


def _below(plain: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        plain = plain.get(key) or {}
    return plain


def _durations(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Duration]]:
    """The durations among settings, with their paths."""
    if isinstance(value, str):
        try:
            yield path, parse_duration(value)
        except ValueError:
            return
    inside = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from _durations(inner, (*path, str(key)))
