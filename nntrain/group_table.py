"""Groups of parameters as they are trained: how many there are, at which rate, from when on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from nntrain.groups import Group, Treatment
from nntrain.loss import Objective
from nntrain.optimizers import Optimizer
from nntrain.tables import Table

COLUMNS: tuple[str, ...] = ("objective", "group", "tensors", "parameters", "rate", "trained", "other settings")


def groups_of(
    model: nn.Module, objectives: Iterable[Objective], optimizers: Mapping[str, Optimizer]
) -> list[dict[str, Any]]:
    """A description of each group, and of what belongs to none, for each objective; nothing where there are none."""
    found = [group for o in objectives for group in _groups(o.name, o.part_of(model), optimizers[o.name].treatments)]
    return found if any(group["match"] is not None for group in found) else []


def group_tables(groups: Sequence[Mapping[str, Any]]) -> list[Table]:
    """One table, of what `groups_of` found; none where that is nothing."""
    several = len({group["objective"] for group in groups}) > 1
    kept = slice(0 if several else 1, None)
    rows = tuple(_row(group)[kept] for group in groups)
    return [Table("groups of parameters (rates before the schedule)", COLUMNS[kept], rows)] if groups else []


def group_lines(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same in a line for each group."""
    return [
        f"{objective}, {group}: {parameters} parameters, rate {rate} before the schedule, trained {when}"
        for objective, group, _, parameters, rate, when, _ in map(_row, groups)
    ]


def _groups(objective: str, part: nn.Module, treatments: Mapping[str, Treatment]) -> Iterable[dict[str, Any]]:
    members: dict[Group | None, list[nn.Parameter]] = {}
    for name, how in treatments.items():
        members.setdefault(how.group, []).append(part.get_parameter(name))
    hows = {how.group: how for how in treatments.values()}
    for group, how in sorted(hows.items(), key=lambda pair: (pair[0] is None, pair[1].number)):
        parameters = members[group]
        yield {
            "objective": objective,
            "match": group.match if group else None,
            "tensors": len(parameters),
            "parameters": sum(p.numel() for p in parameters),
            "lr": how.rule.lr * how.factor,
            "first_step": how.start,
            "settings": {name: value for name, value in group.changes.items() if name != "lr"} if group else {},
        }


def _row(group: Mapping[str, Any]) -> tuple[str, ...]:
    first = group["first_step"]
    return (
        group["objective"],
        "the rest" if group["match"] is None else group["match"],
        f"{group['tensors']:,}",
        f"{group['parameters']:,}",
        "-" if first is None else f"{group['lr']:.4g}",
        "never" if first is None else f"after {first:,} steps" if first else "always",
        ", ".join(f"{name} {value}" for name, value in group["settings"].items()),
    )
