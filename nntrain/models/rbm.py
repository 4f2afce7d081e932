"""The restricted Boltzmann machine."""

import math
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.device import at_least_single
from nntrain.errors import UnfitError
from nntrain.registry import model
from nntrain.settings import Count
from nntrain.specs import Density, Image, Vector

MOST_SUMMED = 16  # hidden units whose states can all be summed over


class Visible(Protocol):
    """What kind of numbers visible units have; `drive` is W^T h, `bias` is b."""

    def energy(self, v: Tensor, bias: Tensor) -> Tensor:
        """The part of the energy without hidden units, (batch,)."""

    def mean(self, drive: Tensor, bias: Tensor) -> Tensor: ...

    def draw(self, mean: Tensor) -> Tensor: ...

    def log_sum(self, drive: Tensor, bias: Tensor) -> Tensor:
        """log sum_v exp(-energy + v drive), (batch,); an integral for real numbers."""


class Binary:
    """0 or 1: energy -b v."""

    def energy(self, v: Tensor, bias: Tensor) -> Tensor:
        return -(v @ bias)

    def mean(self, drive: Tensor, bias: Tensor) -> Tensor:
        return torch.sigmoid(drive + bias)

    def draw(self, mean: Tensor) -> Tensor:
        return torch.bernoulli(mean)

    def log_sum(self, drive: Tensor, bias: Tensor) -> Tensor:
        return F.softplus(drive + bias).sum(dim=1)


class Gaussian:
    """Real numbers of variance 1: energy |v - b|^2 / 2."""

    def energy(self, v: Tensor, bias: Tensor) -> Tensor:
        return (v - bias).square().sum(dim=1) / 2

    def mean(self, drive: Tensor, bias: Tensor) -> Tensor:
        return drive + bias

    def draw(self, mean: Tensor) -> Tensor:
        return mean + torch.randn_like(mean)

    def log_sum(self, drive: Tensor, bias: Tensor) -> Tensor:
        return (drive.square() / 2 + drive * bias).sum(dim=1) + len(bias) * math.log(2 * math.pi) / 2


