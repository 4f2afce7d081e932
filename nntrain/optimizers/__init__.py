"""Optimizers: update rules as functions of parameters, gradients and state, and what binds them to a model."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, NamedTuple, Protocol

import torch
from annotated_types import Len
from torch import Tensor, nn

from nntrain.closure import Closure
from nntrain.errors import UserError
from nntrain.freezing import Freezing
from nntrain.groups import Treatment
from nntrain.guard import Verdict, put_back
from nntrain.settings import Probability

State = dict[str, list[Tensor]]
Betas = Annotated[list[Probability], Len(2, 2)]  # how much of two running means is kept


class Problem(NamedTuple):
    """What a step is to make smaller: the parameters, outside of autograd, and their gradients.

    `closure` gives the objective and its derivatives again after the parameters were changed in place; it is there
    for a rule that sets the length of its steps itself. `verdict` says whether the step is to be left out, as its
    gradients are not finite; None where they always are.
    """

    parameters: list[Tensor]
    gradients: list[Tensor]
    look_again: Closure | None
    verdict: Verdict | None = None

    @property
    def closure(self) -> Closure:
        assert self.look_again is not None, "a rule that looks at more than one point says so: sets_length = True"
        return self.look_again


class Rule(Protocol):
    """An update rule. Its settings are its attributes; its state lies outside, a tensor for each parameter.

    One that looks at `verdict` itself, as torch's fused kernels do, says so by an attribute `leaves_out`.
    """

    lr: float

    def start(self, parameters: Mapping[str, Tensor]) -> State:
        """The state before the first step, for parameters by name."""

    def step(self, problem: Problem, state: State, lr: float) -> None:
        """Changes parameters and state in place, and leaves the gradients as they are."""


class Optimizer:
    """A rule bound to the parameters of (a part of) a model, or several rules, each bound to some of them.

    `treatments` says how parameters are trained, by name; what it does not name is trained by the rule as it is.
    """

    def __init__(self, rule: Rule, part: nn.Module, treatments: Mapping[str, Treatment] | None = None) -> None:
        trained = {name: p for name, p in part.named_parameters() if p.requires_grad}
        self.rule = rule
        self.treatments = {**dict.fromkeys(trained, Treatment(rule)), **(treatments or {})}
        self._freezing = Freezing(part, {name: how.start for name, how in self.treatments.items()})
        self._shares = _shares(trained, self.treatments)
        self._choose(0)

    def renewed(self, part: nn.Module, lr: float) -> "Optimizer":
        """The same with another rate, before its first step, for a copy of the part."""
        rule, treatments = copy.deepcopy((self.rule, self.treatments))
        rule.lr = lr
        return Optimizer(rule, part, treatments)

    def thaw(self, step: int) -> None:
        """Freezes what is not trained at this step, and nothing else."""
        if self._freezing.apply(step):
            self._choose(step)

    def all_names(self) -> list[str]:
        """Of the parameters that are trained at some step."""
        return [member.name for share in self._shares for member in share.members]

    def freezes(self) -> bool:
        """Whether there are parameters that it does not train from the first step on."""
        return any(how.start != 0 for how in self.treatments.values())

    @property
    def looks_again(self) -> bool:
        """Whether its rule looks at more than one point in a step."""
        return getattr(self.rule, "sets_length", False)

    def laid_out(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Gradients in the memory layout of `parameters`: torch's fused kernels go through memory in order."""
        return list(map(_laid_out_like, self.parameters, gradients))

    def step(
        self,
        gradients: Sequence[Tensor],
        factor: float,
        closure: Closure | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        """One step with `factor` times the learning rates, along gradients that are `laid_out`.

        Where it is to be left out, parameters and state stay as they are.
        """
        first = 0
        for share, memories in self._active:
            along = list(gradients[first : first + len(memories)])
            first += len(memories)
            changing = [] if share.leaves_out or verdict is None else [*memories, *share.state_tensors()]
            kept = [tensor.clone() for tensor in changing]
            share.rule.step(
                Problem(memories, along, closure, verdict), share.state, share.rule.lr * share.factor * factor
            )
            if kept and verdict is not None:
                put_back(changing, kept, verdict.left_out)

    def state(self) -> dict[str, Tensor]:
        """The state by `key.parameter`, for the checkpoint."""
        return {
            f"{key}.{member.name}": tensor
            for share in self._shares
            for key, tensors in share.state.items()
            for member, tensor in zip(share.members, tensors, strict=True)
        }

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Copies a stored state back; UserError where it is of another rule or other parameters."""
        own = self.state()
        if {name: t.shape for name, t in own.items()} != {name: t.shape for name, t in stored.items()}:
            rule = type(self.rule).__name__
            raise UserError(f"the checkpoint's optimizer state is not that of {rule} for these parameters")
        for name, tensor in own.items():
            tensor.copy_(stored[name])

    def _choose(self, step: int) -> None:
        """Looks only at what is trained at this step."""
        shares = [share.at(step) for share in self._shares]
        self._active = [(share, [m.memory for m in share.members]) for share in shares if share.members]
        self.parameters: list[Tensor] = [m.parameter for share in shares for m in share.members]
        self.names = tuple(m.name for share in shares for m in share.members)


class Member(NamedTuple):
    """A parameter, its memory outside of autograd, and the step from which on it is trained."""

    name: str
    parameter: Tensor
    memory: Tensor
    start: int


class Share(NamedTuple):
    """Parameters that one rule steps together, with `factor` times its rate, and their state in the same order."""

    rule: Rule
    factor: float
    members: list[Member]
    state: State

    @property
    def leaves_out(self) -> bool:
        """Whether the rule itself makes no step where it is to be left out."""
        return getattr(self.rule, "leaves_out", False)

    def state_tensors(self) -> Iterator[Tensor]:
        return chain.from_iterable(self.state.values())

    def at(self, step: int) -> "Share":
        """What of it is trained at a step."""
        chosen = [i for i, member in enumerate(self.members) if member.start <= step]
        state = {key: [tensors[i] for i in chosen] for key, tensors in self.state.items()}
        return self._replace(members=[self.members[i] for i in chosen], state=state)


def _shares(parameters: Mapping[str, Tensor], treatments: Mapping[str, Treatment]) -> list[Share]:
    """The parameters by rule, factor, type and device, without those that are never trained."""
    alike: dict[tuple[int, float, torch.dtype, torch.device], list[Member]] = {}
    rules: dict[int, Rule] = {}
    for name, p in parameters.items():
        how = treatments[name]
        if how.start is not None:
            rules[id(how.rule)] = how.rule
            alike.setdefault((id(how.rule), how.factor, p.dtype, p.device), []).append(
                Member(name, p, p.detach(), how.start)
            )
    return [
        Share(rules[rule], factor, members, rules[rule].start({m.name: m.memory for m in members}))
        for (rule, factor, _, _), members in alike.items()
    ]


def counters(parameters: Mapping[str, Tensor]) -> list[Tensor]:
    """Steps taken, a number for each parameter, as torch's update rules count them."""
    return [torch.zeros((), dtype=torch.float32, device=p.device) for p in parameters.values()]


def _laid_out_like(parameter: Tensor, gradient: Tensor) -> Tensor:
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)
