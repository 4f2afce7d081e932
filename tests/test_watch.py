"""Which evaluation was best."""

import json
import math

from nntrain.watch import Watch


def seen(watch: Watch, values: list[float]) -> list[bool]:
    return [watch.see(value, step) for step, value in enumerate(values, start=1)]


def test_lower_is_better() -> None:
    watch = Watch("dev/error_rate", "lower")
    assert seen(watch, [0.5, 0.6, 0.4, 0.4, 0.39]) == [True, False, True, False, True]
    assert (watch.value, watch.step) == (0.39, 5)


def test_higher_is_better() -> None:
    watch = Watch("dev/accuracy", "higher")
    assert seen(watch, [-3.0, -4.0, 0.1, 0.1, 0.2, 0.0]) == [True, False, True, False, True, False]
    assert (watch.value, watch.step) == (0.2, 5)


def test_a_change_must_be_greater_than_the_smallest_that_counts() -> None:
    """Measured from the best that counted, so that many small changes add up."""
    watch = Watch("dev/loss", "lower", min_change=0.25)
    assert seen(watch, [1.0, 0.875, 0.75, 0.625, 0.375]) == [True, False, False, True, False]
    assert (watch.value, watch.step) == (0.625, 4)


def test_what_is_not_a_number_is_never_better() -> None:
    watch = Watch("dev/loss", "lower")
    assert seen(watch, [math.nan, 2.0, math.nan, 1.0]) == [False, True, False, True]


def test_a_number_is_better_than_infinity() -> None:
    assert seen(Watch("dev/loss", "lower"), [math.inf, math.inf, 5.0]) == [True, False, True]


def test_a_restored_watch_goes_on() -> None:
    watch, other = Watch("dev/loss", "lower"), Watch("dev/loss", "lower")
    seen(watch, [3.0, 2.0])
    assert other.restore([json.loads(json.dumps(watch.state()))], step=2)
    assert other == watch
    assert not other.see(2.5, 3)
    assert other.see(1.0, 4)


def test_a_watch_that_has_seen_nothing_can_be_restored() -> None:
    watch = Watch("dev/loss", "lower")
    assert watch.restore([Watch("dev/loss", "lower").state()], step=0)
    assert watch.see(1e9, 1)


def test_a_watch_of_another_metric_counts_from_where_it_starts() -> None:
    watch = Watch("dev/loss", "lower")
    assert not watch.restore([None, Watch("dev/accuracy", "higher", value=0.9, step=3).state()], step=7)
    assert (watch.value, watch.step) == (None, 7)
