"""What there is to see of a run at every evaluation, beside its curves."""

from collections.abc import Callable
from typing import TypeVar

import torch

from nntrain.batch import Batch
from nntrain.parts import Parts
from nntrain.samples import Projection, Sample
from nntrain.snapshot import unchanged

SAMPLE = 64  # examples of which a task shows some at every evaluation
SHOWN = 100  # times, about, that they are shown in a stage at most: they are larger than all curves together
PROJECTED = 1000  # examples that are placed among each other at the end

T = TypeVar("T")


class Exhibition:
    """Lets a task show what the model makes of a few dev examples (training examples, where there is no dev set).

    They are the same at every evaluation, and so is the noise that is drawn: what changes is the model. What the
    task's `samples` returns is shown at every evaluation (at one in each hundredth of the stage, where there are
    more), its `projection` at the end. The model is in eval mode;
    nothing of the training is disturbed, neither its random numbers nor its buffers.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._is_wanted = parts.settings.samples
        dev = parts.data.split("dev")
        self.part = "train" if dev is None else "dev"
        self._split = parts.data.train if dev is None else dev
        self._shown: Batch | None = None

    def samples(self, step: int, interval: int) -> list[Sample]:
        """What there is to see after `step` steps, `interval` of them after the evaluation before."""
        total = self._parts.clock.total
        if step < total and step * SHOWN // total == (step - interval) * SHOWN // total:
            return []
        return self._made(self._parts.task.samples, self._few) or []

    def projection(self) -> Projection | None:
        return self._made(self._parts.task.projection, self._many)

    def _made(self, make: Callable[..., T], examples: Callable[[], Batch]) -> T | None:
        if not self._is_wanted:
            return None
        parts, model = self._parts, self._parts.model
        with unchanged(model, parts.device), torch.inference_mode(), parts.device.precision():
            parts.device.seed(parts.seed, 3)
            model.eval()
            return make(model, examples(), parts.data.inputs)

    def _few(self) -> Batch:
        """Kept from the first evaluation on: where data lies in files, they are read once."""
        if self._shown is None:
            self._shown = self._first(SAMPLE)
        return self._shown

    def _many(self) -> Batch:
        return self._first(PROJECTED)

    def _first(self, examples: int) -> Batch:
        return next(iter(self._split.sample(examples, seed=0).in_order()))
