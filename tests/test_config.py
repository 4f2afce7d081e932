"""YAML as users write it: scalars of YAML 1.2, the place of every mistake, and what no config may hold."""

import math
import string
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nntrain.config import ConfigError, differences, dump, load
from nntrain.errors import UserError

Write = Callable[..., Path]

AWKWARD = [
    *("1e-3", "1E5", "1.", ".5", "+1", "017", "0x10", "0o17", "1_000", ".inf", "-.inf", ".nan", "12:30", "2001-01-01"),
    *("yes", "no", "on", "off", "y", "n", "true", "True", "FALSE", "null", "Null", "~", "", "=", "<<", "-", ".", "..."),
    *("a: b", "a #b", "#a", " a", "a ", ":", "?", "- a", "---", "[a", "{a", "a,b", "!a", "&a", "*a", "%a", "@a", "`a`"),
    *(
        "'",
        '"',
        "it's",
        "\\",
        "a\nb",
        "\n",
        "\t",
        "5%",
        "20 epochs",
        "weight$",
        "Zürich",
        "重み",
        "🙂",
        "\u2028",
        "\ufeff",
    ),
]


def mistakes(path: Path) -> list[tuple[int, int, str]]:
    """Line, column and message of every mistake that reading a file finds."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert {mark.source for mark, _ in caught.value.mistakes} == {str(path)}
    return [(mark.line, mark.column, message) for mark, message in caught.value.mistakes]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("1e-3", 1e-3), ("1E5", 1e5), ("1e+2", 100.0), ("1.", 1.0), (".5", 0.5), ("-2.5e-1", -0.25)],
        *[(".inf", math.inf), ("-.INF", -math.inf), ("1e400", math.inf)],
        *[("12", 12), ("+5", 5), ("-3", -3), ("017", 17), ("0o17", 15), ("0x1F", 31)],
        *[("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None)],
        *[("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("tRUE", "tRUE")],
        *[("1_000", "1_000"), ("12:30", "12:30"), ("2001-01-01", "2001-01-01"), ("0b1", "0b1"), ("-0x3", "-0x3")],
        *[("'1e-3'", "1e-3"), ('"true"', "true"), ("5%", "5%"), ("!!str 12", "12")],
    ],
)
def test_scalars_are_those_of_yaml_1_2(write: Write, text: str, value: object) -> None:
    found = load(write(f"data: {text}\n")).data["data"]
    assert (type(found), found) == (type(value), value)


def test_nan_is_a_number(write: Write) -> None:
    assert math.isnan(load(write("data: .nan\n")).data["data"])


def test_a_value_used_twice_by_an_alias_is_two_values(write: Write) -> None:
    data = load(write("data: &shared {sizes: [1, 2]}\nmodel: *shared\n")).data
    assert data == {"data": {"sizes": [1, 2]}, "model": {"sizes": [1, 2]}}
    assert data["data"] is not data["model"]


@pytest.mark.parametrize(
    ("path", "line", "column", "width"),
    [
        (("seed",), 2, 1, 4),
        (("model",), 3, 1, 5),
        (("model", "hidden"), 4, 3, 6),
        (("model", "hidden", 1), 4, 16, 2),
        (("regularizers", 0, "match"), 6, 16, 5),
        (("regularizers", 1), 7, 5, 2),
        (("regularizers", 1, "not", "there"), 7, 5, 2),
    ],
)
def test_every_setting_has_its_place(
    write: Write, path: tuple[str | int, ...], line: int, column: int, width: int
) -> None:
    text = "# a comment\nseed: 3\nmodel:\n  hidden: [64, 32]\nregularizers:\n  - {type: l2, match: w}\n  - l1\n"
    mark = load(write(text)).mark(path, on_key=True)
    assert (mark.line, mark.column, mark.width) == (line, column, width)


def test_a_value_has_a_place_beside_its_key(write: Write) -> None:
    mark = load(write("model:\n  hidden:   [64, 32]\n")).mark(("model", "hidden"))
    assert (mark.line, mark.column, mark.width) == (2, 13, 8)


def test_a_mistake_is_shown_with_its_line_and_a_caret(command: Callable[..., Any], write: Write) -> None:
    write("data: iris\nmodel: mlp\n\n# how\noptimizer:\n  type: sgd\n  momentun: 0.9\n")
    called = command("fit", "my.yaml")
    assert called.status == 2
    assert called.out == ""
    assert called.err == (
        "my.yaml:7:3: optimizer.momentun: unknown setting of sgd; did you mean 'momentum'?\n"
        "    7 |   momentun: 0.9\n"
        "      |   ^^^^^^^^\n"
    )


@pytest.mark.parametrize(
    "text", ["\r\n".join(["data: iris", "model: mlp", "sed: 1", ""]), "\ufeffmodel: mlp\n\nsed: 1"]
)
def test_places_count_lines_of_windows_and_after_a_byte_order_mark(write: Write, text: str) -> None:
    path = write("")
    path.write_bytes(text.encode())
    mark = load(path).mark(("sed",))
    assert (mark.line, mark.column, mark.text) == (3, 6, "sed: 1")


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("model: mlp\nmodel: linear\n", 2, 1, "model: set twice, first in line 1"),
        ("model:\n  type: mlp\n  type: lenet\n", 3, 3, "model.type: set twice, first in line 2"),
        ("model: {type: mlp, hidden: [1], hidden: [2]}\n", 1, 33, "model.hidden: set twice, first in line 1"),
        ("model:\n\ttype: mlp\n", 2, 1, "a tab cannot indent YAML; use spaces"),
        ("model:\n  type: mlp\n\thidden: [1]\n", 3, 1, "a tab cannot indent YAML; use spaces"),
        ("seed: 0\n data: iris\n", 2, 6, "mapping values are not allowed here"),
        ("model: {type: mlp\nseed: 0\n", 2, 5, "expected ',' or '}'"),
        ("model: [1, 2\n", 2, 1, "expected ',' or ']'"),
        ("model: 'mlp\n", 2, 1, "unexpected end of stream"),
        ("model: @mlp\n", 1, 8, "'@'"),
        ("model: *mlp\n", 1, 8, "undefined alias 'mlp'"),
        ("seed: 0\n---\nseed: 1\n", 2, 1, "expected a single document"),
        ("1: 3\n", 1, 1, "expected the name of a setting as text"),
        ("seed: 0\nnull: 3\n", 2, 1, "expected the name of a setting as text"),
        ("? [a]\n: 3\n", 1, 3, "expected the name of a setting as text"),
        ("- iris\n- mlp\n", 1, 1, "expected sections such as 'data:' and 'model:'"),
        ("mlp\n", 1, 1, "expected sections such as 'data:' and 'model:'"),
        ("seed: 0\nname: a\x07b\n", 2, 8, "not valid YAML"),
    ],
)
def test_what_is_not_a_config_is_pointed_at(write: Write, text: str, line: int, column: int, message: str) -> None:
    ((found_line, found_column, said),) = mistakes(write(text))
    assert (found_line, found_column) == (line, column)
    assert message in said
    assert "\n" not in said


def test_all_keys_set_twice_are_reported(write: Write) -> None:
    path = write("seed: 0\nmodel: {type: mlp, type: lenet}\nseed: 1\n")
    assert [(line, column) for line, column, _ in mistakes(path)] == [(2, 20), (3, 1)]


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!!python/object/apply:os.mkdir ['made']", "python/object/apply:os.mkdir"),
        ("!!python/object/new:os.mkdir {args: ['made']}", "python/object/new:os.mkdir"),
        ("!!python/name:os.mkdir made", "python/name:os.mkdir"),
        ("!!timestamp 2001-01-01", "timestamp"),
        ("!!binary aGFsbG8=", "binary"),
        ("!!set {a, b}", "set"),
        ("!mine [a]", "!mine"),
        ("!mine a", "!mine"),
    ],
)
def test_a_tag_is_refused_and_runs_nothing(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str, tag: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ((line, column, message),) = mistakes(write(f"data:\n  type: {value}\n"))
    assert (line, column) == (2, 9)
    assert tag in message and "not allowed in a config" in message
    assert not (tmp_path / "made").exists()


def test_aliases_that_multiply_are_refused(write: Write) -> None:
    names = string.ascii_lowercase
    rows = [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in pairwise(names)]
    ((_, _, message),) = mistakes(write("\n".join(["a: &a [1, 2]", *rows])))
    assert "aliases may not multiply" in message


@pytest.mark.parametrize("text", ["[" * 300_000, "a," * 200_000, "# a comment\n" * 100_000, "x" * 10_000_000])
def test_a_file_that_is_too_large_is_refused_at_once(write: Write, text: str) -> None:
    ((line, column, message),) = mistakes(write(text))
    assert (line, column) == (1, 1)
    assert "more than 200,000 letters" in message


@pytest.mark.parametrize("text", ["data: &a [*a]\n", "data: &a {type: iris, split: *a}\n"])
def test_an_alias_within_itself_is_refused(write: Write, text: str) -> None:
    ((line, _, message),) = mistakes(write(text))
    assert line == 1
    assert "not a config" in message


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, "{a: " * 5000 + "}" * 5000])
def test_deep_nesting_is_refused(write: Write, text: str) -> None:
    ((_, _, message),) = mistakes(write(f"data: {text}\n"))
    assert "nested too deeply" in message


@pytest.mark.parametrize("digits", ["9" * 5000, "0x" + "f" * 5000])
def test_a_number_of_thousands_of_digits_is_refused(command: Callable[..., Any], write: Write, digits: str) -> None:
    write(f"data: iris\nmodel: mlp\nseed: {digits}\n")
    called = command("fit", "my.yaml")
    assert called.status == 2
    assert called.err.startswith("my.yaml:3:7: ")


@pytest.mark.parametrize(
    ("content", "place"), [(b"model: ml\xff\n", "byte 9 is 0xff"), ("model: mlp".encode("utf-16"), "byte 0")]
)
def test_a_file_that_is_not_utf_8_is_refused(write: Write, content: bytes, place: str) -> None:
    path = write("")
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"not a text file in UTF-8 .*{place}"):
        load(path)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a comment\n", "---\n", "null\n", "{}\n"])
def test_an_empty_file_lacks_data_and_model(command: Callable[..., Any], write: Write, text: str) -> None:
    write(text)
    called = command("fit", "my.yaml")
    assert called.status == 2
    assert called.err.count("my.yaml:1:1: ") == 2
    assert "'data'" in called.err and "'model'" in called.err


@pytest.mark.parametrize("awkward", AWKWARD)
def test_awkward_text_comes_back_from_a_dump(write: Write, awkward: str) -> None:
    plain = {"data": {"text": awkward, awkward: [awkward, {"a": awkward}]}}
    assert load(write(dump(plain))).data == plain


TEXT = st.text(st.characters(exclude_characters="\x85", exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
PLAIN = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=5))


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(value=PLAIN)
def test_a_dump_is_a_fixed_point(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "dumped.yaml"
    path.write_text(dump({"data": value}), encoding="utf-8")
    found = load(path).data
    assert repr(found) == repr({"data": value})  # which tells 1 from 1.0 and 0.0 from -0.0
    assert dump(found) == path.read_text(encoding="utf-8")


def test_a_dump_reads_well() -> None:
    plain = {"model": {"type": "mlp", "hidden": [128, 64]}, "trainer": {"length": "5 epochs", "clip": None}}
    assert dump(plain) == "model:\n  type: mlp\n  hidden: [128, 64]\ntrainer: {length: 5 epochs, clip: null}\n"


def test_differences_name_every_leaf_that_changed() -> None:
    before = {"seed": 0, "optimizer": {"type": "sgd", "lr": 0.1}, "regularizers": ["l2"]}
    after = {"seed": 0, "optimizer": {"type": "sgd", "lr": 0.2, "momentum": 0.9}, "regularizers": []}
    assert differences(before, after) == [
        "optimizer.lr: 0.1 -> 0.2",
        "optimizer.momentum: None -> 0.9",
        "regularizers: ['l2'] -> []",
    ]
    assert differences(before, before) == []
