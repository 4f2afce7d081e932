"""The works of loops.py by Lightning: `python rival_lightning.py WORK STEPS EVALUATE_EVERY [DEVICE]` prints JSON.

As its users write it: a DataLoader over a TensorDataset, its own progress bar, logger and checkpoints.
"""

import contextlib
import json
import logging
import sys
import tempfile
import time
import warnings
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from loops import EVALUATED, WORKS, Examples, Work
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


class Network(lightning.LightningModule):
    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work
        self.model = work.model()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.work.lr, fused=True)

    def training_step(self, batch: list[Tensor], number: int) -> Tensor:
        inputs, targets = batch
        loss = F.cross_entropy(self.model(inputs), targets)
        self.log("objective", loss)
        return loss

    def validation_step(self, batch: list[Tensor], number: int, dataloader_idx: int = 0) -> None:
        inputs, targets = batch
        outputs = self.model(inputs)
        self.log("loss", F.cross_entropy(outputs, targets))
        self.log("error_rate", (outputs.argmax(1) != targets).float().mean())


class Watch(lightning.Callback):
    """When the first step was done, and when the steps that count began."""

    def __init__(self, first_counted: int) -> None:
        self.first_counted = first_counted
        self.first_step_at = self.began = 0.0

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.global_step == 1:
            self.first_step_at = time.time()
        if trainer.global_step == self.first_counted:
            self.began = time.perf_counter()


def loader(examples: Examples, batch_size: int, training: bool) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*examples), batch_size, shuffle=training, drop_last=training)


def train(work: Work, steps: int, evaluate_every: int, device: str, folder: str) -> dict[str, Any]:
    (x, y), dev = work.data()
    seen = (x[: min(len(dev[1]), EVALUATED)], y[: min(len(dev[1]), EVALUATED)])
    batches = loader((x, y), work.batch_size, training=True)
    torch.manual_seed(0)
    network, watch = Network(work), Watch(min(len(batches), max(1, steps // 10)))
    trainer = lightning.Trainer(
        max_steps=steps,
        val_check_interval=evaluate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=work.clip,
        accelerator="gpu" if device.startswith("cuda") else device,
        devices=1,
        default_root_dir=folder,
        callbacks=[watch],
    )
    trainer.fit(network, batches, [loader(part, work.evaluation_batch, training=False) for part in (seen, dev)])
    seconds = time.perf_counter() - watch.began
    return {
        "examples_per_second": (steps - watch.first_counted) * work.batch_size / seconds,
        "first_step_at": watch.first_step_at,
        "parameters": sum(p.numel() for p in network.parameters()),
    }


def main() -> None:
    name, steps, evaluate_every, *rest = sys.argv[1:]
    warnings.simplefilter("ignore")  # on workers of a DataLoader, which tensors in memory do not need
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        found = train(WORKS[name], int(steps), int(evaluate_every), rest[0] if rest else "cpu", folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
