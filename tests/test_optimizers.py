"""Update rules against their formulas, and against torch.optim."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError, UserError
from nntrain.optimizers import Optimizer, Rule
from nntrain.optimizers.adadelta import Adadelta
from nntrain.optimizers.adagrad import Adagrad
from nntrain.optimizers.adam import Adam, AdamW
from nntrain.optimizers.adamax import AdaMax
from nntrain.optimizers.lion import Lion
from nntrain.optimizers.muon import QUINTIC, Muon, orthogonal
from nntrain.optimizers.nadam import NAdam
from nntrain.optimizers.rmsprop import RMSprop
from nntrain.optimizers.sgd import SGD

STEPS = 20
SHAPES = [(3, 4), (5,), ()]
NO_CLOSURE: Any = None  # these rules ask for nothing but the gradient

RULES: dict[str, tuple[Rule, Callable[[Any], torch.optim.Optimizer]]] = {
    "plain sgd": (SGD(lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (SGD(lr=0.1, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "nesterov": (
        SGD(lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.02),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.02),
    ),
    "decay": (SGD(lr=0.1, weight_decay=0.05), lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.05)),
    "adam": (Adam(lr=0.01, betas=[0.8, 0.95], eps=1e-6), lambda p: torch.optim.Adam(p, 0.01, (0.8, 0.95), 1e-6)),
    "adamw": (
        AdamW(lr=0.01, betas=[0.8, 0.95], eps=1e-6, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, 0.01, (0.8, 0.95), 1e-6, 0.1),
    ),
    "adagrad": (
        Adagrad(lr=0.1, start=0.5, eps=1e-8),
        lambda p: torch.optim.Adagrad(p, 0.1, initial_accumulator_value=0.5, eps=1e-8),
    ),
    "adadelta": (Adadelta(lr=0.7, rho=0.8, eps=1e-5), lambda p: torch.optim.Adadelta(p, 0.7, 0.8, 1e-5)),
    "rmsprop": (RMSprop(lr=0.01, alpha=0.8), lambda p: torch.optim.RMSprop(p, 0.01, 0.8)),
    "rmsprop with all": (
        RMSprop(lr=0.01, alpha=0.8, momentum=0.9, centered=True, eps=1e-6),
        lambda p: torch.optim.RMSprop(p, 0.01, 0.8, 1e-6, momentum=0.9, centered=True),
    ),
    "adamax": (AdaMax(lr=0.02, betas=[0.8, 0.9]), lambda p: torch.optim.Adamax(p, 0.02, (0.8, 0.9))),
    "nadam": (
        NAdam(lr=0.02, betas=[0.8, 0.9], momentum_decay=0.01),
        lambda p: torch.optim.NAdam(p, 0.02, (0.8, 0.9), momentum_decay=0.01),
    ),
}
every_rule = pytest.mark.parametrize("name", RULES)


def model(dtype: torch.dtype = torch.float64) -> nn.ParameterList:
    generator = torch.Generator().manual_seed(0)
    return nn.ParameterList([nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in SHAPES])


def gradients(dtype: torch.dtype = torch.float64) -> Iterator[list[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        yield [torch.randn(shape, generator=generator, dtype=dtype) for shape in SHAPES]


def trained(rule: Rule) -> nn.ParameterList:
    part = model()
    optimizer = Optimizer(rule, part)
    for gradient in gradients():
        optimizer.step(gradient, 1.0, NO_CLOSURE)
    return part


def by_formula(change: Callable[[int, Tensor, Tensor, dict[str, Tensor]], Tensor]) -> list[Tensor]:
    """The weights when `change(t, weight, gradient, memory)` gives the new weight of step t = 1, 2, ..."""
    weights = [p.detach().clone() for p in model()]
    memories: list[dict[str, Tensor]] = [{} for _ in weights]
    for t, gradient in enumerate(gradients(), start=1):
        weights = [change(t, *each) for each in zip(weights, gradient, memories, strict=True)]
    return weights


def assert_same(part: nn.ParameterList, weights: list[Tensor]) -> None:
    for p, weight in zip(part, weights, strict=True):
        torch.testing.assert_close(p.detach(), weight, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_follows_its_formula(momentum: float, nesterov: bool, decay: float) -> None:
    def change(t: int, w: Tensor, gradient: Tensor, memory: dict[str, Tensor]) -> Tensor:
        g = gradient + decay * w
        v = memory["v"] = momentum * memory.get("v", torch.zeros_like(w)) + g
        return w - 0.1 * (g + momentum * v if nesterov else v)

    rule = SGD(lr=0.1, momentum=momentum, nesterov=nesterov, weight_decay=decay)
    assert_same(trained(rule), by_formula(change))


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(UnfitError, match="nesterov needs momentum") as error:
        SGD(nesterov=True)
    assert error.value.path == ("nesterov",)


def adam_step(t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> Tensor:
    m = memory["m"] = 0.8 * memory.get("m", torch.zeros_like(w)) + 0.2 * g
    v = memory["v"] = 0.95 * memory.get("v", torch.zeros_like(w)) + 0.05 * g**2
    return w - 0.01 * (m / (1 - 0.8**t)) / ((v / (1 - 0.95**t)).sqrt() + 1e-3)


def test_adam_follows_its_formula() -> None:
    assert_same(trained(Adam(lr=0.01, betas=[0.8, 0.95], eps=1e-3)), by_formula(adam_step))


def test_adamw_follows_its_formula() -> None:
    rule = AdamW(lr=0.01, betas=[0.8, 0.95], eps=1e-3, weight_decay=0.5)
    assert_same(trained(rule), by_formula(lambda t, w, g, memory: adam_step(t, w - 0.01 * 0.5 * w, g, memory)))


@every_rule
def test_rules_do_what_torch_does(name: str) -> None:
    rule, make = RULES[name]
    theirs = model()
    optimizer = make(theirs.parameters())
    for gradient in gradients():
        for p, g in zip(theirs, gradient, strict=True):
            p.grad = g
        optimizer.step()
    assert_same(trained(rule), [p.detach() for p in theirs])


@pytest.mark.parametrize("rule", [Adam(), AdamW()])
def test_defaults_are_those_of_torch(rule: Rule) -> None:
    theirs = getattr(torch.optim, type(rule).__name__)([torch.zeros(1)]).defaults
    assert vars(rule) == {name: list(v) if name == "betas" else v for name, v in theirs.items() if name in vars(rule)}


@every_rule
def test_the_factor_is_a_lower_rate(name: str) -> None:
    rule, make = RULES[name]
    halved, theirs = model(), model()
    ours, reference = Optimizer(rule, halved), make(theirs.parameters())
    for group in reference.param_groups:
        group["lr"] /= 2
    for gradient in gradients():
        ours.step(gradient, 0.5, NO_CLOSURE)
        for p, g in zip(theirs, gradient, strict=True):
            p.grad = g
        reference.step()
    assert_same(halved, [p.detach() for p in theirs])


@every_rule
def test_a_step_leaves_the_gradients_as_they_are(name: str) -> None:
    gradient = next(gradients())
    before = [g.clone() for g in gradient]
    Optimizer(RULES[name][0], model()).step(gradient, 1.0, NO_CLOSURE)
    assert all(torch.equal(a, b) for a, b in zip(gradient, before, strict=True))


@every_rule
def test_a_restored_optimizer_goes_on_as_if_it_had_never_stopped(name: str) -> None:
    rule = RULES[name][0]
    whole, stopped, resumed = model(), model(), model()
    never, before, after = (Optimizer(rule, part) for part in (whole, stopped, resumed))
    for step, gradient in enumerate(gradients()):
        never.step(gradient, 1.0, NO_CLOSURE)
        if step == STEPS // 2:
            stored = {key: tensor.clone() for key, tensor in before.state().items()}
            resumed.load_state_dict(stopped.state_dict())
            after.restore(stored)
        (before if step < STEPS // 2 else after).step(gradient, 1.0, NO_CLOSURE)
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(whole, stopped, strict=True))


def test_the_state_is_named_after_the_parameters() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1, bias=False))
    names = ["0.weight", "0.bias", "1.weight"]
    assert set(Optimizer(SGD(), net).state()) == set()
    assert set(Optimizer(SGD(momentum=0.9), net).state()) == {f"momentum.{name}" for name in names}
    keys = {f"{key}.{name}" for key in ("mean", "square", "steps") for name in names}
    assert set(Optimizer(Adam(), net).state()) == keys


def test_a_state_of_another_rule_or_model_is_refused() -> None:
    optimizer = Optimizer(Adam(), model())
    stored = optimizer.state()
    del stored["square.1"]
    with pytest.raises(UserError, match="not that of Adam"):
        optimizer.restore(stored)
    with pytest.raises(UserError, match="not that of Adam"):
        optimizer.restore({name: tensor[None] for name, tensor in optimizer.state().items()})


def test_only_trained_parameters_are_optimised() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    net[0].requires_grad_(False)
    assert list(Optimizer(SGD(momentum=0.9), net).state()) == ["momentum.1.weight", "momentum.1.bias"]


def test_adams_first_step_is_the_rate_whatever_the_gradients_size() -> None:
    """m / sqrt(v) is the gradient's sign after the first step."""
    for size in (1e-3, 1.0, 1e3):
        part = nn.ParameterList([nn.Parameter(torch.zeros(2, dtype=torch.float64))])
        Optimizer(Adam(lr=0.01, eps=1e-12), part).step(
            [torch.tensor([size, -size], dtype=torch.float64)], 1.0, NO_CLOSURE
        )
        assert part[0].tolist() == pytest.approx([-0.01, 0.01])
        assert math.isclose(float(part[0].detach().sum()), 0, abs_tol=1e-15)


