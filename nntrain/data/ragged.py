"""Sequences of different lengths, kept without padding."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nntrain.batch import Sequences
from nntrain.tokenizers import Numbers


class Ragged(NamedTuple):
    """Sequences of numbers, one after the other.

    values: of all (numbers,); starts, lengths: where each begins, and how long it is (sequences,), on the CPU, where
    Python knows them
    """

    values: Tensor
    starts: Tensor
    lengths: Tensor

    @staticmethod
    def of(rows: Sequence[Numbers]) -> "Ragged":
        """Sequences of one number at least each."""
        lengths = torch.tensor([len(row) for row in rows])
        values = torch.from_numpy(np.concatenate(rows)) if len(rows) else torch.empty(0, dtype=torch.int32)
        return Ragged(values, lengths.cumsum(0) - lengths, lengths)

    @property
    def longest(self) -> int:
        return int(self.lengths.max()) if len(self.lengths) else 0

    def on(self, device: torch.device) -> "Ragged":
        return self._replace(values=self.values.to(device))

    def padded(self, numbers: Tensor, padding: int = 0) -> Sequences:
        """Some of the sequences, by their numbers on the CPU, padded to the longest of them; where the values are."""
        device, known = self.values.device, torch.stack((self.starts[numbers], self.lengths[numbers]))
        steps = torch.arange(int(known[1].max()), device=device)
        starts, lengths = known.to(device, non_blocking=True)
        places = starts[:, None] + torch.minimum(steps, lengths[:, None] - 1)
        values = self.values[places].long()
        return Sequences(values.masked_fill_(steps >= lengths[:, None], padding), lengths)
