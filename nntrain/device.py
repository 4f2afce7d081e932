"""Where a run computes: device, precision, threads, and random numbers as a function of position."""

import math
import os
import random
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from nntrain.errors import UnfitError

Precision = Literal["fp32", "tf32", "bf16", "fp64"]
TORCH_THREADS = torch.get_num_threads()  # torch's choice: the cores, or OMP_NUM_THREADS
MOST_THREADS = 1024
WORTH_THREADS = 10_000_000  # multiply-adds in a batch's forward pass
# What CUDA computes in an order that differs from run to run, where it is not asked to be deterministic.
ON_CUDA = (
    "sums into places that are given by numbers (index_add, scatter_add, index_put), such as messages between nodes, "
    "and gradients of embeddings: atomic additions",
    "gradients of pooling, of interpolation and of padding by reflection: atomic additions",
    "CTC's gradient",
    "cuDNN's choice among ways of convolving, and cuBLAS's with several streams",
)
_MASK = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """One 63-bit seed from several numbers, different for neighbouring positions (SplitMix64's finaliser)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state >> 1


class Device:
    """A torch device with the run's precision."""

    def __init__(
        self,
        name: str = "auto",
        precision: Precision = "fp32",
        threads: int | Literal["auto"] = "auto",
        deterministic: bool = False,
    ) -> None:
        self.torch = _torch_device(name)
        if threads != "auto" and threads > MOST_THREADS:
            raise UnfitError(f"expected at most {MOST_THREADS} threads, found {threads}", "threads")
        if precision == "tf32" and self.torch.type == "cpu":
            raise UnfitError("TF32 is arithmetic of NVIDIA's GPUs, and this device is a CPU; take fp32", "precision")
        self._precision = precision
        self._threads = threads
        self._deterministic = deterministic

    def use_precision(self) -> None:
        """Sets the type of numbers that torch makes from here on: weights, and data that is made ready.

        And how it multiplies matrices of float32 on CUDA; cuDNN convolves in TF32 whatever is set, as is torch's way.
        """
        torch.set_default_dtype(torch.float64 if self._precision == "fp64" else torch.float32)
        torch.set_float32_matmul_precision("high" if self._precision == "tf32" else "highest")

    def use_determinism(self) -> None:
        """Lets torch compute what is the same from run to run, and refuse what it has no such way for; or not."""
        if torch.are_deterministic_algorithms_enabled() != self._deterministic:  # saying it imports torch's compiler
            torch.use_deterministic_algorithms(self._deterministic)
        torch.backends.cudnn.deterministic = self._deterministic
        if self._deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS looks at it when it starts

    def not_deterministic(self) -> list[str]:
        """What may differ from run to run with the same config and seed, in words."""
        return list(ON_CUDA) if self.torch.type == "cuda" and not self._deterministic else []

    def use_threads(self, multiply_adds: int) -> None:
        """Sets torch's CPU threads for batches of so much arithmetic: several only slow small ones down."""
        automatic = 1 if multiply_adds < WORTH_THREADS else TORCH_THREADS
        torch.set_num_threads(automatic if self._threads == "auto" else self._threads)

    def precision(self) -> AbstractContextManager[Any]:
        """The context of a forward pass: bfloat16 where it is safe with `bf16`; weights and losses stay float32."""
        return torch.autocast(self.torch.type, dtype=torch.bfloat16) if self._precision == "bf16" else nullcontext()

    @property
    def is_short(self) -> bool:
        """Whether products are taken of numbers shorter than float32."""
        return self._precision in ("bf16", "tf32")

    def seed(self, *position: int) -> None:
        """Seeds torch's generators for a position, so that a step draws the same numbers however it is reached."""
        seed = mix(*position)
        for generator in self._generators():
            generator.manual_seed(seed)

    def noise(self) -> list[Tensor]:
        """The state of torch's generators, for `repeat`."""
        return [generator.get_state() for generator in self._generators()]

    def repeat(self, noise: Sequence[Tensor]) -> None:
        """Lets the random numbers be drawn again that were drawn since `noise`."""
        for generator, state in zip(self._generators(), noise, strict=True):
            generator.set_state(state)

    def _generators(self) -> list[torch.Generator]:
        own = [torch.cuda.default_generators[self.torch.index or 0]] if self.torch.type == "cuda" else []
        return [torch.default_generator, *own]

    def describe(self) -> str:
        if self.torch.type == "cuda":
            return torch.cuda.get_device_name(self.torch)
        threads = torch.get_num_threads()
        return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def _torch_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()) or name.startswith("cpu:"):
        raise UnfitError(f"expected auto, cpu, cuda or cuda:N, found '{name}'", "device")
    if kind == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(index or 0) >= count:
        have = f"{count} CUDA devices" if count else "no CUDA device"
        raise UnfitError(f"this machine has {have}, so not '{name}'; use auto or cpu", "device")
    return torch.device("cuda", int(index or 0))


def at_least_single(outputs: Tensor) -> Tensor:
    """Outputs as float32 where a forward pass made them shorter, float64 as they are: what losses are taken of."""
    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))


def seed_python(seed: int) -> None:
    """Seeds Python's and NumPy's generators, which plug-ins may draw from."""
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)


def python_state() -> dict[str, Tensor]:
    """The state of Python's and NumPy's generators as tensors."""
    _, internal, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": torch.tensor(internal, dtype=torch.int64),
        "numpy": torch.tensor([*map(int, keys), int(position), int(has_gauss)], dtype=torch.int64),
        "gauss": torch.tensor([float("nan") if gauss is None else gauss, float(cached)], dtype=torch.float64),
    }


def restore_python(state: dict[str, Tensor]) -> None:
    """Puts the generators back to what `python_state` saw."""
    gauss, cached = state["gauss"].tolist()
    random.setstate((3, tuple(state["python"].tolist()), None if math.isnan(gauss) else gauss))
    *keys, position, has_gauss = state["numpy"].tolist()
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, cached))
