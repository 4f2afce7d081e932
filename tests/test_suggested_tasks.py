"""The task of a config that names none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("data", "model", "task"),
    [
        ("digits", "linear", "classification"),
        ("diabetes", "linear", "regression"),
        ("{type: reversal, length: 4}", "{type: gru, hidden: 4}", "tagging"),  # of tokens, which alone ask for another
        ("{type: reversal_pairs, length: 4}",
         "{type: transformer, form: encoder_decoder, width: 8, heads: 2, layers: 1}", "seq2seq"),
    ],
)  # fmt: skip
def test_the_data_says_what_is_to_be_learned(
    data: str, model: str, task: str, command: Callable[..., Any], write: Callable[..., Path]
) -> None:
    checked = command(
        "check", write(f"data: {data}\nmodel: {model}\ntrainer: {{preflight: false, length: 1 step}}\n"), "--json"
    )
    assert checked.status == 0, checked.err
    assert checked.json["task"] == task
