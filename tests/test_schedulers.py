"""Schedules against their closed forms, as the loop calls them: with step / total."""

import math
from functools import partial
from typing import Any

import pytest

from nntrain.clock import Clock, Duration
from nntrain.schedulers import Schedule, Warmup
from nntrain.schedulers.constant import constant
from nntrain.schedulers.cosine import cosine
from nntrain.schedulers.linear import linear
from nntrain.schedulers.step import step

TOTALS = [1, 2, 3, 7, 10, 49, 97, 100, 101, 333, 1000, 1149, 4691]


def steps(n: int) -> Duration:
    return Duration(n, "steps")


def schedule(kind: Any, total: int, warmup: Duration | None = None, **settings: Any) -> Warmup:
    return Warmup(partial(kind, **settings), Clock(total, steps_per_epoch=10), warmup=warmup)


def factors(of: Schedule, total: int) -> list[float]:
    return [of(i / total) for i in range(total)]


@pytest.mark.parametrize("p", [0, 0.01, 0.5, 0.99, 1])
def test_constant(p: float) -> None:
    assert schedule(constant, 100)(p) == 1


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("p", [0, 0.01, 0.3, 0.5, 0.99, 1])
def test_cosine(p: float, final: float) -> None:
    expected = final + (1 - final) * (0.5 + 0.5 * math.cos(math.pi * p))
    assert schedule(cosine, 100, final=final)(p) == pytest.approx(expected, abs=1e-15)


def test_cosine_starts_at_the_rate_has_half_of_it_in_the_middle_and_ends_at_the_final_one() -> None:
    halfway = schedule(cosine, 100, final=0.2)
    assert [halfway(p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.6, 0.2])


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("p", [0, 0.01, 0.3, 0.5, 0.99, 1])
def test_linear(p: float, final: float) -> None:
    assert schedule(linear, 100, final=final)(p) == pytest.approx(1 - p + final * p, abs=1e-15)


@pytest.mark.parametrize("until", [steps(40), Duration(4, "epochs"), Duration(40, "%")])
def test_linear_reaches_its_last_rate_in_time_and_stays_there(until: Duration) -> None:
    found = factors(schedule(linear, 100, final=0.2, until=until), 100)
    assert found == pytest.approx([1 - 0.8 * min(i, 40) / 40 for i in range(100)])


@pytest.mark.parametrize("every", [steps(30), Duration(3, "epochs"), Duration(30, "%")])
def test_step(every: Duration) -> None:
    found = factors(schedule(step, 100, every=every, factor=0.5), 100)
    assert found == [1.0] * 30 + [0.5] * 30 + [0.25] * 30 + [0.125] * 10


def test_step_by_default_divides_by_ten_three_times() -> None:
    assert factors(schedule(step, 10), 10) == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3 + [0.001])


@pytest.mark.parametrize("total", [*range(1, 60), *TOTALS])
def test_step_changes_at_exactly_the_right_steps(total: int) -> None:
    for every in {1, 2, 3, 7, 10, 30, max(1, total // 3), total}:
        found = factors(schedule(step, total, every=steps(every), factor=0.5), total)
        assert found == [0.5 ** (i // every) for i in range(total)], every


@pytest.mark.parametrize("percent", [1, 7, 10, 30, 33, 50])
def test_step_counts_whole_shares_of_the_run(percent: int) -> None:
    """factor^floor(p / every), for shares that are a whole number of steps."""
    for total in (total for total in range(100, 3000, 50) if total * percent % 100 == 0):
        found = factors(schedule(step, total, every=Duration(percent, "%"), factor=0.5), total)
        assert found == [0.5 ** (100 * i // (percent * total)) for i in range(total)], total


@pytest.mark.parametrize("total", [149, 1001, 1149])
def test_step_does_not_drift_where_the_share_is_no_whole_number_of_steps(total: int) -> None:
    """A rate kept for 1% of 149 steps is left 99 times, not 148 times because 1.49 steps are rounded to 1."""
    for percent in (1, 30):
        last = schedule(step, total, every=Duration(percent, "%"), factor=0.5)((total - 1) / total)
        assert last == 0.5 ** (100 * (total - 1) // (percent * total)), percent


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("rise", [1, 2, 3, 10, 33])
def test_warmup_rises_in_even_steps_to_exactly_the_full_rate(total: int, rise: int) -> None:
    rise = min(rise, total)
    found = factors(schedule(cosine, total, warmup=steps(rise)), total)
    assert found[:rise] == pytest.approx([(i + 1) / rise for i in range(rise)], rel=1e-12)
    assert found[0] > 0
    assert found[rise - 1] == pytest.approx(1, abs=1e-12)
    assert max(found) <= 1


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("rise", [1, 2, 3, 10, 33])
def test_after_warmup_the_schedule_runs_from_its_start_to_just_before_its_end(total: int, rise: int) -> None:
    rest = total - min(rise, total)
    for kind in (cosine, linear):
        found = factors(schedule(kind, total, warmup=steps(rise)), total)[total - rest :]
        alone = factors(schedule(kind, rest), rest) if rest else []
        assert found == pytest.approx(alone, abs=1e-9)


@pytest.mark.parametrize("total", [*range(5, 60), *TOTALS[4:]])
def test_step_counts_from_the_end_of_warmup(total: int) -> None:
    for rise in (1, 3, 5):
        for every in (1, 3, 7):
            found = factors(schedule(step, total, warmup=steps(rise), every=steps(every), factor=0.5), total)
            assert found[rise:] == [0.5 ** (i // every) for i in range(total - rise)], (rise, every)


@pytest.mark.parametrize(
    ("warmup", "rise"), [(Duration(5, "%"), 10), (Duration(1.5, "epochs"), 15), (steps(7), 7), (Duration(0.1, "%"), 1)]
)
def test_warmup_is_a_duration_like_any_other(warmup: Duration, rise: int) -> None:
    found = factors(schedule(linear, 200, warmup=warmup), 200)
    assert found[: rise + 1] == sorted(found[: rise + 1])
    assert found[rise - 1] == pytest.approx(1, abs=1e-12)
    assert found[rise] == pytest.approx(1, abs=1e-12)
    assert found[rise + 1] < 1


@pytest.mark.parametrize(("warmup", "rise"), [(steps(50), 50), (steps(80), 80), (Duration(100, "%"), 50)])
def test_a_run_can_be_all_warmup(warmup: Duration, rise: int) -> None:
    of = schedule(cosine, 50, warmup=warmup)
    assert factors(of, 50) == pytest.approx([(i + 1) / rise for i in range(50)])


@pytest.mark.parametrize("kind", [constant, cosine, linear, step])
def test_without_warmup_a_schedule_is_as_it_is(kind: Any) -> None:
    alone = kind(Clock(97, 10))
    assert factors(schedule(kind, 97), 97) == factors(alone, 97)
