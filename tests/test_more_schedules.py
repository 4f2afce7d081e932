"""Schedules against their closed forms at the start, one step later, in the middle and at the end."""

import math
import signal
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.clock import Clock, Duration
from nntrain.registry import Registry
from nntrain.schedulers import Warmup
from nntrain.schedulers.cosine_restarts import cosine_restarts
from nntrain.schedulers.exponential import exponential
from nntrain.schedulers.inverse_sqrt import inverse_sqrt
from nntrain.schedulers.inverse_time import inverse_time
from nntrain.schedulers.multi_step import multi_step
from nntrain.schedulers.one_cycle import one_cycle
from nntrain.schedulers.polynomial import polynomial
from nntrain.schedulers.trapezoid import trapezoid
from runs import at_step, instant_disk, records  # noqa: F401

T = 200
MOMENTS = (0, 1, T // 2, T)


def steps(n: int) -> Duration:
    return Duration(n, "steps")


def factors(kind: Any, warmup: Duration | None = None, total: int = T, **settings: Any) -> list[float]:
    of = Warmup(partial(kind, **settings), Clock(total, steps_per_epoch=10), warmup=warmup)
    return [of(i / total) for i in range(total + 1)]


@pytest.mark.parametrize(
    ("kind", "settings", "closed"),
    [
        (multi_step, {"at": [steps(50), Duration(15, "epochs")]}, lambda t: 0.1 ** ((t >= 50) + (t >= 150))),
        (multi_step, {"at": [Duration(50, "%")], "factor": 0.5}, lambda t: 0.5 if t >= 100 else 1.0),
        (exponential, {"final": 0.001}, lambda t: math.exp(math.log(0.001) * t / T)),
        (inverse_time, {"half": steps(20)}, lambda t: 20 / (20 + t)),
        (inverse_sqrt, {"scale": Duration(2, "epochs")}, lambda t: (20 / (20 + t)) ** 0.5),
        (polynomial, {"power": 0.9, "final": 0.1}, lambda t: 0.1 + 0.9 * (1 - t / T) ** 0.9),
        (trapezoid, {"decay": steps(50), "final": 0.2}, lambda t: 1 if t <= 150 else 1 - 0.8 * (t - 150) / 50),
        (cosine_restarts, {"first": steps(50)}, lambda t: (1 + math.cos(math.pi * (t % 50) / 50)) / 2),
        (
            one_cycle,
            {"rise": 0.25, "start": 0.1, "final": 0.01},
            lambda t: (
                0.1 + 0.9 * (1 - math.cos(math.pi * t / 50)) / 2
                if t < 50
                else 0.01 + 0.99 * (1 + math.cos(math.pi * (t - 50) / 150)) / 2
            ),
        ),
    ],
)
def test_closed_form(kind: Any, settings: dict[str, Any], closed: Any) -> None:
    found = factors(kind, **settings)
    assert found == pytest.approx([closed(t) for t in range(T + 1)], abs=1e-12)
    assert all(0 <= found[t] <= 1 for t in MOMENTS)


def torchs(kind: Any, total: int = T, **settings: Any) -> list[float]:
    """The rates of a schedule of torch's, for a full rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = kind(optimizer, **settings)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(total):
            found.append(optimizer.param_groups[0]["lr"])
            schedule.step()
    return found


@pytest.mark.parametrize(
    ("ours", "settings", "theirs", "named"),
    [
        (multi_step, {"at": [steps(30), steps(80)]}, "MultiStepLR", {"milestones": [30, 80]}),
        (exponential, {"final": 0.5}, "ExponentialLR", {"gamma": 0.5 ** (1 / T)}),
        (polynomial, {"power": 2.0}, "PolynomialLR", {"total_iters": T, "power": 2.0}),
        (cosine_restarts, {"first": steps(50)}, "CosineAnnealingWarmRestarts", {"T_0": 50}),
        (
            cosine_restarts,
            {"first": steps(10), "growth": 2.0, "final": 0.1},
            "CosineAnnealingWarmRestarts",
            {"T_0": 10, "T_mult": 2, "eta_min": 0.1},
        ),
    ],
)
def test_torchs_schedule(ours: Any, settings: dict[str, Any], theirs: str, named: dict[str, Any]) -> None:
    expected = torchs(getattr(torch.optim.lr_scheduler, theirs), **named)
    assert factors(ours, **settings)[:T] == pytest.approx(expected, abs=1e-9)


def test_one_cycle_is_torchs_but_for_its_counting_from_one() -> None:
    theirs = torchs(torch.optim.lr_scheduler.OneCycleLR, max_lr=1.0, total_steps=T + 1)
    ours = factors(one_cycle)
    assert ours[0] == pytest.approx(theirs[0])
    assert max(ours) == pytest.approx(1.0)
    assert ours[-1] == pytest.approx(4e-6)
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=False)) < 0.03


def test_the_transformers_schedule_is_inverse_sqrt_after_a_warmup_of_its_scale() -> None:
    found = factors(inverse_sqrt, warmup=steps(20), scale=steps(20))
    expected = [min((t + 1) / 20, 1.0) if t < 20 else math.sqrt(20 / t) for t in range(T + 1)]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    "kind", [multi_step, exponential, inverse_time, inverse_sqrt, polynomial, trapezoid, cosine_restarts, one_cycle]
)
@pytest.mark.parametrize("total", [1, 2, 3, 7, 101])
def test_every_schedule_stays_between_nothing_and_the_full_rate(kind: Any, total: int) -> None:
    for warmup in (None, steps(1), Duration(50, "%")):
        assert all(0 <= factor <= 1 for factor in factors(kind, warmup=warmup, total=total))


RUN = """
data: {type: iris, batch_size: 30}
model: linear
optimizer: {type: sgd, lr: 0.5}
scheduler: {type: NAME, warmup: 2 steps}
trainer: {length: 12 steps, evaluate: 1 step, save: 1 step, preflight: false, samples: false}
"""


@pytest.mark.parametrize("name", Registry().names("scheduler"))
def test_a_resumed_run_goes_on_at_the_same_rates(
    name: str, command: Callable[..., Any], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(RUN.replace("NAME", name))
    whole = Path(command("fit", config, "--json").json["run"])
    with monkeypatch.context() as patch:
        at_step(patch, 5, lambda: signal.raise_signal(signal.SIGINT))
        stopped = command("fit", config, "--json")
    assert stopped.status == 130 and 5 <= stopped.json["steps"] < 12
    run = Path(stopped.json["run"])
    assert command("fit", "--resume", run).status == 0
    rates = [record["train"]["lr"] for record in records(run)]
    assert rates == [record["train"]["lr"] for record in records(whole)]
    assert rates[:2] == pytest.approx([0.25, 0.5]) and len(rates) == 12
