"""The nearest valid name to a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: object, names: Iterable[str]) -> str | None:
    """The name most like `word`, or None where none is near."""
    by_folded = {name.lower().replace("-", "_"): name for name in names}
    matches = get_close_matches(str(word).lower().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def did_you_mean(word: object, names: Iterable[str], otherwise: str = "expected") -> str:
    """A clause for an error message: the nearest name, else all of them."""
    names = sorted(names)
    near = nearest(word, names)
    if near is not None:
        return f"did you mean '{near}'?"
    return f"{otherwise} one of {', '.join(names)}" if names else "there are none"
