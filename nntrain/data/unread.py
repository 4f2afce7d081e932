"""Training examples that cannot be read in the middle of an epoch, of which a share may be left out."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nntrain.errors import RunError, UnfitError

HINT = "; trainer.skip_broken=0.1% leaves so many training examples out"


class Broken(NamedTuple):
    """A file that is not a whole picture: its number in the set, and why."""

    example: int
    file: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file} (number {self.example}) is not a whole picture: {self.reason}"


class Drawn(NamedTuple):
    """What was read of a batch; `broken` are the examples that could not be, by their place in it."""

    content: Any
    broken: Mapping[int, Broken] = {}


class Unread:
    """The training examples that could not be read, and how many may be; each is said once."""

    def __init__(self, examples: Callable[[], int], hint: str = "") -> None:
        """`examples` tells how many the training set has; `hint` what to do where none may be broken."""
        self.found: dict[str, Broken] = {}  # by their files, in the order in which they were found
        self.share: float | None = None
        self._examples = examples
        self._hint = hint
        self._said: set[str] = set()
        self._told = 0

    def note(self, broken: Mapping[int, Broken]) -> None:
        """Takes in what could not be read before the share was known."""
        self.found.update({one.file: one for one in broken.values()})

    def see(self, broken: Mapping[int, Broken]) -> None:
        """Takes in what could not be read of a batch, and says it; RunError where it is too much."""
        for place in sorted(broken):
            one = broken[place]
            if self.share is None:
                raise RunError(f"{one}{self._hint}")
            self.found.setdefault(one.file, one)
            if (why := self._too_many()) is not None:
                raise RunError(why)
            if one.file not in self._said:
                self._said.add(one.file)
                print(f"left out, and another in its place: {one}", file=sys.stderr)

    def allow(self, share: float | None) -> None:
        """Sets the share of the training set; UnfitError where more could not be read already."""
        self.share = share
        if (why := self._too_many()) is not None:
            raise UnfitError(why, "skip_broken")

    def news(self) -> list[dict[str, Any]]:
        """What was found since it was asked last."""
        new = list(self.found.values())[self._told :]
        self._told = len(self.found)
        return [one._asdict() for one in new]

    def state(self) -> list[dict[str, Any]]:
        """For the checkpoint."""
        return [one._asdict() for one in self.found.values()]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Goes on with a state, and forgets what was found before."""
        self.found = {one["file"]: Broken(**one) for one in state}
        self._told = len(self.found)

    def _too_many(self) -> str | None:
        """Why the run cannot go on, where it cannot."""
        if not self.found:
            return None
        *_, last = self.found.values()
        if self.share is None:
            return f"{last}{self._hint}"
        count, examples = len(self.found), self._examples()
        if count <= self.share * examples:
            return None
        allowed = f"{100 * self.share:g}% that trainer.skip_broken allows"
        return f"{count} of {examples:,} training examples could not be read, more than the {allowed}; {last}"
