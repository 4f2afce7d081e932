"""Remedies: what becomes of a run whose loss or gradient is no longer a finite number."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Remedy:
    """How many updates may be left out, how often the run may go back, and what the rate is multiplied with then."""

    skips: int = 0
    returns: int = 0
    factor: float = 1.0
