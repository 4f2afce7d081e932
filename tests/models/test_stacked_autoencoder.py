"""Stacked autoencoders: trained as a whole, or the top layer alone on what those below put out."""

from typing import Any

import pytest
import torch
from made import made
from torch import Tensor

from nntrain.batch import Batch
from nntrain.errors import UnfitError
from nntrain.specs import Image, Reconstruction

IMAGES = Image(1, 3, 2)


def net(*hidden: int, **settings: Any) -> Any:
    torch.manual_seed(0)
    settings = {"type": "stacked_autoencoder", "hidden": list(hidden), **settings}
    return made("model", settings, IMAGES, Reconstruction(IMAGES))


def images(count: int = 5) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(count, *IMAGES.shape)


def linear(layer: Any, h: Tensor) -> Tensor:
    return h @ layer.linear.weight.T + layer.linear.bias


def value_of(model: Any, x: Tensor, **settings: Any) -> Tensor:
    task = made("task", {"type": "autoencoding", **settings}, IMAGES)
    (objective,) = task.objectives
    batch = Batch(x, torch.zeros(len(x)))
    return objective.loss(objective.outputs(model, batch), batch).over(objective.counts(batch))


def test_as_a_whole_it_goes_up_and_down_through_all_layers() -> None:
    model, x = net(4, 3), images()
    code = torch.sigmoid(linear(model.encoders[1], torch.sigmoid(linear(model.encoders[0], x.flatten(1)))))
    out = linear(model.decoders[0], torch.sigmoid(linear(model.decoders[1], code)))
    torch.testing.assert_close(model.encoder(model.below(x)), code)
    torch.testing.assert_close(model(x), out.view_as(x))
    torch.testing.assert_close(value_of(model, x), (out - x.flatten(1)).square().mean())
    assert all(p.requires_grad for p in model.parameters())


def test_greedily_the_top_layer_learns_what_those_below_put_out() -> None:
    model, x = net(4, 3, greedy=True), images()
    h = torch.sigmoid(linear(model.encoders[0], x.flatten(1)))
    again = torch.sigmoid(linear(model.decoders[1], torch.sigmoid(linear(model.encoders[1], h))))
    torch.testing.assert_close(value_of(model, x), (again - h).square().mean())
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {f"{part}.1.linear.{kind}" for part in ("encoders", "decoders") for kind in ("weight", "bias")}
    torch.testing.assert_close(model.inputs_of(again), linear(model.decoders[0], again).view_as(x))


def test_one_layer_is_the_same_either_way() -> None:
    greedy, whole, x = net(4, greedy=True), net(4), images()
    torch.testing.assert_close(value_of(greedy, x), value_of(whole, x))
    assert all(p.requires_grad for p in greedy.parameters())


def test_tied_weights_are_the_encoder_s_transposed() -> None:
    model, x = net(4, 3, tied=True, activation="tanh"), images()
    one, two = (layer.linear for layer in model.encoders)
    code = torch.tanh(torch.tanh(x.flatten(1) @ one.weight.T + one.bias) @ two.weight.T + two.bias)
    biases = [layer.linear.bias for layer in model.decoders]
    out = torch.tanh(code @ two.weight + biases[1]) @ one.weight + biases[0]
    torch.testing.assert_close(model(x), out.view_as(x))


def test_noise_is_put_on_what_the_trained_layer_sees() -> None:
    model, x = net(4, 3, greedy=True), images()
    task = made("task", {"type": "denoising", "noise": 0.5}, IMAGES)
    (objective,) = task.objectives
    torch.manual_seed(3)
    outputs = objective.outputs(model, Batch(x, torch.zeros(len(x))))
    h = model.below(x)
    torch.manual_seed(3)
    noisy = h + 0.5 * torch.randn_like(h)
    torch.testing.assert_close(outputs.original, h)
    torch.testing.assert_close(outputs.reconstruction, model.decoder(model.encoder(noisy)))


def test_a_loss_of_log_odds_is_for_inputs_not_for_activations() -> None:
    x = images()
    assert value_of(net(4, greedy=True), x, loss="binary_cross_entropy").isfinite()
    assert value_of(net(4, 3), x, loss="binary_cross_entropy").isfinite()
    with pytest.raises(UnfitError, match="log-odds"):
        value_of(net(4, 3, greedy=True), x, loss="binary_cross_entropy")
