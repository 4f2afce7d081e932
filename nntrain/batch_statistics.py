"""The running means and variances of batch normalisation, estimated anew for weights that no step has made."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nntrain.data import Split
from nntrain.data.order import Order
from nntrain.device import Device
from nntrain.guard import put_back
from nntrain.loss import Objective
from nntrain.snapshot import unchanged


def statistics_of(model: nn.Module) -> dict[str, Tensor]:
    """The statistics that steps change, by their names in the model; none where it has no batch normalisation."""
    return {
        f"{name}.{key}" if name else key: buffer
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and not _is_frozen(module)
        for key, buffer in module.named_buffers()
    }


@dataclass(frozen=True)
class BatchStatistics:
    """Those of a model, and what they are estimated with: the batches of the first epoch, as they are trained with.

    Layers whose parameters are frozen have theirs from elsewhere, and keep them.
    """

    model: nn.Module
    objectives: Sequence[Objective]
    train: Split
    order: Order
    device: Device
    seed: int

    def buffers(self) -> dict[str, Tensor]:
        return statistics_of(self.model)

    @torch.inference_mode()
    def estimate(self, batches: int) -> None:
        """Puts the means over so many training batches in their place; no other buffer or generator changes.

        A batch whose statistics are not finite is left out.
        Source: Izmailov et al. 2018, arXiv:1803.05407, section 3.2; torch.optim.swa_utils.update_bn.
        """
        updates = self.train.stream(self.order.updates(0))
        with self._alone_changing():
            for batch in islice(chain.from_iterable(updates), batches):
                statistics = list(self.buffers().values())
                before = [buffer.clone() for buffer in statistics]
                for objective in self.objectives:
                    with self.device.precision():
                        objective.outputs(self.model, batch)
                put_back(statistics, before, ~torch.stack([b.isfinite().all() for b in statistics]).all())

    @contextmanager
    def _alone_changing(self) -> Iterator[None]:
        """Lets passes forward, in training mode, change the statistics to cumulative means, and leave nothing else."""
        layers = [module for module in self.model.modules() if isinstance(module, _BatchNorm)]
        momenta = [layer.momentum for layer in layers]
        with unchanged(self.model, self.device, but=self.buffers().values()):
            self.model.train()
            for layer in layers:
                layer.momentum = None  # torch's word for a cumulative mean
                if _is_frozen(layer):
                    layer.eval()
                else:
                    layer.reset_running_stats()
            self.device.seed(self.seed, 3)
            try:
                yield
            finally:
                for layer, momentum in zip(layers, momenta, strict=True):
                    layer.momentum = momentum


def _is_frozen(layer: nn.Module) -> bool:
    parameters = list(layer.parameters(recurse=False))
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
