"""What the earlier stages of a run did: the counts of a later one go on from theirs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Ways = Mapping[str, Mapping[str, Mapping[str, Any]]]  # `captured` or `compiled`: of each objective steps, and reasons


@dataclass(frozen=True)
class Past:
    """Steps, epochs, examples and seconds of all stages before, how each of them ended, the records' lengths,
    which training examples could not be read, and how many steps were captured, or compiled.

    Within a stage steps are counted from its own start; what is written, and shown, goes on from the past's.
    """

    steps: int = 0
    epochs: float = 0.0
    examples: int = 0
    seconds: float = 0.0
    stages: list[dict[str, Any]] = field(default_factory=list)
    lengths: dict[str, int] = field(default_factory=dict)
    broken: list[dict[str, Any]] = field(default_factory=list)
    captured: Ways = field(default_factory=dict)

    @classmethod
    def stored(cls, facts: Mapping[str, Any]) -> "Past":
        """As a checkpoint's facts have it."""
        return cls(**facts.get("past", {}))

    def facts(self) -> dict[str, Any]:
        return {"past": asdict(self)}


def together(before: Ways, since: Ways) -> Ways:
    """Captured or compiled steps of both: their numbers add up, of two reasons the later one stays."""
    kinds = {**before, **since}
    pairs = {kind: (before.get(kind, {}), since.get(kind, {})) for kind in kinds}
    return {kind: {name: _sum(a.get(name), b.get(name)) for name in {**a, **b}} for kind, (a, b) in pairs.items()}


def _sum(before: Mapping[str, Any] | None, since: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if before is None or since is None:
        return before or since or {}
    steps, reason = before["steps"] + since["steps"], since["reason"] or before["reason"]
    return {**since, "steps": steps, "reason": reason}
