"""The transformer as text books write it."""

from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.forms import Architecture
from nntrain.forms.attention import Scope, attend, by_head, over_keys
from nntrain.forms.embedding import Embedding
from nntrain.forms.encoder import refuse_to_look_ahead
from nntrain.forms.readout import mean
from nntrain.forms.stack import feedforward
from nntrain.registry import form
from nntrain.specs import Headed, Series, Tokens


@form("lecture")
class Lecture(nn.Module):
    """The attention block of text books and lectures: no biases, no second residual connection.

    Z_h = softmax(X A_h (X B_h)^T) X C_h for each head h;  Z = heads side by side;
    X' = W_down f(W_up n + b_up) + b_down, n = norm(X + Z);  features = mean_t X'_t, or X' for tags

    Takes tokens and series; classes, values and tags. Padding is not seen. For learning how it works; for
    results take encoder.
    Source: the notation of lectures; the original is Vaswani et al. 2017, arXiv:1706.03762, section 3.

    Settings:
        scale: whether the scores X A_h (X B_h)^T are divided by sqrt(d), d features a head, as in the paper
    """

    def __init__(
        self,
        inputs: Tokens | Series,
        targets: Headed,
        architecture: Architecture,
        *,
        scale: bool = False,
    ) -> None:
        super().__init__()
        refuse_to_look_ahead("lecture", targets)
        self.features = architecture.width
        self.per_position = targets.per_position
        self.embedding = Embedding(inputs, architecture)
        self.dropout = nn.Dropout(architecture.dropout)
        self.layers = nn.ModuleList(LectureBlock(architecture, scale) for _ in range(architecture.layers))

    def forward(self, x: Sequences) -> Tensor:
        mask = x.mask()
        h = self.dropout(self.embedding(x.values))
        scope = Scope(over_keys(mask), rotation=self.embedding.positions.rotation(h, 0))
        for layer in self.layers:
            h = layer(h, scope)
        return h if self.per_position else mean(h, mask)


class LectureBlock(nn.Module):
    """feedforward(norm(X + Z)); the matrices A, B and C make queries, keys and values."""

    def __init__(self, architecture: Architecture, scale: bool) -> None:
        super().__init__()
        width = architecture.width
        self.heads = architecture.heads
        self.scale = scale
        self.A, self.B, self.C = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.norm = architecture.norm()
        self.feedforward = feedforward(architecture)
        self.dropout = nn.Dropout(architecture.dropout)

    def forward(self, x: Tensor, scope: Scope) -> Tensor:
        queries, keys, values = (by_head(part(x), self.heads) for part in (self.A, self.B, self.C))
        if scope.rotation is not None:
            queries, keys = scope.rotation.turn(queries), scope.rotation.turn(keys)
        dropout = self.dropout.p if self.training else 0.0
        z = attend(queries, keys, values, scope, scale=self.scale, dropout=dropout)
        return self.dropout(self.feedforward(self.norm(x + z)))
