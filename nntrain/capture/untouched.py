"""What a graph of tensors cannot do: change numbers that a model keeps in Python, or draw from its generators."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.capture.recording import UncapturedError
from nntrain.device import python_state, restore_python


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Leaves both as they are; UncapturedError where they would have changed, such as a count of the calls."""
    numbers, random = _numbers(model), python_state()
    try:
        yield
    finally:
        counts, draws = _numbers(model) != numbers, not _are_alike(random, python_state())
        for module, its in zip(model.modules(), numbers, strict=True):
            vars(module).update(its)
        restore_python(random)
    if counts:
        raise UncapturedError("the step changes a number of Python's that the model keeps")
    if draws:
        raise UncapturedError("the step draws from Python's generator or NumPy's")


def _numbers(model: nn.Module) -> list[dict[str, Any]]:
    return [{n: v for n, v in vars(module).items() if isinstance(v, int | float)} for module in model.modules()]


def _are_alike(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(one[key].nan_to_num(), other[key].nan_to_num()) for key in one)
