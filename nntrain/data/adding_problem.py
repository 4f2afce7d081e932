"""The adding problem."""

from typing import Annotated

import torch
from annotated_types import Ge

from nntrain.batch import Sequences
from nntrain.data.in_memory import Examples, Source, as_they_are
from nntrain.registry import data
from nntrain.settings import Count, Whole
from nntrain.specs import Series, Values


@data("adding_problem", within=as_they_are)
def adding_problem(*, examples: Count = 20_000, length: Annotated[int, Ge(2)] = 100, seed: Whole = 0) -> Source:
    """The adding problem: add the two numbers of a sequence that are marked, one in each half.

    x_t = (a_t, m_t), a_t uniform on [0, 1), m_t = 1 at the two marked steps, else 0;  y = sum_t m_t a_t

    Always saying 1 has a mean squared error of 1/6 (an RMSE of 0.41); what is less has been remembered.
    Source: Hochreiter, Schmidhuber, Long short-term memory, 1997, experiment 4; marks in both halves: Arjovsky,
    Shah, Bengio, Unitary evolution recurrent neural networks, 2016, arXiv:1511.06464.

    Settings:
        examples: the number of sequences made, before they are divided
        length: the number of steps of each
        seed: of the numbers drawn; not the run's, so that runs with other seeds have the same data
    """
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.rand(examples, length, generator=generator)
    half = length // 2
    first = torch.randint(half, (examples, 1), generator=generator)
    second = torch.randint(half, length, (examples, 1), generator=generator)
    marks = torch.zeros(examples, length).scatter_(1, torch.cat((first, second), dim=1), 1.0)
    sums = (numbers * marks).sum(dim=1, keepdim=True)
    inputs = Sequences(torch.stack((numbers, marks), dim=2))
    return Source("adding_problem", Series(2, length), Values(("sum",)), Examples(inputs, sums))
