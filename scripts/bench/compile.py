"""Outputs after torch.compile beside the plain ones, for a small instance of every variant of every model."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from every_model import VARIANTS, Instance, instances

TABLE = Path(__file__).with_name("compile.md")
MOST = 1e-5  # by which outputs may differ
HEAD = "| model | settings | inputs | targets | largest difference |\n| --- | --- | --- | --- | ---: |"


torch._inductor.config.fallback_random = True  # noise as torch draws it, so that both draw the same


def difference(instance: Instance) -> float:
    """The largest difference between plain and compiled outputs, in eval mode."""
    torch.compiler.reset()
    model, batch = instance.make().eval(), instance.batch()
    compiled = torch.compile(model)
    with torch.no_grad():
        outputs = []
        for network in (model, compiled):
            torch.manual_seed(0)  # of models that draw noise
            outputs.append(network(batch))
    return float((outputs[0] - outputs[1]).abs().max())


def row(instance: Instance, found: float) -> str:
    settings = VARIANTS.get(instance.name, [{}])[instance.variant]
    told = ", ".join(f"{name}: {value}" for name, value in settings.items())
    kinds = (type(instance.inputs).__name__, type(instance.targets).__name__)
    return f"| {instance.name} | {told} | {' | '.join(kinds)} | {found:.1e}{'' if found <= MOST else ' **too much**'} |"


def main() -> int:
    asked = set(sys.argv[1:])
    first = {(i.name, i.variant, type(i.inputs)): i for i in reversed(instances()) if not asked or i.name in asked}
    chosen = sorted(first.values(), key=str)
    found = [(instance, difference(instance)) for instance in chosen]
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}, Inductor, float32"
    said = f"Written by `scripts/bench/compile` on {machine}: at most {MOST:g} is asked.\n"
    table = "\n".join((said, HEAD, *(row(*pair) for pair in found))) + "\n"
    if not asked:
        TABLE.write_text(table, encoding="utf-8")
    print(table)
    return 0 if all(value <= MOST for _, value in found) else 1


if __name__ == "__main__":
    sys.exit(main())
