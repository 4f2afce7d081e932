"""Stacked autoencoders: deep ones that can be trained layer by layer."""

import math
from itertools import pairwise
from typing import Annotated

from annotated_types import MinLen
from torch import Tensor, nn

from nntrain.coders.dense import Transposed
from nntrain.models.activations import Activation, activation_module
from nntrain.network import keep
from nntrain.registry import model
from nntrain.settings import Count
from nntrain.specs import Image, Reconstruction, Vector


@model("stacked_autoencoder")
class StackedAutoencoder(nn.Module):
    """A deep autoencoder, all of it trained, or its top layer alone as an autoencoder of what those below put out.

    h_0 = x;  h_l = f(W_l h_{l-1} + b_l);  h'_L = h_L;  h'_{l-1} = f(V_l h'_l + d_l), without f where l is 1
    greedy: h'_{L-1} = f(V_L h_L + d_L) is compared with h_{L-1}; else h'_0 with x

    Takes vectors and images, with task autoencoding. Trained in stages: hidden: [128] with greedy: true, then
    hidden: [128, 32], and so on, at last with greedy: false (fine-tuning); layers below the top are kept as they are
    while it is trained. The layers h_1 to h_L are a start for an mlp: see `nntrain show initializer previous_stage`.
    In a greedy stage of more than one layer, loss, noise and reconstruction error are those of h_{L-1}.
    Source: Bengio, Lamblin, Popovici, Larochelle, Greedy layer-wise training of deep networks, 2007; with noise:
    Vincent et al., Stacked denoising autoencoders, 2010.

    Settings:
        hidden: the number of units of each layer, from the inputs up; the last is the code
        activation: f
        tied: whether V_l is W_l, transposed
        greedy: whether the top layer alone is trained
    """

    def __init__(
        self,
        inputs: Vector | Image,
        outputs: Reconstruction,
        *,
        hidden: Annotated[list[Count], MinLen(1)] = [128, 64, 32],  # noqa: B006
        activation: Activation = "sigmoid",
        tied: bool = False,
        greedy: bool = False,
    ) -> None:
        super().__init__()
        self.shape = inputs.shape
        self.lowest_trained = len(hidden) - 1 if greedy else 0
        self.makes_activations = self.lowest_trained > 0  # in place of inputs
        self.encoders, self.decoders = nn.ModuleList(), nn.ModuleList()
        for i, (below, above) in enumerate(pairwise([math.prod(inputs.shape), *hidden])):
            up = nn.Linear(below, above)
            down = Transposed(up) if tied else nn.Linear(above, below)
            pair = _layer(up, activation), _layer(down, activation if i else None)
            for layers, layer in zip((self.encoders, self.decoders), pair, strict=True):
                layers.append(keep(layer) if i < self.lowest_trained else layer)

    def below(self, x: Tensor) -> Tensor:
        """What the trained layers see of the inputs (batch, ...): the inputs, or the layer below (batch, units)."""
        return self._up(x.flatten(1), 0, self.lowest_trained) if self.makes_activations else x

    def encoder(self, h: Tensor) -> Tensor:
        """The code (batch, code) of what the trained layers see."""
        return self._up(h.flatten(1), self.lowest_trained, len(self.encoders))

    def decoder(self, code: Tensor) -> Tensor:
        """What the trained layers see, again."""
        h = code
        for layer in reversed(self.decoders[self.lowest_trained :]):
            h = layer(h)
        return h if self.makes_activations else h.reshape(-1, *self.shape)

    def inputs_of(self, h: Tensor) -> Tensor:
        """The inputs (batch, ...) that what the trained layers see stands for."""
        for layer in reversed(self.decoders[: self.lowest_trained]):
            h = layer(h)
        return h.reshape(-1, *self.shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(self.below(x)))

    def _up(self, h: Tensor, first: int, last: int) -> Tensor:
        for layer in self.encoders[first:last]:
            h = layer(h)
        return h


def _layer(linear: nn.Module, activation: Activation | None) -> nn.Sequential:
    layer = nn.Sequential()
    layer.add_module("linear", linear)
    if activation is not None:
        layer.add_module("activation", activation_module(activation))
    return layer
