"""What perceptrons and multilayer perceptrons learn and cannot learn."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from training import Row, measured, trained


def xor() -> list[Row]:
    """The multilayer perceptron learns the exclusive or, the linear model does not."""
    training = {"data": {"type": "xor", "batch_size": "all"}, "optimizer": {"type": "adam", "lr": 0.05}}
    return _against_linear("XOR", {"type": "mlp", "hidden": [8], "activation": "tanh"}, training, "300 steps")


def parity() -> list[Row]:
    """The multilayer perceptron learns the parity of 8 bits, the linear model does not."""
    training = {"data": {"type": "parity", "bits": 8, "batch_size": 32}, "optimizer": {"type": "adam", "lr": 0.01}}
    return _against_linear("8-bit parity", {"type": "mlp", "hidden": [64]}, training, "100 epochs")


def sine(widths: tuple[int, ...] = (1, 2, 4, 8, 32)) -> list[Row]:
    """One hidden layer of sigmoid units fits a sine, the better the wider it is (universal approximation).

    With biases from all over the axis, the units differ in where they bend.
    """
    errors = []
    for width in widths:
        parts = trained({
            "data": {"type": "sine", "batch_size": 40},
            "model": {"type": "mlp", "hidden": [width], "activation": "sigmoid"},
            "init": [{"type": "uniform", "limit": 2.0, "match": "linear.bias$"}],
            "optimizer": {"type": "adam", "lr": 0.05},
            "scheduler": "cosine",
            "trainer": {"length": "300 epochs"},
        })  # fmt: skip
        errors.append(measured(parts)["rmse"])
    found = ", ".join(f"{width}: {error:.4f}" for width, error in zip(widths, errors, strict=True))
    return [
        (f"{widths[-1]} sigmoid units fit a sine to 0.01", f"rmse {errors[-1]:.4f}", errors[-1] <= 0.01),
        ("the error falls with the number of units", f"rmse {found}", errors == sorted(errors, reverse=True)),
    ]


def deep_parity(bits: int = 8) -> list[Row]:
    """Parity by bits - 1 blocks of three threshold units each, beside the 2^(bits - 1) clauses of one layer."""
    patterns = torch.arange(2**bits)[:, None] >> torch.arange(bits) & 1
    odd = patterns.sum(dim=1) % 2
    deep, blocks = patterns[:, 0], 0
    for i in range(1, bits):
        deep, blocks = _xor_block(deep, patterns[:, i]), blocks + 1
    clauses = patterns[odd == 1]
    shallow = threshold(_fire(clauses, patterns).sum(dim=1), 1)
    return [
        (f"{bits - 1} XOR blocks compute the parity of {bits} bits", f"{blocks} blocks, {3 * blocks} threshold units",
         torch.equal(deep, odd)),
        (f"one layer of {2 ** (bits - 1)} clauses computes it too", f"{len(clauses)} clauses",
         torch.equal(shallow, odd)),
        ("no clause can be shortened, so that none can stand for two", f"{bits * len(clauses)} shortened clauses tried",
         all(_covers_even(clauses, bit, patterns[odd == 0]) for bit in range(bits))),
    ]  # fmt: skip


def threshold(scores: Tensor, least: int) -> Tensor:
    """A threshold unit: 1 where the weighted sum of its inputs reaches `least`."""
    return (scores >= least).long()


def _against_linear(what: str, mlp: dict[str, Any], training: dict[str, Any], length: str) -> list[Row]:
    errors = [
        measured(trained({**training, "model": model, "trainer": {"length": length}}))["error_rate"]
        for model in (mlp, "linear")
    ]
    return [
        (f"the MLP learns {what}", f"error {errors[0]:.1%}", errors[0] == 0),
        (f"the linear model does not learn {what}", f"error {errors[1]:.1%}", errors[1] >= 0.25),
    ]


def _xor_block(a: Tensor, b: Tensor) -> Tensor:
    """Exclusive or by three threshold units: at least one of both, at least two, and the first without the second."""
    either, both = threshold(a + b, 1), threshold(a + b, 2)
    return threshold(either - both, 1)


def _fire(clauses: Tensor, patterns: Tensor) -> Tensor:
    """A threshold unit for each clause: weights 1 and -1, reached only where all bits are the clause's."""
    weights = 2 * clauses - 1
    return (patterns @ weights.T >= clauses.sum(dim=1)).long()


def _covers_even(clauses: Tensor, bit: int, even: Tensor) -> bool:
    """Whether every clause, without one of its bits, also fires for a row of even parity."""
    others = [i for i in range(clauses.shape[1]) if i != bit]
    return bool(_fire(clauses[:, others], even[:, others]).any(dim=0).all())


LESSONS: tuple[Callable[[], list[Row]], ...] = (xor, parity, sine, deep_parity)
