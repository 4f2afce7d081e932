"""Capturing: what is done at every step alike is written down once, as a flat list of operations."""

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nntrain.batch import Batch, tensors_in
from nntrain.capture.flat import flattened
from nntrain.capture.proof import PROVEN_EARLY, PROVEN_LATER, Look, both_ways, form_of, of_tensors, proven_calls
from nntrain.device import Device

Wanted = Literal["auto", True, False]

MOST = 8  # shapes of batches, of each of which there is a graph
SHARE, MOST_SPARED = 1 / 2, 0.002  # of a step, and seconds, that a captured one is taken to spare at most
FIRST_GUESS = 0.02  # seconds that writing a step down takes, before that is known
MOST_SAID = 200  # characters of a reason
TIMED = 20  # calls, after the first, of which the fastest counts


@dataclass
class Shape:
    """What is known of batches of one shape."""

    fastest: float = float("inf")  # of the plain calls, in seconds, but for the first
    plain_calls: int = 0
    graph: Any = None
    calls: int = 0
    fastest_captured: float = float("inf")
    proofs: frozenset[int] = field(default_factory=frozenset)


class Captured:
    """A function of batches that runs as a graph once that is proven to give the same bits, and is faster.

    The function may depend on the model's parameters and buffers, may change buffers, and draw random numbers. It is
    captured after so many calls for batches of a shape as would have paid for it (at once where that is wanted): no
    short run pays, nor one of slow steps, of which little can be spared. Two calls, and three random later ones, are
    done both ways from the same state; where a bit is different, or something cannot be captured, `reason` says so
    and calls are plain again. Which calls are captured thus changes no result.
    """

    def __init__(self, look: Look, model: nn.Module, device: Device, wanted: Wanted) -> None:
        self._look = look
        self._model = model
        self._device = device
        self._wanted = wanted
        self._shapes: dict[Any, Shape] = {}
        self._writing = FIRST_GUESS
        self.reason = "" if wanted else "trainer.capture is false"
        self.captured_calls = 0
        self.calls_apart = 0  # that took longer than others: written down, or done both ways
        self._is_tried = False
        self.forms: list[str] = []  # of batches that a resumed run must capture too: none, as all bits are the same

    def __call__(self, batches: Sequence[Batch], trained: Hashable) -> list[Tensor]:
        """`trained` names what is trained: a graph is of these parameters."""
        if self.reason:
            return self._look(batches)
        tensors = tensors_in(list(batches))
        shape = self._shape(form_of(trained, tensors))
        if shape is None:
            return self._look(batches)
        if shape.graph is None:
            return self._capture(shape, batches, tensors) if self._is_due(shape) else self._timed(shape, batches)
        return self._run(shape, batches, tensors)

    @property
    def is_settled(self) -> bool:
        """Whether it is known if steps are captured ones from here on."""
        return bool(self.reason) or self.captured_calls > TIMED

    @property
    def was_tried(self) -> bool:
        """Whether it was tried to capture steps, or was to be at once where something keeps from it."""
        return self._is_tried or bool(self._wanted is True and self.reason)

    def described(self) -> dict[str, Any]:
        """For the run's summary: how many steps were captured ones, and why not more."""
        return {"steps": self.captured_calls, "reason": self.reason or None}

    def _shape(self, key: Any) -> Shape | None:
        if key not in self._shapes and len(self._shapes) < MOST:
            self._shapes[key] = Shape()
        return self._shapes.get(key)

    def _is_due(self, shape: Shape) -> bool:
        twice = shape.fastest * (1 + PROVEN_EARLY + PROVEN_LATER)  # what is done both ways
        spared = shape.plain_calls * min(SHARE * shape.fastest, MOST_SPARED)
        return self._wanted is True or spared > self._writing + twice

    def _timed(self, shape: Shape, batches: Sequence[Batch]) -> list[Tensor]:
        began = time.thread_time()
        found = self._look(batches)
        seconds = time.thread_time() - began
        shape.plain_calls += 1
        if shape.plain_calls > 1:  # the first one warms up
            shape.fastest = min(shape.fastest, seconds)
        return found

    def _capture(self, shape: Shape, batches: Sequence[Batch], tensors: list[Tensor]) -> list[Tensor]:
        def written() -> list[Tensor]:
            began = time.thread_time()
            shape.graph, found = flattened(of_tensors(self._look, batches), tensors, self._model)
            self._writing = time.thread_time() - began
            return found

        self._is_tried = True
        found = self._compared(batches, written)
        shape.proofs = proven_calls(len(self._shapes))
        return found

    def _run(self, shape: Shape, batches: Sequence[Batch], tensors: list[Tensor]) -> list[Tensor]:
        call = shape.calls
        shape.calls += 1
        if call in shape.proofs:
            return self._compared(batches, lambda: shape.graph(tensors))
        self.captured_calls += 1
        if self._wanted is True or call > PROVEN_EARLY + TIMED:
            return shape.graph(tensors)
        began = time.thread_time()
        found: list[Tensor] = shape.graph(tensors)
        shape.fastest_captured = min(shape.fastest_captured, time.thread_time() - began)
        if call == PROVEN_EARLY + TIMED and shape.fastest_captured > shape.fastest:
            self._give_up("captured steps take longer than plain ones")
        return found

    def _compared(self, batches: Sequence[Batch], other: Callable[[], list[Tensor]]) -> list[Tensor]:
        """The plain call's result; gives up where the other way fails or gives another bit."""
        self.calls_apart += 1
        done = both_ways(lambda: self._look(batches), other, self._model, self._device)
        if done.error is not None:
            self._give_up(said(done.error))
        elif not _same(done.plain, done.other) or not _same(done.after.tensors(), done.other_after.tensors()):
            self._give_up("the captured step does not give the same bits")
        done.after.restore()
        return done.plain

    def _give_up(self, reason: str) -> None:
        self.reason = reason
        self._shapes.clear()


def said(error: Exception) -> str:
    """Why a step cannot be captured, in a few words."""
    text = " ".join(str(error).split())
    return text if len(text) <= MOST_SAID else f"{text[:MOST_SAID]}..."


def _same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.equal(_bits(a), _bits(b)) and a.stride() == b.stride() for a, b in zip(one, other, strict=True))


def _bits(tensor: Tensor) -> Tensor:
    """NaN is not equal to itself, its bits are."""
    return tensor.reshape(-1).view(torch.uint8)
