"""The network that a config asks for, with its first weights."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from nntrain.attempts import Attempts, reason
from nntrain.data import Split
from nntrain.device import Device, seed_python
from nntrain.errors import MismatchError, UnfitError, UserError
from nntrain.initializers.previous_stage import FromPreviousStage
from nntrain.network import network_for
from nntrain.schema import Component
from nntrain.specs import Inputs, Outputs


def network(chosen: Component | None, inputs: Inputs, targets: Outputs, device: Device, seed: int) -> nn.Module | None:
    """The network, with weights that depend on the seed alone."""
    if chosen is None:
        return None
    device.seed(seed, 0)
    seed_python(seed)
    try:
        model = network_for(chosen, inputs, targets)
    except MismatchError as error:
        error.others = chosen.others(type(inputs), type(targets))
        raise
    except (UnfitError, UserError):
        raise
    except Exception as error:
        raise UnfitError(f"{chosen.name} cannot be made for {inputs}: {reason(error)}") from error
    return model.to(device.torch)


def initialize(
    attempt: Attempts,
    model: nn.Module,
    chosen: list[Component] | Component,
    targets: Outputs,
    train: Split,
    before: Mapping[str, Tensor] | None,
) -> list[str]:
    """Lets the rules fill the parameters that they match, from the generator that the model was made with.

    A rule that takes `targets` looks at the training set, one that takes `before` at what the stage before has
    learned; that comes last where no rule takes it. Returns what was taken over from other networks.
    """

    def looked_at(rule: Component) -> tuple[Any, ...]:
        return (before,) if rule.takes("before") else (targets, train) if rule.takes("targets") else ()

    rules = [chosen] if isinstance(chosen, Component) else chosen
    fills = [(rule.path, attempt.make(rule, *looked_at(rule))) for rule in rules]
    if before is not None and not any(rule.takes("before") for rule in rules):
        fills.append((("model",), partial(_go_on_from, before)))
    taken_over: list[str] = []
    for path, fill in fills:
        taken = attempt(path, fill, model) if fill is not None else None
        taken_over += [f"{'.'.join(map(str, path))}: {taken}"] if taken else []
    return taken_over


def _go_on_from(before: Mapping[str, Tensor], model: nn.Module) -> str:
    """Takes over all that fits; where nothing does, a rule is to say how the names are changed."""
    try:
        return FromPreviousStage(before)(model)
    except UnfitError as error:
        rule = "init: [{type: previous_stage, rename: {PATTERN: NAME}}]"
        raise UnfitError(f"{error}; where parts have other names now, write {rule}") from None
