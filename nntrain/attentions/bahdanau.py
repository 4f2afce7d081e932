"""Additive attention."""

import torch
from torch import Tensor, nn

from nntrain.attentions import Recurrence, States, advanced, looked_at
from nntrain.forms.attention import Memory
from nntrain.registry import attention
from nntrain.settings import Count


@attention("bahdanau")
class Bahdanau(nn.Module):
    """Before each step the decoder's state looks at the source; what it sees goes into the step (additive).

    e_ts = v . tanh(W h_{t-1} + U m_s);  c_t = sum_s softmax_s(e_t)_s m_s;  h_t = step([x_t; c_t], h_{t-1})
    features_t = tanh(W_o [h_t; c_t; x_t] + b_o)

    m_s are the encoder's states, x_t the embedded token before, h the upper layer's. Step by step in training too,
    so slower than luong.
    Source: Bahdanau, Cho, Bengio, Neural machine translation by jointly learning to align and translate, 2015,
    arXiv:1409.0473 (whose features are a maxout).

    Settings:
        units: how many numbers v has; left out, as many as a state
    """

    def __init__(
        self, recurrence: Recurrence, embedded: int, hidden: int, memory: int, *, units: Count | None = None
    ) -> None:
        super().__init__()
        self.layers = recurrence(embedded + memory)
        self.query = nn.Linear(hidden, units or hidden)
        self.key = nn.Linear(memory, units or hidden, bias=False)
        self.score = nn.Linear(units or hidden, 1, bias=False)
        self.out = nn.Linear(hidden + memory + embedded, hidden)

    def forward(self, x: Tensor, states: States, memory: Memory) -> tuple[Tensor, States]:
        keys, seen = self.key(memory.features), []
        for token in torch.split(x, 1, dim=1):
            query = self.query(states[0][-1]).unsqueeze(1)
            scores = self.score(torch.tanh(query + keys)).transpose(1, 2)
            context = looked_at(scores, memory)
            output, states = advanced(self.layers, torch.cat((token, context), dim=2), states)
            seen.append(torch.cat((output, context, token), dim=2))
        return torch.tanh(self.out(torch.cat(seen, dim=1))), states
