"""Autoencoders: shapes, tied weights, the noise and the penalty of their task."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from nntrain.batch import Batch
from nntrain.coders.convolutional import convolutional
from nntrain.coders.dense import dense
from nntrain.errors import UnfitError
from nntrain.losses.binary_cross_entropy import BinaryCrossEntropy
from nntrain.losses.squared import Squared
from nntrain.metrics.reconstruction import ReconstructionError
from nntrain.models.autoencoder import Autoencoder
from nntrain.network import parameter_count
from nntrain.specs import Image, Reconstruction, Vector
from nntrain.tasks.autoencoding import Autoencoding, denoising
from nntrain.tasks.corruption import Corruption


def autoencoder(inputs: Vector | Image, **settings: Any) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(inputs, Reconstruction(inputs), **{"layers": dense, **settings})


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("inputs", "layers"),
    [
        (Vector(6), partial(dense, hidden=[5])),
        (Vector(6), partial(dense, hidden=[])),
        (Image(2, 3, 4), partial(dense, hidden=[5, 4], activation="tanh")),
        (Image(1, 8, 8), partial(convolutional, channels=[3, 4])),
        (Image(3, 7, 5), partial(convolutional, channels=[2, 3, 4])),
        (Image(1, 4, 4), partial(convolutional, channels=[])),
    ],
)
def test_a_code_and_outputs_like_the_inputs(inputs: Vector | Image, layers: Any, tied: bool) -> None:
    net, x = autoencoder(inputs, layers=layers, code=3, tied=tied), torch.randn(2, *inputs.shape)
    assert net.encoder(x).shape == (2, 3)
    assert net(x).shape == x.shape


def test_a_dense_autoencoder_by_its_formula() -> None:
    net, x = autoencoder(Vector(6), layers=partial(dense, hidden=[5], activation="tanh"), code=2), torch.randn(4, 6)
    w1, w2, w3, w4 = [module for module in net.modules() if isinstance(module, nn.Linear)]
    code = w2(torch.tanh(w1(x)))
    torch.testing.assert_close(net.encoder(x), code)
    torch.testing.assert_close(net(x), w4(torch.tanh(w3(code))))


def test_tied_weights_are_the_encoders_transposed() -> None:
    net = autoencoder(Vector(6), layers=partial(dense, hidden=[5], activation="tanh"), code=2, tied=True)
    x = torch.randn(4, 6)
    first, second = [module for module in net.encoder.modules() if isinstance(module, nn.Linear)]
    expected = torch.tanh(net.encoder(x) @ second.weight) @ first.weight  # the decoder's biases start from 0
    torch.testing.assert_close(net(x), expected)
    assert parameter_count(net) == 6 * 5 + 5 + 5 * 2 + 2 + 5 + 6


def test_tied_convolutions_share_their_kernels() -> None:
    layers = partial(convolutional, channels=[3, 4])
    tied, free = (autoencoder(Image(1, 8, 8), layers=layers, code=5, tied=tied) for tied in (True, False))
    assert parameter_count(free) - parameter_count(tied) == 9 * 3 + 9 * 3 * 4 + 4 * 2 * 2 * 5


def test_tied_weights_survive_a_checkpoint() -> None:
    net, other = (autoencoder(Vector(6), code=2, tied=True) for _ in range(2))
    x = torch.randn(4, 6)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(x), other(x))


def test_a_linear_autoencoder_finds_the_principal_components() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 5) @ torch.diag(torch.tensor([3.0, 2.0, 0.5, 0.3, 0.1])) @ torch.randn(5, 5)
    x = x - x.mean(dim=0)
    net = autoencoder(Vector(5), layers=partial(dense, hidden=[]), code=2)
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (net(x) - x).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    residue = torch.linalg.svdvals(x)[2:].square().sum().item()
    assert closure().item() == pytest.approx(residue, rel=1e-3)


def task(**settings: Any) -> Autoencoding:
    return Autoencoding(Vector(6), **{"loss": Squared, **settings})


def test_the_loss_is_the_squared_error_and_the_codes_size() -> None:
    net, x = autoencoder(Vector(6), code=2), torch.randn(4, 6)
    batch, sparse = Batch(x, torch.zeros(4)), task(sparsity=0.3)
    loss = sparse.loss(sparse.outputs(net, batch), batch).over(sparse.counts(batch))
    expected = (net(x) - x).square().mean() + 0.3 * net.encoder(x).abs().sum() / 4
    torch.testing.assert_close(loss, expected)


def test_clean_inputs_are_to_be_found_from_noisy_ones() -> None:
    seen: list[torch.Tensor] = []
    net, x = autoencoder(Vector(6), code=2), torch.ones(2000, 6)
    net.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    batch = Batch(x, torch.zeros(2000))
    noisy = denoising(Vector(6), loss=Squared, noise=0.5, masked=0.25)
    outputs = noisy.outputs(net, batch)
    assert (seen[0] == 0).double().mean().item() == pytest.approx(0.25, abs=0.02)
    kept = seen[0][seen[0] != 0]
    assert (kept.mean().item(), kept.std().item()) == pytest.approx((1.0, 0.5), abs=0.03)
    loss = noisy.loss(outputs, batch)["error"].sum
    torch.testing.assert_close(loss, (outputs.reconstruction - x).square().mean(dim=1).sum())
    noisy.outputs(net, batch)
    assert not torch.equal(seen[1], seen[0])  # drawn anew
    assert torch.equal(noisy.evaluate(net, batch).targets, x)


@pytest.mark.parametrize("inputs", [torch.randn(2000, 6), torch.randint(17, (2000, 6)) / 16], ids=["numbers", "pixels"])
def test_the_noise_of_evaluation_is_an_examples_own(inputs: torch.Tensor) -> None:
    """Whatever batch it is in and however often it is measured; different examples have different noise."""
    corruption = Corruption(0.5, 0.25)
    noisy = corruption.always_alike(inputs)
    assert torch.equal(noisy, torch.cat([Corruption(0.5, 0.25).always_alike(part) for part in inputs.split(7)]))
    assert (noisy == 0).double().mean().item() == pytest.approx(0.25, abs=0.05)
    added = (noisy - inputs)[noisy != 0]
    assert (added.mean().item(), added.std().item()) == pytest.approx((0.0, 0.5), abs=0.05)
    kept = torch.where(noisy != 0, noisy - inputs, 9.0)
    assert len(kept.round(decimals=4).unique(dim=0)) > 200


def test_cross_entropy_of_reconstructions_is_of_the_sigmoids_of_the_outputs() -> None:
    net, x = autoencoder(Vector(6), code=2), torch.rand(4, 6)
    batch, binary = Batch(x, torch.zeros(4)), task(loss=BinaryCrossEntropy)
    p = torch.sigmoid(net(x))
    expected = -(x * p.log() + (1 - x) * (1 - p).log()).mean()
    torch.testing.assert_close(binary.loss(binary.outputs(net, batch), batch).over(binary.counts(batch)), expected)
    torch.testing.assert_close(binary.evaluate(net, batch).predictions, p)
    with pytest.raises(UnfitError, match="from 0 to 1"):
        binary.check(Batch(x * 2, torch.zeros(4)))


def test_reconstruction_error() -> None:
    metric = ReconstructionError(Reconstruction(Vector(2)))
    made, real = torch.tensor([[1.0, 2.0], [0.0, 0.0], [5.0, 5.0]]), torch.tensor([[0.0, 2.0], [2.0, 0.0], [5.0, 4.0]])
    assert metric.value(metric.measure(made, real)) == pytest.approx((6 / 6) ** 0.5)
    merged = metric.measure(made[:1], real[:1]) + metric.measure(made[1:], real[1:])
    assert metric.value(merged) == pytest.approx(1.0)
