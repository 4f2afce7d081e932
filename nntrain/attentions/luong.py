"""Multiplicative attention."""

from typing import Literal

import torch
from torch import Tensor, nn

from nntrain.attentions import Recurrence, States, advanced, looked_at
from nntrain.forms.attention import Memory
from nntrain.registry import attention


@attention("luong")
class Luong(nn.Module):
    """After each step the decoder's state looks at the source; both together are read (multiplicative, global).

    h_t = step(x_t, h_{t-1});  c_t = sum_s softmax_s(e_t)_s m_s;  features_t = tanh(W_o [c_t; h_t] + b_o)
    general: e_ts = h_t . W m_s;  dot: e_ts = h_t . m_s

    m_s are the encoder's states, x_t the embedded token before, h the upper layer's. In training all steps are
    computed at once, since none depends on what the one before it saw (no input feeding).
    Source: Luong, Pham, Manning, Effective approaches to attention-based neural machine translation, 2015,
    arXiv:1508.04025.

    Settings:
        score: how well a state fits one of the encoder's: general with weights between them, dot without
    """

    def __init__(
        self,
        recurrence: Recurrence,
        embedded: int,
        hidden: int,
        memory: int,
        *,
        score: Literal["general", "dot"] = "general",
    ) -> None:
        super().__init__()
        self.layers = recurrence(embedded)
        self.key = nn.Linear(memory, hidden, bias=False) if score == "general" else nn.Identity()
        self.out = nn.Linear(memory + hidden, hidden)

    def forward(self, x: Tensor, states: States, memory: Memory) -> tuple[Tensor, States]:
        outputs, states = advanced(self.layers, x, states)
        context = looked_at(outputs @ self.key(memory.features).transpose(1, 2), memory)
        return torch.tanh(self.out(torch.cat((context, outputs), dim=2))), states
