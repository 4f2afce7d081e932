"""Arbitrary configs: the answer is a config or a ConfigError, never anything else."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nntrain.config import load
from nntrain.errors import UserError
from nntrain.experiment import Experiment
from nntrain.overrides import override
from nntrain.reader import Reader
from nntrain.registry import Registry
from nntrain.schema import settings_of

QUICK = settings(
    max_examples=250, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
NAMES = ["type", "data", "model", "mlp", "iris", "optimizer", "lr", "trainer", "length", "5 epochs", "seed", "hidden"]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(NAMES)
keys = st.sampled_from([*settings_of(Experiment), *NAMES]) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my.yaml"


def answer(path: Path) -> None:
    """Loads a config and reads it; anything but a UserError goes through."""
    try:
        document = load(path)
    except UserError as error:
        assert str(error)
        return
    reader = Reader(Registry())
    reader.settings(settings_of(Experiment), document.data, (), "a config")
    if reader.problems:
        assert str(path) in str(document.error(reader.problems))


@QUICK
@example(content=b"\xff\xfe\x00")
@example(content=b"a: &a [*a]\n")
@example(content=b"? [1]\n: 2\n")
@example(content=b"<<: 3\n")
@example(content=b"a: !!binary x\n")
@given(content=st.binary(max_size=200))
def test_arbitrary_bytes(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    answer(file)


@QUICK
@given(text=st.text(alphabet="ab:-[]{},#&*!|>'\"%@` \n\t?0.e1~<", max_size=60))
def test_arbitrary_punctuation(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
    answer(file)


@QUICK
@given(config=st.dictionaries(keys, values, max_size=6))
def test_arbitrary_data(config: dict[str, Any], file: Path) -> None:
    file.write_text(yaml.safe_dump(config, allow_unicode=False), encoding="utf-8")
    answer(file)


@QUICK
@given(texts=st.lists(st.text(alphabet="amodel.typ=01[]{}: -", max_size=20), max_size=3))
def test_arbitrary_overrides(texts: list[str], file: Path) -> None:
    file.write_text("data: iris\nmodel: {type: mlp, hidden: [3]}\n", encoding="utf-8")
    try:
        override(load(file), texts)
    except UserError as error:
        assert "command line" in str(error)


def test_aliases_that_multiply_are_refused_at_once(file: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    file.write_text("\n".join(lines))
    with pytest.raises(UserError, match="may not multiply"):
        load(file)
