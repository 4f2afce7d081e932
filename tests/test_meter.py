"""Means of what the steps measure."""

import math

import pytest
import torch

from nntrain.meter import DivergedError, Meter
from nntrain.update import Measures

CPU = torch.device("cpu")


def measures(
    objective: float, grad_norm: float = 1.0, by_layer: tuple[float, ...] = (), terms: tuple[float, ...] = ()
) -> Measures:
    return Measures(torch.tensor(objective), torch.tensor(grad_norm), torch.tensor(by_layer), torch.tensor(terms))


def test_means_since_the_last_reading() -> None:
    meter = Meter({"model": []}, CPU)
    for value in (1.0, 2.0, 6.0):
        meter.add({"model": measures(value, 10 * value)})
    assert meter.read(3) == {"objective": 3.0, "grad_norm": 30.0}
    meter.add({"model": measures(5.0, 7.0)})
    assert meter.read(4) == {"objective": 5.0, "grad_norm": 7.0}
    assert meter.read(4) == {}


def test_several_objectives_have_prefixes_and_counts_of_their_own() -> None:
    meter = Meter({"discriminator": [], "generator": ["2"]}, CPU)
    meter.add({"discriminator": measures(1.0), "generator": measures(4.0, by_layer=(0.5,))})
    meter.add({"discriminator": measures(3.0)})
    numbers = meter.read(2)
    assert (numbers["discriminator/objective"], numbers["generator/objective"]) == (2.0, 4.0)
    assert numbers["generator/grad_norm/2"] == 0.5 and len(numbers) == 5


def test_terms_of_the_loss_have_means_of_their_own() -> None:
    meter, other = (Meter({"model": []}, CPU, {"model": ["box", "mask"]}) for _ in range(2))
    meter.add({"model": measures(3.0, terms=(1.0, 2.0))})
    other.restore(meter.state())
    other.add({"model": measures(9.0, terms=(3.0, 6.0))})
    assert other.read(2) == {"objective": 6.0, "grad_norm": 1.0, "objective/box": 2.0, "objective/mask": 4.0}


def test_layers_have_means_of_their_own() -> None:
    meter, other = Meter({"model": ["0", "2"]}, CPU), Meter({"model": ["0", "2"]}, CPU)
    meter.add({"model": measures(1.0, 3.0, (1.0, 10.0))})
    other.restore(meter.state())
    for each in (meter, other):
        each.add({"model": measures(1.0, 3.0, (2.0, 30.0))})
        assert each.read(2) == {"objective": 1.0, "grad_norm": 3.0, "grad_norm/0": 1.5, "grad_norm/2": 20.0}
        assert each.read(2) == {}


def test_means_begin_anew_where_the_layers_were_not_measured_before() -> None:
    meter, other = Meter({"model": []}, CPU), Meter({"model": ["0"]}, CPU)
    meter.add({"model": measures(1.0)})
    other.restore(meter.state())
    other.add({"model": measures(3.0, 4.0, (5.0,))})
    assert other.read(2) == {"objective": 3.0, "grad_norm": 4.0, "grad_norm/0": 5.0}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_ends_the_run(value: float) -> None:
    meter = Meter({"model": []}, CPU)
    meter.add({"model": measures(1.0)})
    meter.check(1)
    meter.add({"model": measures(value)})
    with pytest.raises(DivergedError, match=rf"the objective became {value} in the 2 steps up to step 2; try a lower"):
        meter.check(2)
    with pytest.raises(DivergedError):
        meter.read(2)


def test_a_gradient_that_is_not_finite_ends_the_run() -> None:
    meter = Meter({"model": []}, CPU)
    meter.add({"model": measures(1.0, math.nan)})
    with pytest.raises(DivergedError, match="the gradient's norm became nan"):
        meter.check(1)


def test_a_restored_meter_goes_on() -> None:
    meter, other = Meter({"model": []}, CPU), Meter({"model": []}, CPU)
    for value in (1.0, 2.0):
        meter.add({"model": measures(value)})
    other.restore(meter.state())
    for each in (meter, other):
        each.add({"model": measures(6.0)})
    assert other.read(3) == meter.read(3) == {"objective": 3.0, "grad_norm": 1.0}
