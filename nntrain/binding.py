"""Update rules bound to a model: which parameter is trained in which way."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from nntrain.clock import Clock
from nntrain.errors import UnfitError
from nntrain.groups import Grouped
from nntrain.loss import Objective
from nntrain.optimizers import Optimizer
from nntrain.schema import Path

Attempt = Callable[..., Any]  # a path in the config, a function, its arguments: None where it refuses them


def bind(
    attempt: Attempt,
    rules: Mapping[str, Grouped],
    paths: Mapping[str, Path],
    objectives: Sequence[Objective],
    model: nn.Module,
    clock: Clock,
) -> dict[str, Optimizer]:
    """The optimizer of each objective; `paths` are where the config says their rules.

    Groups match names in the whole model, whatever part of it an objective trains; objectives may share their rule.
    """
    full = {id(p): name for name, p in model.named_parameters()}
    names = {
        o.name: {name: full[id(p)] for name, p in o.part_of(model).named_parameters() if p.requires_grad}
        for o in objectives
    }
    owners: dict[str, int] = {}
    for path in dict.fromkeys(paths.values()):
        sharing = [name for name, its_path in paths.items() if its_path == path]
        owners |= _owners(attempt, path, rules[sharing[0]], [n for name in sharing for n in names[name].values()])

    def optimizer(objective: Objective) -> Optimizer:
        rule = rules[objective.name]
        treatments = {name: rule.treatment(owners.get(whole), clock) for name, whole in names[objective.name].items()}
        if all(how.start != 0 for how in treatments.values()):
            raise UnfitError("leave something to train from the first step on: here all is frozen", "groups")
        check = getattr(rule.rule, "check", None)  # of a rule that is not for every network
        if check is not None:
            check(dict(objective.part_of(model).named_parameters()))
        if getattr(rule.rule, "sets_length", False) and not objective.has_value:
            message = "this optimizer compares values of the objective, but here only its gradient means something"
            raise UnfitError(f"{message}; take one that follows the gradient, such as sgd or adam")
        return Optimizer(rule.rule, objective.part_of(model), treatments)

    return {o.name: attempt(paths[o.name], optimizer, o) for o in objectives}


def _owners(attempt: Attempt, path: Path, rule: Grouped, names: Sequence[str]) -> dict[str, int]:
    """The number of the group that each parameter belongs to; those of none are left out."""
    owners: dict[str, int] = {}
    for number in range(len(rule.groups)):
        claimed = attempt((*path, "groups", number), rule.claimed, number, names, owners)
        owners |= dict.fromkeys(claimed or (), number)
    return owners
