"""Deep belief nets: restricted Boltzmann machines, one on top of the other."""

import math
from itertools import pairwise
from typing import Annotated, Any, Literal

from annotated_types import MinLen
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.models.rbm import RestrictedBoltzmannMachine
from nntrain.network import keep
from nntrain.registry import model
from nntrain.settings import Count
from nntrain.specs import Density, Image, Vector


@model("deep_belief_net")
class DeepBeliefNet(nn.Module):
    """A stack of restricted Boltzmann machines; the top one is trained on what those below make of the inputs.

    p(x, h_1, ..., h_L) = p(x | h_1) ... p(h_{L-2} | h_{L-1}) p(h_{L-1}, h_L)
    v_0 = x;  v_l = sigmoid(c_l + W_l v_{l-1});  the RBM p(h_{L-1}, h_L) learns the distribution of v_{L-1}

    The layers below are kept as they are. So it is trained in stages, layer by layer, with task rbm: hidden: [256],
    then hidden: [256, 64], and so on. What it has learned is a start for an mlp with activation sigmoid, or for a
    stacked_autoencoder with tied weights: see `nntrain show initializer previous_stage`. The reconstruction error is
    that of the inputs, up through all layers and down again. Features are those of the layers hidden.0, hidden.1 ...
    Source: Hinton, Osindero, Teh, A fast learning algorithm for deep belief nets, 2006; probabilities as the data of
    the layers above: Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006.

    Settings:
        hidden: the number of hidden units of each layer, from the inputs up; the last is the one that is trained
        visible: the kind of visible units of the lowest layer; the others take probabilities
        chains: how many Markov chains of the top layer go on from step to step (persistent contrastive divergence);
            left out, chains start from the data of each batch (contrastive divergence)
    """

    def __init__(
        self,
        inputs: Vector | Image,
        outputs: Density,
        *,
        hidden: Annotated[list[Count], MinLen(1)] = [128],  # noqa: B006
        visible: Literal["binary", "gaussian"] = "binary",
        chains: Count | None = None,
    ) -> None:
        super().__init__()
        self.rbms: Any = nn.ModuleList()
        for i, (below, above) in enumerate(pairwise([math.prod(inputs.shape), *hidden])):
            kind, is_top = visible if i == 0 else "binary", i + 1 == len(hidden)
            rbm = RestrictedBoltzmannMachine(
                Vector(below), outputs, hidden=above, visible=kind, chains=chains if is_top else None
            )
            self.rbms.append(rbm if is_top else keep(rbm))
        self.hidden: Any = nn.ModuleList(nn.Identity() for _ in hidden)  # where each layer's probabilities are seen

    @property
    def top(self) -> Any:
        """The layer that is trained."""
        return self.rbms[-1]

    def check_inputs(self, x: Tensor) -> None:
        self.rbms[0].check_inputs(x)

    def below(self, x: Tensor) -> Tensor:
        """What the top layer sees of the inputs (batch, ...), (batch, visible)."""
        v = x.flatten(1)
        for rbm, seen in zip(self.rbms[:-1], self.hidden[:-1], strict=True):
            v = seen(rbm.up(v))
        return v

    def inputs_of(self, v: Tensor) -> Tensor:
        """The lowest visible units' means, (batch, visible), given states of the top layer's."""
        for rbm in reversed(self.rbms[:-1]):
            v = rbm.down(v)
        return v

    def receptive_fields(self) -> Tensor:
        """What each hidden unit of the top layer looks for in the inputs: W_L ... W_1, as if all units were linear."""
        fields: Tensor = self.top.weight
        for rbm in reversed(self.rbms[:-1]):
            fields = fields @ rbm.weight
        return fields

    def forward(self, x: Tensor) -> Tensor:
        """The lowest visible units' means after one pass up and down by probabilities, of the inputs' shape."""
        h = self.hidden[-1](self.top.up(self.below(x)))
        return self.inputs_of(self.top.down(h)).view_as(x)

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) of the top layer, for each row of what it sees, (batch,)."""
        return self.top.free_energy(v)

    def fantasies(self, v: Tensor, steps: int) -> Tensor:
        """What the top layer makes in some steps of Gibbs sampling."""
        return self.top.fantasies(v, steps)

    def log_likelihood(self, v: Tensor) -> Tensor:
        self._refuse_likelihoods()
        return self.top.log_likelihood(v)

    def pseudo_likelihood(self, v: Tensor) -> Tensor:
        self._refuse_likelihoods()
        return self.top.pseudo_likelihood(v)

    def _refuse_likelihoods(self) -> None:
        if len(self.rbms) > 1:
            raise UnfitError("how likely inputs are is known of one layer only; leave this metric out above it")
