"""Groups of parameters that are trained otherwise than the rest; importing this does not import torch."""

import inspect
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from nntrain.clock import Clock, Duration
from nntrain.errors import UnfitError
from nntrain.matching import names_matching
from nntrain.settings import Length, Parsed, Positive, varying

FACTOR = r"\s*(\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*x\s*"


@dataclass(frozen=True)
class Times:
    """A factor of the optimizer's learning rate."""

    factor: float


def parse_times(value: object) -> Times:
    """Reads "0.1x"; ValueError for anything else."""
    if not isinstance(value, str) or not re.fullmatch(FACTOR, value):
        raise ValueError("")
    factor = float(value.strip().removesuffix("x"))
    if not 0 < factor < 1e30:
        raise ValueError("it must be greater than 0; frozen: true leaves parameters as they are")
    return Times(factor)


RateFactor = Annotated[Times, Parsed(parse_times, "a factor of the optimizer's rate such as 0.1x", FACTOR)]


@varying
class Group:
    """Parameters that are trained with settings of their own.

    Settings:
        match: pattern on parameter names; of several groups whose patterns match a parameter the first one holds
        lr: the learning rate before the schedule, or a factor of the optimizer's, such as 0.1x
        frozen: true to leave them as they are, or how long, such as 2 epochs, to train them only after that
    """

    def __init__(
        self,
        changes: Mapping[str, Any],
        *,
        match: str,
        lr: Positive | RateFactor = "1x",  # type: ignore[assignment]
        frozen: bool | Length = False,
    ) -> None:
        self.changes = {**changes, **({} if isinstance(lr, Times) else {"lr": lr})}
        self.match = match
        self.factor = lr.factor if isinstance(lr, Times) else 1.0
        self.frozen = frozen

    def settings(self) -> list[str]:
        """Those with which it is trained otherwise than the rest."""
        return [*self.changes, *(["lr"] if self.factor != 1 else [])]


@dataclass(frozen=True)
class Treatment:
    """How parameters are trained: by which rule, at which share of its rate, and from which step on (None: never).

    `group` is the one that they belong to, `number` its place in the list.
    """

    rule: Any
    factor: float = 1.0
    start: int | None = 0
    group: Group | None = None
    number: int = 0


class Grouped:
    """An update rule, and groups of parameters with settings of their own.

    A setting of the optimizer that has no effect with those of a group (decoupled without weight_decay) is at its
    default there.

    Settings:
        groups: parameters that are trained otherwise: a list, each with match, a pattern on parameter names (the first
            that matches holds), and what is different: settings of this optimizer, lr also as a factor of its rate
            such as 0.1x, and frozen (true, or how long, such as 2 epochs); normalisation layers all of whose
            parameters are frozen use their running statistics and leave them as they are
    """

    def __init__(self, make: partial[Any], *, groups: list[Group] = []) -> None:  # noqa: B006
        self.rule = make()
        self.groups = groups
        self._rules = [self._rule(make, group, f"groups.{i}") for i, group in enumerate(groups)]

    def claimed(self, number: int, names: Collection[str], owners: Mapping[str, int]) -> list[str]:
        """The names that belong to a group, but for those that an earlier group owns; UnfitError without any."""
        match = self.groups[number].match
        found = names_matching(match, names)
        free = [name for name in found if name not in owners]
        if not free:
            earlier = ", ".join(f"'{self.groups[i].match}'" for i in sorted({owners[name] for name in found}))
            raise UnfitError(f"all that '{match}' matches belongs to earlier groups ({earlier})", "match")
        return free

    def treatment(self, number: int | None, clock: Clock) -> Treatment:
        """How the parameters of a group are trained, or (None) those that belong to none."""
        if number is None:
            return Treatment(self.rule)
        group = self.groups[number]
        start = clock.steps(group.frozen) if isinstance(group.frozen, Duration) else None if group.frozen else 0
        return Treatment(self._rules[number], group.factor, start, group, number)

    def _rule(self, make: partial[Any], group: Group, path: str) -> Any:
        """The rule with a group's settings."""
        own = group.settings()
        if own and group.frozen is True:
            raise UnfitError("the group is always frozen, so that this has no effect", f"{path}.{own[0]}")
        if own and getattr(self.rule, "sets_length", False):
            message = "this optimizer takes one step of all parameters together, so that groups can only be frozen"
            raise UnfitError(message, f"{path}.{own[0]}")
        return _made(make, group.changes, path) if group.changes else self.rule


def _made(make: partial[Any], changes: Mapping[str, Any], path: str) -> Any:
    """The rule with other settings; one of the optimizer's that has no effect beside them is at its default."""
    try:
        return make(**changes)
    except UnfitError as error:
        name = str(error.path[0]) if error.path else ""
        parameter = inspect.signature(make.func).parameters.get(name)
        if name in changes or parameter is None or parameter.default is parameter.empty:
            raise UnfitError(str(error), f"{path}.{name}".rstrip(".")) from None
    return _made(make, {**changes, name: parameter.default}, path)
