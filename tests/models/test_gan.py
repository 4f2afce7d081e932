"""Generative adversarial networks: their two objectives, and how samples are measured."""

import math
from functools import partial
from typing import Any

import pytest
import torch

from nntrain.adversaries.dcgan import dcgan
from nntrain.adversaries.dense import dense
from nntrain.batch import Batch
from nntrain.errors import UnfitError
from nntrain.metrics.samples import Coverage
from nntrain.models.gan import GenerativeAdversarialNetwork
from nntrain.specs import Image, Samples, Vector
from nntrain.tasks.gan import AdversarialGame

PLANE = Vector(2)


def gan(inputs: Vector | Image = PLANE, **settings: Any) -> GenerativeAdversarialNetwork:
    torch.manual_seed(0)
    return GenerativeAdversarialNetwork(inputs, Samples(inputs), **{"noise": 3, "networks": dense, **settings})


@pytest.mark.parametrize(
    ("inputs", "networks"),
    [
        (Vector(2), partial(dense, hidden=[4])),
        (Image(1, 3, 5), partial(dense, hidden=[])),
        (Image(1, 8, 8), partial(dcgan, channels=[4, 6])),
        (Image(3, 32, 16), partial(dcgan, channels=[2, 3, 4], output="tanh")),
    ],
)
def test_samples_look_like_the_inputs(inputs: Vector | Image, networks: Any) -> None:
    net = gan(inputs, networks=networks)
    assert net.make(4).shape == (4, *inputs.shape)
    assert net.judge(net.make(4)).shape == (4,)
    assert net(torch.randn(4, *inputs.shape)).shape == (8,)


@pytest.mark.parametrize(("output", "lowest", "highest"), [("sigmoid", 0, 1), ("tanh", -1, 1)])
def test_the_generators_output_stays_in_the_images_range(output: Any, lowest: float, highest: float) -> None:
    made = gan(Image(1, 8, 8), networks=partial(dcgan, channels=[4], output=output)).make(4)
    assert lowest <= made.min().item() and made.max().item() <= highest


@pytest.mark.parametrize("channels", [[4, 4, 4, 4], []])
def test_dcgan_refuses_sides_that_it_cannot_halve(channels: list[int]) -> None:
    with pytest.raises(UnfitError, match="multiples of"):
        gan(Image(1, 8, 8), networks=partial(dcgan, channels=channels))


def test_the_two_losses_by_their_formulas() -> None:
    task, batch = AdversarialGame(Vector(2)), Batch(torch.randn(5, 2), torch.zeros(5))
    real, made = torch.randn(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    d_real, d_made = torch.sigmoid(real), torch.sigmoid(made)
    discriminator = task.discriminator_loss((real, made), batch).over(task.counts(batch)).item()
    assert discriminator == pytest.approx((-d_real.log() - (1 - d_made).log()).mean().item(), rel=1e-5)
    generator = task.generator_loss(made, batch).over(task.counts(batch)).item()
    assert generator == pytest.approx((-d_made.log()).mean().item(), rel=1e-5)


def test_an_undecided_discriminator_has_the_loss_expected() -> None:
    net, task = gan(), AdversarialGame(Vector(2))
    for parameter in net.discriminator.parameters():
        torch.nn.init.zeros_(parameter)
    batch = Batch(torch.randn(5, 2), torch.zeros(5))
    outcome = task.evaluate(net, batch)
    assert outcome.loss is not None
    assert outcome.loss.over(outcome.counts).item() == pytest.approx(3 * math.log(2))
    assert task.untrained_loss() == pytest.approx(3 * math.log(2))


def test_each_objective_trains_its_part() -> None:
    net, task = gan(), AdversarialGame(Vector(2), generator_every=3)
    discriminator, generator = task.objectives
    assert (discriminator.every, generator.every) == (1, 3)
    assert discriminator.part_of(net) is net.discriminator and generator.part_of(net) is net.generator
    batch = Batch(torch.randn(5, 2), torch.zeros(5))
    for objective, other in ((discriminator, net.generator), (generator, None)):
        loss = objective.loss(objective.outputs(net, batch), batch).over(objective.counts(batch))
        own = torch.autograd.grad(loss, list(objective.part_of(net).parameters()), retain_graph=True)
        assert all(bool(gradient.abs().sum() > 0) for gradient in own)
        if other is not None:
            theirs = torch.autograd.grad(loss, list(other.parameters()), allow_unused=True)
            assert all(gradient is None for gradient in theirs)


def ring(modes: range, examples: int = 400) -> torch.Tensor:
    angle = math.pi / 4 * (torch.arange(examples) % len(modes) + modes.start)
    return 2 * torch.stack((angle.cos(), angle.sin()), dim=1) + 0.02 * torch.randn(examples, 2)


def test_coverage_is_the_share_of_the_modes_that_are_found() -> None:
    torch.manual_seed(0)
    metric = Coverage(Samples(Vector(2)))

    def covered(made: torch.Tensor) -> float:
        return metric.value(metric.measure(made, ring(range(8))))

    assert covered(ring(range(8))) == pytest.approx(0.97, abs=0.03)
    assert covered(ring(range(4), 200)) == pytest.approx(0.49, abs=0.03)
    assert covered(torch.zeros(400, 2)) == 0


def test_coverage_does_not_depend_on_the_batches() -> None:
    torch.manual_seed(0)
    metric, real, made = Coverage(Samples(Vector(2))), ring(range(8), 2100), ring(range(8), 2100)
    whole = metric.measure(made, real)
    parts = [metric.measure(made[i : i + 300], real[i : i + 300]) for i in range(0, 2100, 300)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged + part
    assert torch.equal(merged.real, whole.real) and torch.equal(merged.made, whole.made)
    assert metric.value(merged) == metric.value(whole)


def test_instance_noise_is_what_the_discriminator_sees() -> None:
    class Seen:
        """A network that makes zeros, and whose discriminator says what it sees."""

        def make(self, examples: int) -> torch.Tensor:
            return torch.zeros(examples, 2)

        def judge(self, examples: torch.Tensor) -> torch.Tensor:
            return examples[:, 0]

    torch.manual_seed(0)
    task, batch = AdversarialGame(PLANE, noise=0.5), Batch(torch.full((4000, 2), 3.0), torch.zeros(4000))
    real, made = task.judgements(Seen(), batch)
    for seen, mean in ((real, 3.0), (made, 0.0), (task.judged_samples(Seen(), batch), 0.0)):
        assert seen.mean().item() == pytest.approx(mean, abs=0.03)
        assert seen.std().item() == pytest.approx(0.5, abs=0.03)
    assert torch.equal(AdversarialGame(PLANE).judgements(Seen(), batch)[0], batch.inputs[:, 0])
