"""Other libraries beside the hand-written loops: which there are, what each can do, and their table."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

CLASSIFIERS = ("mlp_digits", "mlp_fashion_mnist", "lenet_fashion_mnist", "lstm_mnist_rows", "resnet50")
WORKS = {"lightning": (*CLASSIFIERS, "gpt_shakespeare"), "keras": CLASSIFIERS}  # rival_NAME.py -> the works it can do
HEAD = """
The same networks, data, rule and evaluations with other libraries, as their users write it (rival_*.py), in the same
rounds; time per example is theirs over the loop's.

| work | with | examples/s | time per example | first step, s | peak memory, MB |
| --- | --- | ---: | ---: | ---: | ---: |"""
LEFT_OUT = "\n{} left out: not installed; `pip install .[bench]` brings them."


def programs(work: str) -> dict[str, str]:
    """The libraries that are installed and can do a work, with their programs."""
    return {name: f"rival_{name}.py" for name, works in WORKS.items() if work in works and find_spec(name)}


def table(found: Sequence[dict[str, Any]]) -> list[str]:
    """A row for each library and work that was measured, and which libraries are not installed."""
    rows = [
        f"| {one['work']} | {name} | {one[name]['examples_per_second']:,.4g} | {ratio(one, name)} "
        f"| {one[name]['first_step']:.1f} | {one[name]['peak']:,.0f} |"
        for one in found
        for name in WORKS
        if name in one
    ]
    missing = [name for name in WORKS if not find_spec(name)]
    return [*([HEAD, *rows] if rows else []), *([LEFT_OUT.format(" and ".join(missing))] if missing else [])]


def ratio(found: dict[str, Any], name: str) -> str:
    """The time per example over the loop's: the median of the rounds, the smallest and the largest."""
    middle, least, most = found["time_per_example"][name]
    return f"{middle:.2f} ({least:.2f} to {most:.2f})"
