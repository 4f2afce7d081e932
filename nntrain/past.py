"""What the earlier stages of a run did: the counts of a later one go on from theirs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Past:
    """Steps, epochs, examples and seconds of all stages before, how each of them ended, the records' lengths,
    and which training examples could not be read.

    Within a stage steps are counted from its own start; what is written, and shown, goes on from the past's.
    """

    steps: int = 0
    epochs: float = 0.0
    examples: int = 0
    seconds: float = 0.0
    stages: list[dict[str, Any]] = field(default_factory=list)
    lengths: dict[str, int] = field(default_factory=dict)
    broken: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def stored(cls, facts: Mapping[str, Any]) -> "Past":
        """As a checkpoint's facts have it."""
        return cls(**facts.get("past", {}))

    def facts(self) -> dict[str, Any]:
        return {"past": asdict(self)}