def test_adagrad_by_its_formula() -> None:
    def change(t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> Tensor:
        memory["s"] = memory.get("s", torch.tensor(0.25)) + g**2
        return w - 0.1 * g / (memory["s"].sqrt() + 1e-10)

    assert_same(trained(Adagrad(lr=0.1, start=0.25)), by_formula(change))


def test_adadelta_by_its_formula() -> None:
    def change(t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> Tensor:
        memory["s"] = 0.9 * memory.get("s", 0) + 0.1 * g**2
        change = g * (memory.get("u", torch.zeros_like(g)) + 1e-6).sqrt() / (memory["s"] + 1e-6).sqrt()
        memory["u"] = 0.9 * memory.get("u", 0) + 0.1 * change**2
        return w - 0.5 * change

    assert_same(trained(Adadelta(lr=0.5)), by_formula(change))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop_by_its_formula(momentum: float, centered: bool) -> None:
    def change(t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> Tensor:
        memory["s"] = 0.8 * memory.get("s", 0) + 0.2 * g**2
        memory["m"] = 0.8 * memory.get("m", 0) + 0.2 * g
        variance = memory["s"] - (memory["m"] ** 2 if centered else 0)
        memory["v"] = momentum * memory.get("v", 0) + g / (variance.sqrt() + 1e-8)
        return w - 0.01 * memory["v"]

    rule = RMSprop(lr=0.01, alpha=0.8, momentum=momentum, centered=centered)
    assert_same(trained(rule), by_formula(change))


def test_adamax_by_its_formula() -> None:
    def change(t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> Tensor:
        memory["m"] = 0.8 * memory.get("m", 0) + 0.2 * g
        memory["u"] = torch.maximum(0.9 * memory.get("u", torch.zeros_like(g)), g.abs() + 1e-8)
        return w - 0.02 * memory["m"] / ((1 - 0.8**t) * memory["u"])

    assert_same(trained(AdaMax(lr=0.02, betas=[0.8, 0.9])), by_formula(change))


def test_nadam_by_its_formula() -> None:
    def momentum(t: int) -> float:
        return 0.8 * (1 - 0.5 * 0.96 ** (t * 0.01))

    def change(t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> Tensor:
        memory["m"] = 0.8 * memory.get("m", 0) + 0.2 * g
        memory["v"] = 0.9 * memory.get("v", 0) + 0.1 * g**2
        now, ahead = (math.prod(momentum(i) for i in range(1, n + 1)) for n in (t, t + 1))
        mixed = momentum(t + 1) * memory["m"] / (1 - ahead) + (1 - momentum(t)) * g / (1 - now)
        return w - 0.02 * mixed / ((memory["v"] / (1 - 0.9**t)).sqrt() + 1e-8)

    found = trained(NAdam(lr=0.02, betas=[0.8, 0.9], momentum_decay=0.01))
    for p, weight in zip(found, by_formula(change), strict=True):  # torch keeps the product of momenta in float32
        torch.testing.assert_close(p.detach(), weight, rtol=1e-6, atol=1e-7)


def test_lion_by_its_formula() -> None:
    def change(t: int, w: Tensor, g: Tensor, memory: dict[str, Tensor]) -> Tensor:
        m = memory.get("m", torch.zeros_like(g))
        memory["m"] = 0.9 * m + 0.1 * g
        return w - 0.01 * ((0.8 * m + 0.2 * g).sign() + 0.3 * w)

    assert_same(trained(Lion(lr=0.01, betas=[0.8, 0.9], weight_decay=0.3)), by_formula(change))


# --- Momentum's two forms and the decay's, with a rate that changes.

FACTORS = [1.0, 0.5, 0.25, 2.0]


def trained_with_changing_rate(rule: Rule) -> nn.ParameterList:
    part = model()
    optimizer = Optimizer(rule, part)
    for step, gradient in enumerate(gradients()):
        optimizer.step(gradient, FACTORS[step % len(FACTORS)], NO_CLOSURE)
    return part


@pytest.mark.parametrize("form", ["torch", "text_book"])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("decoupled", [False, True])
def test_both_forms_of_momentum_while_the_rate_changes(form: Any, nesterov: bool, decoupled: bool) -> None:
    def change(t: int, w: Tensor, gradient: Tensor, memory: dict[str, Tensor]) -> Tensor:
        lr = 0.1 * FACTORS[(t - 1) % len(FACTORS)]
        g = gradient if decoupled else gradient + 0.3 * w
        w = w * (1 - lr * 0.3) if decoupled else w
        v = memory.get("v", torch.zeros_like(w))
        if form == "torch":
            memory["v"] = 0.9 * v + g
            return w - lr * (g + 0.9 * memory["v"] if nesterov else memory["v"])
        memory["v"] = 0.9 * v - lr * g
        return w + (0.9 * memory["v"] - lr * g if nesterov else memory["v"])

    rule = SGD(lr=0.1, momentum=0.9, nesterov=nesterov, momentum_form=form, weight_decay=0.3, decoupled=decoupled)
    assert_same(trained_with_changing_rate(rule), by_formula(change))


def test_the_forms_of_momentum_differ_only_when_the_rate_changes() -> None:
    settings: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}
    rules = [SGD(momentum_form="torch", **settings), SGD(momentum_form="text_book", **settings)]
    one, other = (trained(rule) for rule in rules)
    assert_same(one, [p.detach() for p in other])
    one, other = (trained_with_changing_rate(rule) for rule in rules)
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("settings", "setting"), [({"momentum_form": "text_book"}, "momentum_form"), ({"decoupled": True}, "decoupled")]
)
def test_settings_of_sgd_that_would_do_nothing_are_refused(settings: dict[str, Any], setting: str) -> None:
    with pytest.raises(UnfitError) as error:
        SGD(**settings)
    assert error.value.path == (setting,)


# --- Muon.


class Deep(nn.Module):
    """An embedding, two hidden layers with a filter bank between them, a head: parameters of all kinds."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.embedding = nn.Embedding(7, 4)
        self.tall = nn.Linear(4, 9)
        self.filters = nn.Conv2d(3, 4, 3)
        self.wide = nn.Linear(9, 5, bias=False)
        self.head = nn.Linear(5, 3)
        self.double()
        for p in self.parameters():
            p.data.normal_(generator=generator)


def deep_gradients() -> Iterator[list[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        yield [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in Deep().parameters()]


MUON = Muon(lr=0.05, momentum=0.9, rest_lr=0.01, betas=[0.8, 0.95], weight_decay=0.1)


def test_muon_steps_hidden_matrices_along_orthogonal_ones_and_the_rest_as_adamw() -> None:
    net, rest = Deep(), Deep()
    optimizer = Optimizer(MUON, net)
    adamw = Optimizer(AdamW(lr=0.01, betas=[0.8, 0.95], weight_decay=0.1), rest)
    hidden = {name: p.detach().clone() for name, p in net.named_parameters()}
    hidden = {name: hidden[name] for name in ("tall.weight", "filters.weight", "wide.weight")}
    means = {name: torch.zeros_like(p) for name, p in hidden.items()}
    for gradient in deep_gradients():
        optimizer.step(gradient, 0.5, NO_CLOSURE)
        adamw.step(gradient, 0.5, NO_CLOSURE)
        for (name, _), g in zip(net.named_parameters(), gradient, strict=True):
            if name in hidden:
                means[name] = 0.9 * means[name] + g
                matrix = (g + 0.9 * means[name]).flatten(1)
                scale = math.sqrt(max(1, matrix.shape[0] / matrix.shape[1]))
                hidden[name] = hidden[name] * (1 - 0.025 * 0.1)
                hidden[name] = hidden[name] - 0.025 * scale * orthogonal(matrix).view_as(g)
    for (name, p), q in zip(net.named_parameters(), rest.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), hidden.get(name, q.detach()), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(8, 8), (20, 6), (6, 20), (1, 5)])
def test_muons_direction_is_nearly_orthogonal_and_that_of_torch(shape: tuple[int, int]) -> None:
    from torch.optim._muon import _zeropower_via_newtonschulz

    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix)
    inner = u.T @ found @ v.T
    assert (inner - inner.diag().diag()).abs().max() < 1e-4
    assert all(0.6 < size < 1.3 for size, old in zip(inner.diag().tolist(), s / s.norm(), strict=True) if old > 0.02)
    theirs = _zeropower_via_newtonschulz(matrix, QUINTIC, 5, 1e-7).float()
    torch.testing.assert_close(found, theirs, rtol=0.05, atol=0.02)  # theirs is in bfloat16


def test_muon_keeps_no_square_for_hidden_matrices_and_its_state_can_be_restored() -> None:
    net, other = Deep(), Deep()
    optimizer, resumed = Optimizer(MUON, net), Optimizer(MUON, other)
    state = optimizer.state()
    assert state["square.filters.weight"].numel() == state["square.tall.weight"].numel() == 0
    assert state["square.embedding.weight"].shape == net.embedding.weight.shape
    assert state["square.head.weight"].shape == net.head.weight.shape
    steps = list(deep_gradients())
    optimizer.step(steps[0], 1.0, NO_CLOSURE)
    other.load_state_dict(net.state_dict())
    resumed.restore({key: tensor.clone() for key, tensor in optimizer.state().items()})
    for each in (optimizer, resumed):
        each.step(steps[1], 1.0, NO_CLOSURE)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


def test_muon_with_hidden_matrices_only() -> None:
    net = nn.Sequential(nn.Linear(3, 4, bias=False))
    before = net[0].weight.detach().clone()
    Optimizer(Muon(), net).step([torch.ones(4, 3)], 1.0, NO_CLOSURE)
    assert not torch.equal(before, net[0].weight)
