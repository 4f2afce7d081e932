"""Groups of parameters against hand computations and torch's param_groups; what is frozen; mistakes in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from conftest import Called
from nntrain.assemble import assemble
from nntrain.config import ConfigError, load
from nntrain.groups import Times, parse_times
from nntrain.parts import Parts
from runs import instant_disk  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

CONFIG = """
name: my
data: {{type: digits, batch_size: 32, split: {{train: 96}}}}
model: {{type: mlp, hidden: [6, 5], activation: tanh, norm: {norm}}}
optimizer: {optimizer}
regularizers: {regularizers}
trainer: {{length: 6 epochs, precision: fp64}}
"""


def parts_of(write: Write, optimizer: str, norm: str = "none", regularizers: str = "[]", **sections: str) -> Parts:
    more = "".join(f"{name}: {text}\n" for name, text in sections.items())
    return assemble(load(write(CONFIG.format(optimizer=optimizer, norm=norm, regularizers=regularizers) + more)))


def weights(parts: Parts) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in parts.model.state_dict().items()}


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}


def trained(parts: Parts, steps: range) -> dict[str, Tensor]:
    """The network's tensors after some steps with a rate that falls from step to step."""
    update = parts.update()
    batches = parts.data.train.stream(parts.order.updates(steps.start))
    parts.model.train()
    for step in steps:
        update(step, next(batches), 1 / (1 + step))
    return weights(parts)


def gradients(parts: Parts, batch: Any) -> list[Tensor]:
    loss = nn.functional.cross_entropy(parts.model(batch.inputs), batch.targets)
    return list(torch.autograd.grad(loss, list(parts.model.parameters())))


def by_torch(parts: Parts, optimizer: torch.optim.Optimizer, steps: int) -> dict[str, Tensor]:
    """The same with an optimizer of torch on the same parameters."""
    batches = parts.data.train.stream(parts.order.updates(0))
    rates = [group["lr"] for group in optimizer.param_groups]
    for step in range(steps):
        (batch,) = next(batches)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate / (1 + step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(parts.model(batch.inputs), batch.targets).backward()
        optimizer.step()
    return weights(parts)


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert all(tensor.dtype == torch.float64 for tensor in found.values())
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-10, atol=1e-12, msg=name)


