"""What moves the weights: update rules bound to the objectives, clips of their gradients, regularizers."""

from collections.abc import Mapping

from torch import nn

from nntrain.attempts import Attempts
from nntrain.binding import bind
from nntrain.clips import Clip, unclipped
from nntrain.clock import Clock
from nntrain.experiment import TrainerSettings
from nntrain.groups import Grouped
from nntrain.memory_format import lay_out
from nntrain.optimizers import Optimizer
from nntrain.regularizers import Regularizer
from nntrain.remedies import Remedy
from nntrain.schema import Component, Path, Problem
from nntrain.suggest import did_you_mean
from nntrain.tasks import Task


def made_rules(
    attempt: Attempts, chosen: Component | dict[str, Component] | None
) -> Grouped | dict[str, Grouped | None] | None:
    """The update rule that the config chooses, or several by the objective's name."""
    if isinstance(chosen, dict):
        return {name: attempt.make(component) for name, component in chosen.items()}
    return attempt.make(chosen)


def rules_of(
    attempt: Attempts, made: Grouped | dict[str, Grouped | None] | None, task: Task
) -> dict[str, Grouped | None]:
    """The update rule of each objective: one for all of them, or each its own."""
    names = [objective.name for objective in task.objectives]
    if not isinstance(made, dict):
        return dict.fromkeys(names, made)
    for name in made:
        if name not in names:
            message = f"the task has no objective '{name}'; {did_you_mean(name, names)}"
            attempt.reader.problems.append(Problem(("optimizer", name), message, on_key=True))
    for name in names:
        if name not in made:
            attempt.reader.problems.append(Problem(("optimizer",), f"names no optimizer for the objective '{name}'"))
    return {name: made.get(name) for name in names}


def optimizers_of(
    attempt: Attempts,
    rules: dict[str, Grouped | None],
    made: Grouped | dict[str, Grouped | None] | None,
    task: Task,
    model: nn.Module,
    clock: Clock | None,
) -> dict[str, Optimizer]:
    """The rules bound to the model; without a clock, the length being wrong, only to find what else is."""
    right = {name: rule for name, rule in rules.items() if rule is not None}
    paths: dict[str, Path] = {name: ("optimizer", name) if isinstance(made, dict) else ("optimizer",) for name in right}
    objectives = [objective for objective in task.objectives if objective.name in right]
    return bind(attempt, right, paths, objectives, model, clock or Clock(1, steps_per_epoch=1))


def clip_of(
    attempt: Attempts, given: Component | float | None, rules: Mapping[str, Grouped | None], model: nn.Module | None
) -> Clip:
    """What clips gradients, refused where a rule looks for the length of its steps: it needs them as they are."""
    path: Path = ("trainer", "clip")
    is_short = isinstance(given, float)
    chosen = attempt.reader.component("clip", {"type": "norm", "limit": given}, path) if is_short else given
    if not isinstance(chosen, Component):
        return unclipped
    if any(getattr(made.rule, "sets_length", False) for made in rules.values() if made):
        message = "this optimizer finds the length of its steps itself; leave clip out"
        attempt.reader.problems.append(Problem(path, message))
    elif model is not None:
        attempt.make(chosen, model)
    return chosen


def settle_ways(
    attempt: Attempts, settings: TrainerSettings, rules: Mapping[str, Grouped | None], model: nn.Module | None
) -> None:
    """Lays out the weights as is wanted; refuses to compile steps that are captured, or that look more than once."""
    if model is not None:
        attempt(("trainer",), lay_out, model, settings.channels_last)
    if settings.compile and settings.capture is True:
        message = "a compiled step needs no capturing; leave capture out, or set compile: false"
        attempt.reader.problems.append(Problem(("trainer", "capture"), message))
    if settings.compile and any(getattr(made.rule, "sets_length", False) for made in rules.values() if made):
        message = "this optimizer looks at more than one point in a step, which is not compiled; leave compile out"
        attempt.reader.problems.append(Problem(("trainer", "compile"), message))


def remedy_of(attempt: Attempts, given: Component | str) -> Remedy:
    """What becomes of a run that diverges; of a config without mistakes it is a component."""
    made: Remedy | None = attempt.make(given) if isinstance(given, Component) else None
    return made or Remedy()


def regularizers_of(attempt: Attempts, model: nn.Module | None, chosen: list[Component]) -> list[Regularizer]:
    """The regularizers, bound to the model."""
    made = [(component.path, attempt.make(component)) for component in chosen]
    bound = [(path, regularizer) for path, regularizer in made if regularizer is not None]
    if model is not None:
        for path, regularizer in bound:
            attempt(path, regularizer.bind, model)
    return [regularizer for _, regularizer in bound]
