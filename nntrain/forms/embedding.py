"""What a transformer is given, as features with their positions."""

from torch import Tensor, nn

from nntrain.forms import Architecture
from nntrain.specs import Series, Tokens


class Embedding(nn.Module):
    """A trained vector for each token, or a linear map of each step of a series; positions added to it.

    Takes token numbers (batch, time) or numbers (batch, time, features); gives (batch, time, width).
    """

    def __init__(self, inputs: Tokens | Series, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        if isinstance(inputs, Series):
            self.inputs: nn.Module = nn.Linear(inputs.features, width)
        else:
            self.inputs = nn.Embedding(len(inputs), width)
        self.positions = architecture.positions(inputs.length, width, architecture.heads)

    def forward(self, values: Tensor, start: int = 0) -> Tensor:
        return self.positions.add(self.inputs(values), start)
