"""Means of what the steps measure, and what could not be measured."""

import math

import pytest
import torch

from nntrain.meter import MOST_WAITING, TOGETHER, DivergedError, Meter
from nntrain.update import Measures


def measures(
    objective: float, grad_norm: float = 1.0, by_layer: tuple[float, ...] = (), terms: tuple[float, ...] = ()
) -> Measures:
    return Measures(*map(torch.tensor, (objective, grad_norm, by_layer, terms)))


def reading(meter: Meter) -> dict[str, float]:
    meter.check()
    return meter.read()


def test_means_since_the_last_reading() -> None:
    meter = Meter({"model": []})
    for step, value in enumerate((1.0, 2.0, 6.0)):
        meter.add(step, {"model": measures(value, 10 * value)})
    assert reading(meter) == {"objective": 3.0, "grad_norm": 30.0}
    meter.add(3, {"model": measures(5.0, 7.0)})
    assert reading(meter) == {"objective": 5.0, "grad_norm": 7.0}
    assert reading(meter) == {}


def test_several_objectives_have_prefixes_and_counts_of_their_own() -> None:
    meter = Meter({"discriminator": [], "generator": ["2"]})
    meter.add(0, {"discriminator": measures(1.0), "generator": measures(4.0, by_layer=(0.5,))})
    meter.add(1, {"discriminator": measures(3.0)})
    numbers = reading(meter)
    assert (numbers["discriminator/objective"], numbers["generator/objective"]) == (2.0, 4.0)
    assert numbers["generator/grad_norm/2"] == 0.5 and len(numbers) == 5


def test_terms_of_the_loss_have_means_of_their_own() -> None:
    meter, other = (Meter({"model": []}, {"model": ["box", "mask"]}) for _ in range(2))
    meter.add(0, {"model": measures(3.0, terms=(1.0, 2.0))})
    meter.check()
    other.restore(meter.state())
    other.add(1, {"model": measures(9.0, terms=(3.0, 6.0))})
    assert reading(other) == {"objective": 6.0, "grad_norm": 1.0, "objective/box": 2.0, "objective/mask": 4.0}


def test_layers_have_means_of_their_own() -> None:
    meter, other = Meter({"model": ["0", "2"]}), Meter({"model": ["0", "2"]})
    meter.add(0, {"model": measures(1.0, 3.0, (1.0, 10.0))})
    meter.check()
    other.restore(meter.state())
    for each in (meter, other):
        each.add(1, {"model": measures(1.0, 3.0, (2.0, 30.0))})
        assert reading(each) == {"objective": 1.0, "grad_norm": 3.0, "grad_norm/0": 1.5, "grad_norm/2": 20.0}
        assert reading(each) == {}


def test_means_begin_anew_where_the_layers_were_not_measured_before() -> None:
    meter, other = Meter({"model": []}), Meter({"model": ["0"]})
    meter.add(0, {"model": measures(1.0)})
    meter.check()
    other.restore(meter.state())
    other.add(1, {"model": measures(3.0, 4.0, (5.0,))})
    assert reading(other) == {"objective": 3.0, "grad_norm": 4.0, "grad_norm/0": 5.0}


def test_what_a_meter_keeps_does_not_grow_and_its_means_do_not_depend_on_when_it_looked() -> None:
    values = torch.rand(10_500, generator=torch.Generator().manual_seed(0)).tolist()
    meter, other = Meter({"model": []}), Meter({"model": []})
    for step, value in enumerate(values, start=700):
        meter.add(step, {"model": measures(value)})
        other.add(step, {"model": measures(value)})
        if step % 613 == 0:  # as where it is saved and resumed
            other.check()
            state, other = other.state(), Meter({"model": []})
            other.restore(state)
    meter.check()
    assert len(meter.state()["model"]) < TOGETHER + 20
    one, same = reading(meter), reading(other)
    assert one == same
    assert one["objective"] == pytest.approx(math.fsum(values) / len(values), rel=1e-6)


def test_a_restored_meter_goes_on() -> None:
    meter, other = Meter({"model": []}), Meter({"model": []})
    for step, value in enumerate((1.0, 2.0)):
        meter.add(step, {"model": measures(value)})
    meter.check()
    other.restore(meter.state())
    for each in (meter, other):
        each.add(2, {"model": measures(6.0)})
        assert reading(each)["objective"] == 3.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_ends_the_run(value: float) -> None:
    meter = Meter({"model": []})
    meter.add(0, {"model": measures(1.0)})
    meter.check()
    meter.add(1, {"model": measures(value)})
    with pytest.raises(DivergedError, match=f"the objective became {value} in step 2") as raised:
        meter.check()
    assert raised.value.failure is not None
    assert (raised.value.failure.step, raised.value.failure.objective) == (1, "model")


def test_a_gradient_that_is_not_finite_ends_the_run() -> None:
    meter = Meter({"model": []})
    meter.add(0, {"model": measures(1.0, math.nan)})
    with pytest.raises(DivergedError, match="the gradient's norm became nan"):
        meter.check()


def test_the_objective_that_is_not_finite_is_named() -> None:
    meter = Meter({"discriminator": [], "generator": []})
    meter.add(4, {"discriminator": measures(1.0), "generator": measures(math.inf)})
    with pytest.raises(DivergedError, match="the objective of generator became inf in step 5"):
        meter.check()


def test_as_many_updates_may_be_left_out_as_is_said_and_count_in_no_mean() -> None:
    meter = Meter({"model": []}, most_left_out=2)
    for step, value in enumerate((1.0, math.nan, 3.0, math.nan)):
        meter.add(step, {"model": measures(value)})
    assert [failure.step for failure in meter.check()] == [1, 3]
    assert meter.check() == []
    assert meter.read()["objective"] == 2.0
    restored = Meter({"model": []}, most_left_out=2)
    restored.restore(meter.state())
    for each in (meter, restored):
        each.add(4, {"model": measures(math.nan)})
        with pytest.raises(DivergedError, match="step 5"):
            each.check()


def test_the_first_of_too_many_is_the_one_that_ended_the_run() -> None:
    """After it no update was made, so that what comes later says nothing."""
    meter = Meter({"model": []}, most_left_out=1)
    for step, value in enumerate((math.nan, 1.0, math.inf, math.nan)):
        meter.add(step, {"model": measures(value)})
    with pytest.raises(DivergedError, match="became inf in step 3"):
        meter.check()


def test_what_waits_on_the_device_is_bounded() -> None:
    meter = Meter({"model": []})
    for step in range(2 * MOST_WAITING + 7):
        meter.add(step, {"model": measures(float(step))})
        assert len(meter._seen["model"].waiting) < MOST_WAITING
    assert reading(meter)["objective"] == pytest.approx(MOST_WAITING + 3)