@model("rbm")
class RestrictedBoltzmannMachine(nn.Module):
    """A restricted Boltzmann machine: visible and hidden units, with weights only between the two kinds.

    E(v, h) = -b v - c h - h W v;  p(v) = sum_h exp(-E(v, h)) / Z
    F(v) = -b v - sum_j log(1 + exp(c_j + W_j v)), p(v) = exp(-F(v)) / Z
    p(h_j = 1 | v) = sigmoid(c_j + W_j v);  p(v_i = 1 | h) = sigmoid(b_i + W_i^T h)

    Gaussian visible units have |v - b|^2 / 2 in place of -b v: v given h is normal with mean b + W^T h and
    variance 1. Takes vectors and images, with task rbm: values from 0 to 1 as they are (standardize: false)
    for binary units, standardised ones for gaussian units. Good for features without labels and as a layer of a
    deep belief net.
    Source: Smolensky 1986; Hinton, Training products of experts by minimizing contrastive divergence, 2002;
    Hinton, A practical guide to training restricted Boltzmann machines, 2010; persistent chains: Tieleman 2008.

    Settings:
        hidden: the number of hidden units
        visible: the kind of visible units
        chains: how many Markov chains go on from step to step in training (persistent contrastive divergence);
            left out, chains start from the data of each batch (contrastive divergence)
    """

    def __init__(
        self,
        inputs: Vector | Image,
        outputs: Density,
        *,
        hidden: Count = 64,
        visible: Literal["binary", "gaussian"] = "binary",
        chains: Count | None = None,
    ) -> None:
        super().__init__()
        size = math.prod(inputs.shape)
        self.visible: Visible = Binary() if visible == "binary" else Gaussian()
        self.weight = nn.Parameter(0.01 * torch.randn(hidden, size))
        self.visible_bias = nn.Parameter(torch.zeros(size))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        start = None if chains is None else self.visible.draw(torch.full((chains, size), 0.5))
        self.chains: Tensor | None
        self.register_buffer("chains", start)

    def check_inputs(self, x: Tensor) -> None:
        """UnfitError where binary units are given what is no probability."""
        low, high = (float(limit) for limit in x.aminmax())
        if isinstance(self.visible, Binary) and not 0 <= low <= high <= 1:
            found = f"binary units take values from 0 to 1, but these are from {low:.3g} to {high:.3g}"
            raise UnfitError(f"{found}; write data.standardize: false, or visible: gaussian", "visible")

    def below(self, x: Tensor) -> Tensor:
        """The visible units' states, (batch, visible), that inputs (batch, ...) are."""
        return x.flatten(1)

    def up(self, v: Tensor) -> Tensor:
        """p(h = 1 | v) of each row, (batch, hidden)."""
        return torch.sigmoid(self._hidden(v))

    def down(self, h: Tensor) -> Tensor:
        """The visible units' means given the hidden ones, (batch, visible)."""
        return self.visible.mean(self._drive(h), self.visible_bias)

    def inputs_of(self, v: Tensor) -> Tensor:
        """The inputs that visible units' states stand for, (batch, visible)."""
        return v

    def receptive_fields(self) -> Tensor:
        """What each hidden unit looks for in the inputs, (hidden, visible)."""
        return self.weight

    def forward(self, x: Tensor) -> Tensor:
        """The visible units' means after one step up and down by probabilities, of the inputs' shape."""
        return self.down(self.up(self.below(x))).view_as(x)

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) of each row, (batch,)."""
        return self.visible.energy(v, self.visible_bias) - F.softplus(self._hidden(v)).sum(dim=1)

    @torch.no_grad()
    def fantasies(self, v: Tensor, steps: int) -> Tensor:
        """What the model makes in some steps of Gibbs sampling, from its own chains, else from v."""
        sample = v if self.chains is None else self.chains
        for _ in range(steps):
            sample = self.visible.draw(self.down(torch.bernoulli(self.up(sample))))
        if self.chains is not None:
            self.chains.copy_(sample)
        return sample

    def log_likelihood(self, v: Tensor) -> Tensor:
        """log p(v) of each row in nats, (batch,), with Z summed over all states of the hidden units."""
        return -self.free_energy(v).double() - self._log_partition()

    def pseudo_likelihood(self, v: Tensor) -> Tensor:
        """sum_i log p(v_i | all others) = sum_i log sigmoid(F(v with unit i flipped) - F(v)), in nats, (batch,)."""
        if not isinstance(self.visible, Binary):
            raise UnfitError("the pseudo-likelihood is there for binary visible units only")
        hidden = self._hidden(v)
        before, flips = F.softplus(hidden).sum(dim=1), 1 - 2 * v
        total = torch.zeros_like(before)
        for i in range(v.shape[1]):
            after = F.softplus(hidden + flips[:, i, None] * self.weight[:, i]).sum(dim=1)
            total = total + F.logsigmoid(before - after - flips[:, i] * self.visible_bias[i])
        return total

    def _log_partition(self) -> Tensor:
        hidden = len(self.hidden_bias)
        if hidden > MOST_SUMMED:
            raise UnfitError(
                f"the exact likelihood takes a sum over 2^{hidden} states; it is there up to {MOST_SUMMED} hidden units"
            )
        states = torch.arange(2**hidden, device=self.weight.device)[:, None] >> torch.arange(
            hidden, device=self.weight.device
        )
        states = (states & 1).to(self.weight)
        scores = states @ self.hidden_bias + self.visible.log_sum(self._drive(states), self.visible_bias)
        return scores.double().logsumexp(dim=0)

    def _hidden(self, v: Tensor) -> Tensor:
        return at_least_single(F.linear(v, self.weight, self.hidden_bias))

    def _drive(self, hidden: Tensor) -> Tensor:
        return at_least_single(F.linear(hidden, self.weight.t()))
