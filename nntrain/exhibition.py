"""What there is to see of a run at every evaluation, beside its curves."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from nntrain.assemble import Parts
from nntrain.device import python_state, restore_python
from nntrain.samples import Projection, Sample

SAMPLE = 64  # examples of which a task shows some at every evaluation
PROJECTED = 1000  # examples that are placed among each other at the end

T = TypeVar("T")


class Exhibition:
    """Lets a task show what the model makes of a few dev examples (training examples, where there is no dev set).

    They are the same at every evaluation, and so is the noise that is drawn: what changes is the model. A task may
    have the methods samples(model, batch, inputs) -> list of pictures and text, shown at every evaluation, and
    projection(model, batch, inputs) -> points, shown at the end; `inputs` describes the data's inputs. The model is in
    eval mode; nothing of the training is disturbed, neither its random numbers nor its buffers.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._is_wanted = parts.settings.samples
        self.part = "train" if parts.data.split("dev") is None else "dev"

    def samples(self) -> list[Sample]:
        return self._made(getattr(self._parts.task, "samples", None), SAMPLE) or []

    def projection(self) -> Projection | None:
        return self._made(getattr(self._parts.task, "projection", None), PROJECTED)

    def _made(self, make: Callable[..., T] | None, examples: int) -> T | None:
        if make is None or not self._is_wanted:
            return None
        parts, model = self._parts, self._parts.model
        noise, python = parts.device.noise(), python_state()
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
        was_training = model.training
        parts.device.seed(parts.seed, 3)
        model.eval()
        try:
            with torch.inference_mode(), parts.device.precision():
                return make(model, self._batch(examples), parts.data.inputs)
        finally:
            model.train(was_training)
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
            parts.device.repeat(noise)
            restore_python(python)

    def _batch(self, examples: int) -> Any:
        split = self._parts.data.split(self.part)
        assert split is not None
        return next(iter(split.sample(examples, seed=0).in_order()))
