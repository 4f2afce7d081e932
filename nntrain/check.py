"""What is to be known of a config before training: data, shapes, parameters, memory, first loss, faults."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nntrain.activation_checkpointing import activation_bytes
from nntrain.batch import Batch
from nntrain.batch_size import AUTO
from nntrain.config import Document
from nntrain.group_table import group_tables, groups_of
from nntrain.layers import Layer, multiply_adds, outputs
from nntrain.network import parameter_count
from nntrain.parts import Parts
from nntrain.plan import plan
from nntrain.preflight.finding import Finding
from nntrain.preflight.run import preflight
from nntrain.tables import Table
from nntrain.trial import first_batch


@dataclass(frozen=True)
class Report:
    """What a check found in each stage."""

    stages: "list[StageReport]"

    @property
    def facts(self) -> dict[str, Any]:
        """Of the only stage, else below `stages` of each."""
        facts = [stage.facts for stage in self.stages]
        return facts[0] if len(facts) == 1 else {"config": facts[0]["config"], "stages": facts}

    @property
    def findings(self) -> list[Finding]:
        return [finding for stage in self.stages for finding in stage.findings]

    def tables(self) -> list[Table]:
        return [table for stage in self.stages for table in stage.tables()]


@dataclass(frozen=True)
class StageReport:
    """What a check found in a stage."""

    title: str
    facts: dict[str, Any]
    layers: list[Layer]
    findings: list[Finding]

    def tables(self) -> list[Table]:
        rows = tuple(
            (
                layer.name,
                layer.type,
                "x".join(map(str, layer.shape[1:])),
                f"{layer.parameters:,}",
                f"{layer.multiply_adds:,}",
            )
            for layer in self.layers
        )
        columns = ("layer", "type", "output", "parameters", "multiply-adds")
        return [
            Table("layers (for one example)", columns, rows),
            *group_tables(self.facts["groups"]),
            Table(self.title, ("", "found"), self._found()),
        ]

    def _found(self) -> tuple[tuple[str, str], ...]:
        facts, data = self.facts, self.facts["data"]
        sizes = ", ".join(f"{name} {count:,}" for name, count in data["examples"].items())
        expected = facts["expected_first_loss"]
        untrained = "" if expected is None else f" (an untrained network's is near {expected:.4g})"
        loss = "none" if facts["first_loss"] is None else f"{facts['first_loss']:.4g}{untrained}"
        return (
            ("data", f"{data['type']}: {data['inputs']}, {data['targets']}; {sizes}"),
            ("task", facts["task"]),
            *(("init", taken) for taken in facts["taken_over"]),
            ("model", f"{facts['model']['type']}, {self._parameters()}"),
            (
                "length",
                f"{facts['steps']:,} steps of {facts['batch_size']:,} examples{self._auto()}, "
                f"{facts['steps_per_epoch']:,} an epoch",
            ),
            ("memory", f"about {facts['memory_bytes'] / 2**20:,.1f} MB for parameters, optimizer and a batch"),
            ("first loss", loss),
            ("first gradient", f"norm {_norms(facts['first_grad_norm'])}"),
            ("device", facts["device"]),
        )

    def _auto(self) -> str:
        return " (auto: fit tries for the fastest; this is assumed)" if self.facts["batch_size_is_auto"] else ""

    def _parameters(self) -> str:
        model = self.facts["model"]
        frozen = model["parameters"] - model["trained"]
        rest = f", {model['trained']:,} of them trained and {frozen:,} frozen at the first step" if frozen else ""
        return f"{model['parameters']:,} parameters{rest}"


def check(document: Document, config: str, overrides: Sequence[str]) -> Report:
    """Makes everything a run needs, looks for faults, and makes one update of a throw-away copy of it.

    Does so for every stage, as if those before it had not trained. `config` and `overrides` are what the user typed,
    for the findings. Raises what `fit` would.
    """
    stages: list[StageReport] = []
    several = bool(document.data.get("stages"))
    plan(document, lambda parts: stages.append(_checked(parts, several, config, overrides)))
    return Report(stages)


def _checked(parts: Parts, is_one_of_several: bool, config: str, overrides: Sequence[str]) -> StageReport:
    findings = preflight(parts, with_fitting=True)
    batch = first_batch(parts.data, parts.order)
    first_loss = _first_loss(parts, batch)
    parameters = parameter_count(parts.model)  # before any are frozen
    began = time.monotonic()
    measures = parts.update()(0, [batch], parts.schedule(0.0))
    norms = {name: float(m.grad_norm) for name, m in measures.items()}
    facts = {
        "config": parts.plain["name"],
        "data": {"type": parts.plain["data"]["type"], **parts.data.describe()},
        "model": {
            "type": parts.plain["model"]["type"],
            "parameters": parameters,
            "trained": sum(p.numel() for optimizer in parts.optimizers.values() for p in optimizer.parameters),
            "multiply_adds": multiply_adds(parts.layers),
        },
        "taken_over": parts.taken_over,
        "groups": groups_of(parts.model, parts.task.objectives, parts.optimizers),
        "task": parts.plain["task"]["type"],
        "batch_size": batch.examples,
        "batch_size_is_auto": parts.plain["data"].get("batch_size") == AUTO,
        "steps": parts.clock.total,
        "steps_per_epoch": parts.clock.steps_per_epoch,
        "memory_bytes": _memory(parts, batch),
        "first_loss": first_loss,
        "expected_first_loss": None if parts.taken_over else parts.task.untrained_loss(),
        "first_grad_norm": norms["model"] if list(norms) == ["model"] else norms,
        "first_step_seconds": time.monotonic() - began,
        "device": parts.device.describe(),
        "findings": [finding.as_json(config, overrides) for finding in findings],
    }
    title = f"{parts.plain['name']}, stages.{parts.stage}" if is_one_of_several else parts.plain["name"]
    return StageReport(title, facts, parts.layers, findings)


def _first_loss(parts: Parts, batch: Batch) -> float | None:
    """The untrained network's loss on the first batch, in eval mode."""
    parts.model.eval()
    with torch.inference_mode(), parts.device.precision():
        outcome = parts.task.evaluate(parts.model, batch)
    parts.model.train()
    return None if outcome.loss is None else float(outcome.loss.over(outcome.counts))


def _memory(parts: Parts, batch: Batch) -> int:
    """An estimate in bytes: parameters with gradients and optimizer state, and what is kept of a batch."""
    gradients = sum(p.numel() for optimizer in parts.optimizers.values() for p in optimizer.parameters)
    numbers = sum(p.numel() for p in parts.model.parameters()) + gradients
    states = sum(tensor.nbytes for optimizer in parts.optimizers.values() for tensor in optimizer.state().values())
    means = sum(tensor.nbytes for tensor in parts.average.means())
    return torch.get_default_dtype().itemsize * numbers + states + means + _activations(parts, batch)


def _activations(parts: Parts, batch: Batch) -> int:
    """What all layers put out and its gradient; without what is computed again."""
    if parts.settings.checkpoint_activations:
        return activation_bytes(parts.model, parts.task, batch, parts.device)
    return torch.get_default_dtype().itemsize * 2 * outputs(parts.layers, batch.examples)


def _norms(found: float | dict[str, float]) -> str:
    if isinstance(found, dict):
        return ", ".join(f"{name} {norm:.4g}" for name, norm in found.items())
    return f"{found:.4g}"
