"""Durations, and how they translate into steps."""

import math
from typing import Any

import pytest

from nntrain.clock import Clock, Duration, Pause, parse_duration, parse_interval, seconds_of
from nntrain.errors import UnfitError


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("20 epochs", 20, "epochs"),
        ("1 epoch", 1, "epochs"),
        ("0.5 epochs", 0.5, "epochs"),
        (".5 epochs", 0.5, "epochs"),
        ("2. epochs", 2, "epochs"),
        ("2000 steps", 2000, "steps"),
        ("1 step", 1, "steps"),
        ("10%", 10, "%"),
        ("12.5 %", 12.5, "%"),
        ("100%", 100, "%"),
        ("  3epochs ", 3, "epochs"),
    ],
)
def test_durations_are_read_with_their_unit(text: str, amount: float, unit: str) -> None:
    assert parse_duration(text) == parse_interval(text) == Duration(amount, unit)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90 seconds", 90), ("1 second", 1), ("10 minutes", 600), ("1 minute", 60), ("0.5 hours", 1800), ("1 hour", 3600)],
)
def test_wall_time_is_for_saving_only(text: str, seconds: float) -> None:
    assert seconds_of(parse_interval(text)) == seconds
    with pytest.raises(ValueError, match="wall time would make the result depend on the machine"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["1 epoch", "1 step", "1%"])
def test_other_durations_have_no_wall_time(text: str) -> None:
    assert seconds_of(parse_interval(text)) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (20, "a number without a unit; write '20 epochs' or '20 steps'"),
        (0.5, "a number without a unit; write '0.5 epochs'"),
        ("5 weeks", "the unit 'weeks' is not known"),
        ("0 epochs", "greater than 0"),
        ("0%", "greater than 0"),
        ("1.5 steps", "steps are whole"),
        ("101%", "at most 100%"),
        ("", ""),
        ("5", ""),
        ("epochs", ""),
        ("-1 epochs", ""),
        ("1 2 epochs", ""),
        ("1,5 epochs", ""),
        ("1 epoch 2 steps", ""),
        ("nan epochs", ""),
        ("inf steps", ""),
        (None, ""),
        (True, ""),
        (["1 epoch"], ""),
        ({"epochs": 1}, ""),
        pytest.param(10**400, "", id="a number too large for a float"),
        pytest.param("9" * 400 + " steps", "", id="steps too many for a float"),
        pytest.param("9" * 400 + " epochs", "", id="epochs too many for a float"),
    ],
)
def test_anything_else_is_refused_with_the_reason(value: Any, why: str) -> None:
    for parse in (parse_interval, parse_duration):
        with pytest.raises(ValueError) as error:
            parse(value)
        assert why in str(error.value)


@pytest.mark.parametrize(
    "text", ["20 epochs", "0.5 epochs", "10%", "33.3%", "500 steps", "10 minutes", "1234567 steps", "0.1234567 epochs"]
)
def test_a_duration_as_text_is_read_back_the_same(text: str) -> None:
    assert parse_interval(str(parse_interval(text))) == parse_interval(text)


@pytest.mark.parametrize(
    ("length", "total"),
    [
        (Duration(5, "epochs"), 60),
        (Duration(0.5, "epochs"), 6),
        (Duration(0.01, "epochs"), 1),
        (Duration(7, "steps"), 7),
    ],
)
def test_the_length_of_a_run(length: Duration, total: int) -> None:
    assert Clock.of(length, 12) == Clock(total, 12)


def test_the_length_of_a_run_is_no_share_of_itself() -> None:
    """UnfitError, which is told to the user with its place in the config."""
    with pytest.raises(UnfitError, match="use epochs or steps"):
        Clock.of(Duration(10, "%"), 12)


@pytest.mark.parametrize(
    ("duration", "steps"),
    [
        (Duration(2, "epochs"), 24),
        (Duration(0.25, "epochs"), 3),
        (Duration(0.001, "epochs"), 1),
        (Duration(7, "steps"), 7),
        (Duration(5000, "steps"), 5000),
        (Duration(5, "%"), 50),
        (Duration(33, "%"), 330),
        (Duration(100, "%"), 1000),
        (Duration(0.01, "%"), 1),
    ],
)
def test_durations_in_steps(duration: Duration, steps: int) -> None:
    clock = Clock(1000, 12)
    assert clock.steps(duration) == steps
    assert clock.share(duration) == steps / 1000


@pytest.mark.parametrize("total", [1, 7, 100, 999, 46_900])
@pytest.mark.parametrize("percent", [1, 5, 10, 33, 50, 99, 100])
def test_shares_are_whole_steps_as_near_as_can_be(total: int, percent: int) -> None:
    steps = Clock(total, 10).steps(Duration(percent, "%"))
    assert steps == 1 or abs(100 * steps - percent * total) <= 50
    assert steps >= 1


def test_epochs_passed() -> None:
    clock = Clock(100, 8)
    assert [clock.epoch(step) for step in (0, 2, 8, 12, 100)] == [0, 0.25, 1, 1.5, 12.5]


def test_things_are_due_every_so_many_steps_and_at_the_end() -> None:
    assert [step for step in range(1, 11) if Clock(10, 5).due(step, 4)] == [4, 8, 10]
    assert [step for step in range(1, 11) if Clock(10, 5).due(step, 5)] == [5, 10]
    assert [step for step in range(1, 11) if Clock(10, 5).due(step, 50)] == [10]


@pytest.mark.parametrize(
    ("seconds_per_epoch", "epochs"),
    [(100, 1), (2, 1), (1, 1), (0.6, 2), (0.5, 2), (0.3, 5), (0.2, 5), (0.15, 10), (0.1, 10), (0.05, 20), (0.009, 200)],
)
def test_evaluation_is_once_an_epoch_or_about_once_a_second(seconds_per_epoch: float, epochs: int) -> None:
    assert Clock(1_000_000, 7).evaluation_interval(seconds_per_epoch) == 7 * epochs


@pytest.mark.parametrize("exponent", range(-12, 4))
def test_evaluations_take_a_second_to_two_and_a_half_where_epochs_are_short(exponent: int) -> None:
    for mantissa in (1.0, 1.7, 2.0, 3.3, 5.0, 9.99):
        seconds = mantissa * 10.0**exponent
        interval = Clock(10**15, 1).evaluation_interval(seconds)
        assert isinstance(interval, int)
        if 1e-9 <= seconds < 1:
            assert 1 - 1e-9 <= interval * seconds <= 2.5 + 1e-9
            assert interval / 10 ** math.floor(math.log10(interval)) in (1, 2, 5)


def test_evaluation_is_at_least_once_a_run() -> None:
    assert Clock(50, 10).evaluation_interval(1e-6) == 50
    assert Clock(50, 10).evaluation_interval(0) == 50


def test_a_pause_is_over_after_its_seconds() -> None:
    assert Pause(0).is_over()
    pause = Pause(3600)
    assert not pause.is_over()
    pause.seconds = 0
    assert pause.is_over()
    pause.seconds = 3600
    pause.restart()
    assert not pause.is_over()
