"""Made-up sequences for a model that was trained on such."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFIGS = {
    "copy": ("{type: copy, length: 2, symbols: 3, examples: 400}", "{type: gru, hidden: 32}", "a b _ _", ["a", "b"]),
    "pairs": (
        "{type: reversal_pairs, length: 3, symbols: 3, examples: 400}",
        "{type: transformer, form: encoder_decoder, width: 32, heads: 2, layers: 1, dropout: 0.0}",
        "a b c",
        "c b a",
    ),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_sequences_in_a_file_are_answered(command: Callable[..., Any], write: Callable[..., Path], case: str) -> None:
    data, model, line, answer = CONFIGS[case]
    write(f"data: {data}\nmodel: {model}\noptimizer: {{type: adam, lr: 0.005}}\ntrainer: {{length: 30 epochs}}\n")
    fitted = command("fit", "my.yaml", "--json").json
    write(f"{line}\n\na z\n", "new.txt")
    said = command("predict", fitted["run"], "new.txt", "gone.txt")
    assert said.status == 1
    (row,) = map(json.loads, said.out.splitlines())
    assert (row["file"], row["row"]) == ("new.txt", 1)
    assert (row["tags"][2:] if case == "copy" else row["translation"]) == answer
    for message in ("new.txt:2: there are no symbols", "new.txt:3: the symbol 'z' is not one", "no file gone.txt"):
        assert message in said.err
