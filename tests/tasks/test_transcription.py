"""Reading sequences without being told where the symbols are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.batch import IGNORED, Sequences
from nntrain.data.digit_lines import digit_lines
from nntrain.data.scikit_learn import digits
from nntrain.tasks.transcription import read
from runs import instant_disk  # noqa: F401


def logits(*paths: str) -> torch.Tensor:
    """Outputs whose most likely symbols are a, b or blank (-)."""
    return torch.stack([torch.eye(3)[["ab-".index(symbol) for symbol in path]] for path in paths])


def test_repetitions_and_then_blanks_are_left_out() -> None:
    outputs = Sequences(logits("aab-b", "-----", "a-aab", "abbbb"), torch.tensor([5, 5, 5, 2]))
    found = [[s for s in row if s != IGNORED] for row in read(outputs).tolist()]
    assert found == [[0, 1, 1], [], [0, 0, 1], [0, 1]]


def test_what_stands_behind_the_end_is_not_read() -> None:
    outputs = Sequences(logits("ab-ab", "ab-ab"), torch.tensor([5, 3]))
    assert (read(outputs) != IGNORED).sum(dim=1).tolist() == [4, 2]
    assert (read(Sequences(outputs.values)) != IGNORED).sum(dim=1).tolist() == [4, 4]


def test_lines_are_of_digits_in_their_order() -> None:
    source, images = digit_lines(lines=40, longest=4, gap=3), digits().train.inputs.squeeze(1)
    for part in (source.train, source.dev(), source.test()):
        values, lengths = part.inputs
        for line, length, numbers in zip(values, lengths, part.targets, strict=True):
            there = numbers[numbers != IGNORED]
            assert 1 <= len(there) <= 4
            assert 8 * len(there) <= length <= 8 * len(there) + 3 * (len(there) - 1)
            assert not bool(line[length:].any())
            first = line[:8].T
            assert bool((images == first).flatten(1).all(dim=1).any())


def test_the_parts_are_of_different_digits() -> None:
    source = digit_lines(lines=300)
    firsts = [{line[:8].numpy().tobytes() for line in part.inputs.values} for part in (source.train, source.test())]
    assert len(firsts[1]) > 50
    assert not firsts[0] & firsts[1]


@pytest.mark.parametrize("model", ["{type: lstm, hidden: 24, bidirectional: true}"])
def test_lines_of_one_or_two_digits_are_learned(model: str, write: Callable[..., Path], command: Any) -> None:
    config = write(f"""
data: {{type: digit_lines, lines: 400, longest: 2}}
model: {model}
task: transcription
optimizer: {{type: adam, lr: 0.01}}
trainer: {{length: 30 epochs, evaluate: 30 epochs, preflight: false}}
""")
    assert command("fit", config, "--json").json["dev"]["symbol_error_rate"] < 0.2
