"""The nearest valid name to a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import zip_longest


def nearest(word: object, names: Iterable[str]) -> str | None:
    """The one name that a single slip of a letter makes of `word`, of several, and without any, the one most like it.

    None where none is like it.
    """
    by_folded = {_folded(name): name for name in names}
    folded = _folded(str(word))
    slips = [near for near in by_folded if _is_one_slip(folded, near)]
    matches = slips if len(slips) == 1 else get_close_matches(folded, slips or by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def did_you_mean(word: object, names: Iterable[str], otherwise: str = "expected") -> str:
    """A clause for an error message: the nearest name, else all of them."""
    names = sorted(names)
    near = nearest(word, names)
    if near is not None:
        return f"did you mean '{near}'?"
    return f"{otherwise} one of {', '.join(names)}" if names else "there are none"


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _is_one_slip(a: str, b: str) -> bool:
    """Whether a letter left out, added or replaced, or two neighbours swapped, make `a` of `b`."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip_longest(a, b)) if x != y), len(a))
    rest_a, rest_b = a[start:], b[start:]
    return (
        rest_a[1:] == rest_b[1:]
        or rest_a == rest_b[1:]
        or rest_a[1:] == rest_b
        or (rest_a[:2] == rest_b[:2][::-1] and rest_a[2:] == rest_b[2:])
    )
