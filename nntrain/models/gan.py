"""Generative adversarial networks."""

import torch
from torch import Tensor, nn

from nntrain.registry import model
from nntrain.settings import Adversary, Count
from nntrain.specs import Image, Samples, Vector


@model("gan")
class GenerativeAdversarialNetwork(nn.Module):
    """A generator that makes examples from noise, and a discriminator that tells them from real ones.

    x' = G(n), n normal;  D(x) = sigmoid(d(x)) is to be 1 for real examples and 0 for made ones

    Takes vectors and images, with task gan. The parts are called `generator` and `discriminator`, and so are
    their optimizers in a config.
    Good for making examples that look real; hard to train.
    Source: Goodfellow et al., Generative adversarial networks, 2014, arXiv:1406.2661.

    Settings:
        noise: how many random numbers an example is made from
        networks: the two networks
    """

    def __init__(
        self, inputs: Vector | Image, outputs: Samples, *, noise: Count = 32, networks: Adversary = "dense"
    ) -> None:
        super().__init__()
        self.noise = noise
        self.generator, self.discriminator = networks(inputs, noise)

    def forward(self, x: Tensor) -> Tensor:
        """The logits d of the examples and, after them, of as many made ones, (2 batch,)."""
        return self.judge(torch.cat((x, self.make(len(x)))))

    def make(self, examples: int) -> Tensor:
        """New examples from noise."""
        weight = next(self.generator.parameters())
        return self.generator(torch.randn(examples, self.noise, device=weight.device, dtype=weight.dtype))

    def judge(self, x: Tensor) -> Tensor:
        """The logit d of each example to be real, (batch,)."""
        return self.discriminator(x).squeeze(1)
