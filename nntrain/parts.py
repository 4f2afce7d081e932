"""What a run trains, and what a trained model is used with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from nntrain.averages import Average
from nntrain.clips import Clip
from nntrain.clock import Clock
from nntrain.data import Dataset
from nntrain.data.order import Order
from nntrain.data.unread import Unread
from nntrain.device import Device
from nntrain.experiment import TrainerSettings
from nntrain.layers import Layer
from nntrain.metrics import Metric
from nntrain.optimizers import Optimizer
from nntrain.regularizers import Regularizer
from nntrain.remedies import Remedy
from nntrain.tasks import Task
from nntrain.update import Update


@dataclass(frozen=True)
class Parts:
    """Everything that a stage of a run needs, made from a config without mistakes."""

    plain: dict[str, Any]  # the stage's config with every default filled in
    seed: int
    settings: TrainerSettings
    device: Device
    data: Dataset
    model: nn.Module
    layers: list[Layer]  # for one example
    task: Task
    metrics: Mapping[str, Metric]
    regularizers: list[Regularizer]
    optimizers: Mapping[str, Optimizer]
    clip: Clip
    average: Average
    remedy: Remedy
    order: Order
    clock: Clock
    schedule: Callable[[float], float]
    monitor: str | None  # None without a dev set
    stage: int  # its number, 0 where the run has only one
    config: dict[str, Any]  # the whole run's
    unread: Unread  # the training examples that could not be read
    taken_over: list[str]  # what was taken from networks that were trained before, in words

    def update(self) -> Update:
        """The update that trains these parts."""
        return Update(
            self.model,
            self.task.objectives,
            self.optimizers,
            self.regularizers,
            self.device,
            self.clip,
            self.settings.gradient_norms,
            "compile" if self.settings.compile else self.settings.capture,
            self.remedy.skips,
            self.settings.oom,
        )


@dataclass(frozen=True)
class Trained:
    """What a trained model is used with."""

    plain: dict[str, Any]
    device: Device
    data: Dataset
    model: nn.Module
    task: Task
    metrics: Mapping[str, Metric]