GROUPS = 'groups: [{match: "bias$", weight_decay: 0}, {match: head, lr: 0.5}, {match: layers.0, lr: 0.1x, OTHER}]'
RULES: dict[str, tuple[str, Callable[[Any], torch.optim.Optimizer], str, dict[str, Any]]] = {
    "sgd": (
        "{type: sgd, lr: 0.3, momentum: 0.9, nesterov: true, weight_decay: 0.1, GROUPS}",
        lambda groups: torch.optim.SGD(groups, lr=0.3, momentum=0.9, nesterov=True, weight_decay=0.1),
        "momentum: 0.5",
        {"momentum": 0.5},
    ),
    "adamw": (
        "{type: adamw, lr: 0.03, weight_decay: 0.2, GROUPS}",
        lambda groups: torch.optim.AdamW(groups, lr=0.03, weight_decay=0.2),
        "betas: [0.5, 0.7]",
        {"betas": (0.5, 0.7)},
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_groups_are_those_of_torch(name: str, write: Write) -> None:
    written, make, setting, other = RULES[name]
    ours = written.replace("GROUPS", GROUPS.replace("OTHER", setting))
    theirs = parts_of(write, ours)
    p = dict(theirs.model.named_parameters())
    lr = theirs.optimizers["model"].rule.lr
    groups = [
        {"params": [v for n, v in p.items() if n.endswith("bias")], "weight_decay": 0},
        {"params": [p["head.weight"]], "lr": 0.5},
        {"params": [p["body.layers.0.linear.weight"]], "lr": 0.1 * lr, **other},
        {"params": [p["body.layers.1.linear.weight"]]},
    ]
    expected = by_torch(theirs, make(groups), 7)
    assert_same(trained(parts_of(write, ours), range(7)), expected)


def by_hand(parts: Parts, change: Callable[[str, int, Tensor, Tensor, dict[str, Tensor]], None], steps: int) -> None:
    """Trains by a formula that changes each weight in place."""
    batches = parts.data.train.stream(parts.order.updates(0))
    memories: dict[str, dict[str, Tensor]] = {name: {} for name, _ in parts.model.named_parameters()}
    for step in range(steps):
        (batch,) = next(batches)
        found = gradients(parts, batch)
        with torch.no_grad():
            for (name, p), gradient in zip(parts.model.named_parameters(), found, strict=True):
                change(name, step + 1, p, gradient, memories[name])


def test_lion_in_groups_follows_its_formula(write: Write) -> None:
    optimizer = '{type: lion, lr: 0.01, weight_decay: 0.3, groups: [{match: "bias$|head", weight_decay: 0, lr: 3x}]}'

    def change(name: str, t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> None:
        is_other = name.endswith("bias") or "head" in name
        lr, decay = (0.03, 0.0) if is_other else (0.01, 0.3)
        m = memory.get("m", torch.zeros_like(w))
        w.sub_(lr / t * ((0.9 * m + 0.1 * g).sign() + decay * w))
        memory["m"] = 0.99 * m + 0.01 * g

    expected = parts_of(write, optimizer)
    by_hand(expected, change, 6)
    assert_same(trained(parts_of(write, optimizer), range(6)), weights(expected))


def test_rmsprop_in_groups_follows_its_formula(write: Write) -> None:
    optimizer = "{type: rmsprop, lr: 0.01, groups: [{match: layers.0, alpha: 0.5}, {match: head, eps: 0.1}]}"

    def change(name: str, t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> None:
        alpha, eps = 0.5 if "layers.0" in name else 0.9, 0.1 if "head" in name else 1e-8
        v = memory["v"] = alpha * memory.get("v", torch.zeros_like(w)) + (1 - alpha) * g**2
        w.sub_(0.01 / t * g / (v.sqrt() + eps))

    expected = parts_of(write, optimizer)
    by_hand(expected, change, 6)
    assert_same(trained(parts_of(write, optimizer), range(6)), weights(expected))


def test_a_factor_holds_for_every_rate_of_muon(write: Write) -> None:
    """Its own, of hidden matrices, and AdamW's of the rest: as with a tenth of both for all."""
    whole = parts_of(write, "{type: muon, lr: 0.02, rest_lr: 0.003}")
    lower = parts_of(write, "{type: muon, lr: 0.02, rest_lr: 0.003, groups: [{match: ., lr: 0.1x}]}")
    tenth = parts_of(write, "{type: muon, lr: 0.002, rest_lr: 0.0003}")
    assert_same(trained(lower, range(4)), trained(tenth, range(4)))
    assert moved(weights(tenth), trained(whole, range(4)))


def test_the_first_group_that_matches_holds(write: Write) -> None:
    parts = parts_of(write, "{type: sgd, groups: [{match: head}, {match: weight$, lr: 0.5}, {match: ., frozen: true}]}")
    found = {name: how.group.match if how.group else None for name, how in parts.optimizers["model"].treatments.items()}
    assert found["head.bias"] == found["head.weight"] == "head"
    assert found["body.layers.1.linear.weight"] == "weight$" and found["body.layers.1.linear.bias"] == "."


def test_what_a_group_leaves_without_effect_is_at_its_default_there(write: Write) -> None:
    """Decoupled weight decay needs a weight decay; in the group there is none to decouple."""
    optimizer = "{type: sgd, lr: 0.1, weight_decay: 0.5, decoupled: true, groups: [{match: bias$, weight_decay: 0}]}"

    def change(name: str, t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> None:
        w.sub_(0.1 / t * (g + (0 if name.endswith("bias") else 0.5) * w))

    expected = parts_of(write, optimizer)
    by_hand(expected, change, 4)
    assert_same(trained(parts_of(write, optimizer), range(4)), weights(expected))


FROZEN = "{type: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.1, groups: [{match: layers.0, frozen: %s}]}"
PENALTY = "[{type: l2, weight: 0.1}, {type: max_norm, largest: 0.01}]"


def test_what_is_frozen_is_left_as_it_is(write: Write) -> None:
    """Whatever the weight decay, penalties, constraints and running statistics would make of it."""
    parts = parts_of(write, FROZEN % "true", norm="batch", regularizers=PENALTY)
    before, after = weights(parts), trained(parts, range(7))
    assert moved(before, after) == {name for name in before if "layers.0" not in name}
    first = parts.model.get_submodule("body.layers.0")
    assert not any(p.requires_grad for p in first.parameters())
    assert all(p.requires_grad for name, p in parts.model.named_parameters() if "layers.0" not in name)
    assert not any("layers.0" in name for name in parts.optimizers["model"].state())


def test_a_frozen_part_normalises_with_its_running_statistics_also_after_an_evaluation(write: Write) -> None:
    parts = parts_of(write, FROZEN % "true", norm="batch")
    norm = parts.model.get_submodule("body.layers.0.norm")
    assert isinstance(norm, nn.BatchNorm1d) and norm.running_mean is not None
    norm.running_mean.normal_()
    before = weights(parts)
    seen: list[Tensor] = []
    norm.register_forward_hook(lambda module, arguments, output: seen.append((arguments[0], output)))
    for start in (0, 2):  # each call puts the whole network in training mode first
        after = trained(parts, range(start, start + 2))
    for x, y in seen:
        expected = (x - before["body.layers.0.norm.running_mean"]) / (1 + norm.eps) ** 0.5
        torch.testing.assert_close(y, expected)
    assert not any("layers.0" in name for name in moved(before, after))


def test_a_norm_that_is_trained_in_part_goes_on_with_its_statistics(write: Write) -> None:
    parts = parts_of(write, "{type: sgd, groups: [{match: norm.weight$, frozen: true}]}", norm="batch")
    before = weights(parts)
    still = set(before) - moved(before, trained(parts, range(3)))
    assert {name for name in still if "norm" in name} == {"body.layers.0.norm.weight", "body.layers.1.norm.weight"}


def test_what_is_frozen_for_a_while_is_trained_as_if_it_began_then(write: Write) -> None:
    """An epoch has 3 steps; the momentum, and the decay, begin at the 4th."""
    optimizer = FROZEN % "1 epoch"

    def change(name: str, t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> None:
        if "layers.0" in name and t <= 3:
            return
        v = memory["v"] = 0.9 * memory.get("v", torch.zeros_like(w)) + g + 0.1 * w
        w.sub_(0.1 / t * v)

    expected, parts = parts_of(write, optimizer), parts_of(write, optimizer)
    by_hand(expected, change, 7)
    before = weights(parts)
    assert not any("layers.0" in name for name in moved(before, trained(parts, range(3))))
    assert_same(trained(parts, range(3, 7)), weights(expected))
    assert all(p.requires_grad for p in parts.model.parameters())


def test_running_statistics_go_on_when_their_layer_is_thawed(write: Write) -> None:
    parts = parts_of(write, FROZEN % "2 steps", norm="batch")
    before, frozen, thawed = weights(parts), trained(parts, range(2)), trained(parts, range(2, 3))
    statistic = "body.layers.0.norm.running_mean"
    assert torch.equal(before[statistic], frozen[statistic]) and not torch.equal(frozen[statistic], thawed[statistic])
    assert int(thawed["body.layers.0.norm.num_batches_tracked"]) == 1


def test_the_state_of_another_group_is_not_touched_while_one_is_frozen(write: Write) -> None:
    parts = parts_of(write, FROZEN % "2 steps")
    trained(parts, range(2))
    moving = {name: bool(t.any()) for name, t in parts.optimizers["model"].state().items()}
    assert moving == {name: "layers.0" not in name for name in moving} and len(moving) == 6


@pytest.mark.parametrize("rule", ["lbfgs", "hessian_free"])
def test_rules_that_step_all_parameters_together_can_freeze_some(rule: str, write: Write) -> None:
    groups = "[{match: layers.0, frozen: true}, {match: ^head, frozen: 1 step}]"
    parts = parts_of(write, f"{{type: {rule}, groups: {groups}}}")
    before, first = weights(parts), trained(parts, range(1))
    assert moved(before, first) == {"body.layers.1.linear.weight", "body.layers.1.linear.bias"}
    assert moved(first, trained(parts, range(1, 2))) == {name for name in before if "layers.0" not in name}


def test_each_of_several_objectives_has_its_groups(write: Write) -> None:
    config = """
name: my
data: {type: ring, examples: 100}
model: {type: gan, noise: 2, networks: {type: dense, hidden: [4, 3]}}
task: gan
optimizer:
  discriminator: {type: sgd, groups: [{match: "bias$", frozen: true}]}
  generator: {type: sgd, groups: GROUPS}
trainer: {length: 20 steps}
"""
    parts = assemble(load(write(config.replace("GROUPS", '[{match: "^generator.0", frozen: 10%}]'))))
    before, first = weights(parts), trained(parts, range(2))
    biases = {name for name in before if name.startswith("discriminator") and name.endswith("bias")}
    kept = biases | {name for name in before if name.startswith("generator.0")}
    assert set(before) - moved(before, first) == kept
    assert set(before) - moved(first, trained(parts, range(2, 4))) == biases
    with pytest.raises(
        ConfigError, match=r"optimizer.generator.groups.0.match: '\^discriminator' matches no parameter"
    ):
        assemble(load(write(config.replace("GROUPS", '[{match: "^discriminator"}]'))))


def test_one_rule_for_several_objectives_may_have_groups_in_each(write: Write) -> None:
    path = write("""
name: my
data: {type: ring, examples: 100}
model: {type: gan, noise: 2, networks: {type: dense, hidden: [4]}}
task: gan
optimizer: {type: sgd, lr: 0.5, groups: [{match: "^generator", lr: 0.5x}]}
trainer: {length: 4 steps}
""")
    factors = {
        name: {how.factor for how in optimizer.treatments.values()}
        for name, optimizer in assemble(load(path)).optimizers.items()
    }
    assert factors == {"discriminator": {1.0}, "generator": {0.5}}


PLUGIN = """
from nntrain.registry import optimizer
from nntrain.settings import Positive

@optimizer("signs")
class Signs:
    \"\"\"Steps of one size.\"\"\"

    def __init__(self, *, lr: Positive = 0.01, power: Positive = 1.0) -> None:
        self.lr, self.power = lr, power

    def start(self, parameters):
        return {}

    def step(self, problem, state, lr):
        for p, g in zip(problem.parameters, problem.gradients):
            p.sub_(lr**self.power * g.sign())
"""


def test_a_rule_of_the_users_own_takes_groups_of_its_own_settings(write: Write) -> None:
    plugin = write(PLUGIN, "signs.py")
    parts = parts_of(write, "{type: signs, groups: [{match: head, power: 2, lr: 2x}]}", plugins=f"[{plugin}]")
    before, after = weights(parts), trained(parts, range(1))
    for name, tensor in before.items():
        size = 0.02**2 if "head" in name else 0.01
        assert float((after[name] - tensor).abs().max()) == pytest.approx(size, rel=1e-9)
    with pytest.raises(ConfigError, match=r"unknown setting of optimizer\.groups\.0; did you mean 'power'"):
        parts_of(write, "{type: signs, groups: [{match: head, powr: 2}]}", plugins=f"[{plugin}]")


@pytest.mark.parametrize(
    ("groups", "setting", "message"),
    [
        (
            '[{match: "bias$", weight_deca: 0}]',
            "groups.0.weight_deca",
            "unknown setting of optimizer.groups.0; did you mean 'weight_decay'?",
        ),
        ("[{lr: 0.1x}]", "groups.0", "needs the setting 'match': text"),
        ("[{match: head, momentum: 1}]", "groups.0.momentum", "expected a number at least 0 and less than 1, found 1"),
        ("[{match: head, lr: fast}]", "groups.0.lr", "or a factor of the optimizer's rate such as 0.1x, found 'fast'"),
        (
            "[{match: head, lr: 0x}]",
            "groups.0.lr",
            "it must be greater than 0; frozen: true leaves parameters as they are",
        ),
        ("[{match: head, frozen: yes}]", "groups.0.frozen", "expected true or false or a duration such as 20 epochs,"),
        ("[{match: head, frozen: 3}]", "groups.0.frozen", "expected true or false, found 3"),
        ("[{match: conv}]", "groups.0.match", "'conv' matches no parameter; there are body.layers.0.linear.weight"),
        (
            "[{match: head}, {match: ^head.b}]",
            "groups.1.match",
            "all that '^head.b' matches belongs to earlier groups ('head')",
        ),
        ("[{match: (}]", "groups.0.match", "'(' is not a regular expression"),
        (
            "[{match: head, frozen: true, momentum: 0.1}]",
            "groups.0.momentum",
            "the group is always frozen, so that this has no effect",
        ),
        ("[{match: ., frozen: 1 epoch}]", "groups", "leave something to train from the first step on"),
        ("[{match: head, momentum: 0, nesterov: true}]", "groups.0.nesterov", "nesterov needs momentum"),
        ("{match: head}", "groups", "expected a list"),
    ],
)
def test_mistakes_are_pointed_at(groups: str, setting: str, message: str, write: Write) -> None:
    with pytest.raises(ConfigError) as error:
        parts_of(write, f"{{type: sgd, momentum: 0.9, groups: {groups}}}")
    (first, *others) = [line for line in str(error.value).splitlines() if ".yaml:" in line]
    assert "my.yaml:5:" in first and f": optimizer.{setting}: " in first and message in first
    assert not others


@pytest.mark.parametrize("setting", ["lr: 0.5x", "lr: 0.5", "memory: 3"])
def test_rules_that_step_all_parameters_together_refuse_other_groups(setting: str, write: Write) -> None:
    with pytest.raises(ConfigError, match=r"optimizer.groups.0.\w+: this optimizer takes one step of all parameters"):
        parts_of(write, f"{{type: lbfgs, groups: [{{match: head, {setting}}}]}}")


@pytest.mark.parametrize(("text", "factor"), [("0.1x", 0.1), ("2 x", 2.0), (".5x", 0.5), ("1e-3x", 0.001)])
def test_factors(text: str, factor: float) -> None:
    assert parse_times(text) == Times(factor)


@pytest.mark.parametrize("wrong", ["x", "-1x", "0x", "1", 1, None, True, "x2", "1e999x"])
def test_what_is_no_factor(wrong: object) -> None:
    with pytest.raises(ValueError):
        parse_times(wrong)


EXTENDED = """
extends: base.yaml
optimizer: {groups: [{match: head, lr: 2x}]}
"""


def test_groups_come_from_a_parent_or_the_command_line_as_well(command: Command, write: Write) -> None:
    parent = "{type: sgd, lr: 0.5, groups: [{match: bias$}]}"
    write(CONFIG.format(optimizer=parent, norm="none", regularizers="[]"), "base.yaml")
    write(EXTENDED)
    (head, rest) = command("check", "my.yaml", "--json").json["groups"]
    assert (head["match"], head["lr"], head["parameters"], rest["match"]) == ("head", 1.0, 60, None)
    given = ("optimizer.groups=[{match: bias$, frozen: true}, {match: layers.0, lr: 0.1}]",)
    facts = command("check", "my.yaml", *given, "--json").json
    assert [(g["match"], g["tensors"], g["lr"], g["first_step"]) for g in facts["groups"]] == [
        ("bias$", 3, 0.5, None), ("layers.0", 1, 0.1, 0), (None, 2, 0.5, 0),
    ]  # fmt: skip
    assert facts["model"] == {**facts["model"], "parameters": 485, "trained": 485 - 21}
    shown = command("show", "config", "my.yaml", "optimizer.groups.0.lr=0.25x")
    assert "      lr: 0.25x" in shown.out
    assert "# model, head: 60 parameters, rate 0.125 before the schedule, trained always" in shown.out


def test_check_tells_what_is_trained(command: Command, write: Write) -> None:
    write(CONFIG.format(optimizer=FROZEN % "2 epochs", norm="batch", regularizers="[]"))
    shown = command("check", "my.yaml")
    assert shown.status == 0
    assert "507 parameters, 105 of them trained and 402 frozen at the first step" in " ".join(shown.out.split())
    assert [line.split() for line in shown.out.splitlines() if line.startswith("  layers.0")] == [
        ["layers.0", "4", "402", "0.1", "after", "6", "steps"]
    ]
    assert "frozen by the model itself" not in shown.out
