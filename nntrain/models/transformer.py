"""The transformer."""

from torch import nn

from nntrain.errors import UnfitError
from nntrain.forms import Architecture, Normalization
from nntrain.models.activations import Activation
from nntrain.registry import model
from nntrain.settings import Count, Form, Position, Probability
from nntrain.specs import Headed, Pairs, Series, Tokens


@model("transformer")
def transformer(
    inputs: Tokens | Series | Pairs,
    targets: Headed,
    *,
    form: Form = "encoder",
    width: Count = 128,
    heads: Count = 4,
    layers: Count = 4,
    feedforward: Count | None = None,
    positions: Position = "learned",
    activation: Activation = "gelu",
    dropout: Probability = 0.1,
    normalization: Normalization = "layer",
) -> nn.Module:
    """A transformer: layers in which positions attend to each other, and a feedforward network at each position.

    attention(Q, K, V) = softmax(Q K^T / sqrt(d)) V in each of several heads, d = width / heads

    Takes tokens (a trained vector each), series (a linear map of each step) and pairs of sequences. Good where
    things far apart belong together, and there is much data; forms: encoder, decoder, encoder_decoder, lecture.
    Source: Vaswani et al., Attention is all you need, 2017, arXiv:1706.03762.

    Settings:
        form: what attends to what, and which features come out
        width: the features of a position, shared out evenly between the heads
        heads: how many means each position takes of others, each with weights of its own
        layers: how many stand one upon the other
        feedforward: the units of the feedforward network; left out, four times the width
        positions: how the network knows the order
        activation: f of the feedforward network
        dropout: the share of embedded inputs, weights of attention and outputs of a layer's parts that is set to
            zero in training
        normalization: of the features of a position: layer by mean and variance, or rms by size alone (Zhang,
            Sennrich 2019, arXiv:1910.07467)
    """
    if width % heads:
        raise UnfitError(f"a width of {width} cannot be shared out between {heads} heads; take a divisor", "heads")
    architecture = Architecture(
        width, heads, layers, feedforward or 4 * width, activation, dropout, positions, normalization
    )
    body: nn.Module = form(inputs, targets, architecture)
    return body
