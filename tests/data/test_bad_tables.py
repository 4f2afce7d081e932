"""Tables that cannot be trained on: each with the file, the row and the reason; exit status 2, nothing written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runs import contents

Command = Callable[..., Any]
GOOD = "".join(f"{i * 0.5},{'ab'[i % 2]},{i * 1.5}\n" for i in range(60))
TABLE = "x,kind,y\n" + GOOD
DEFAULTS = ("data.target=y", "trainer.length=1 steps")


@pytest.fixture
def refused(command: Command, tmp_path: Path) -> Callable[..., str]:
    """What is said of tables that are refused: `my.csv`, or others by their name."""

    def call(text: str | bytes = TABLE, *overrides: str, **others: str) -> str:
        files = {"my": text, **others}
        for name, content in files.items():
            raw = content if isinstance(content, bytes) else content.encode("utf-8")
            (tmp_path / f"{name}.csv").write_bytes(raw)
        (tmp_path / "my.yaml").write_text("data: {type: table, path: my.csv, target: y}\nmodel: linear\n")
        before = contents(tmp_path)
        called = command("fit", "my.yaml", "trainer.length=1 steps", *overrides)
        assert called.status == 2, called.err
        assert contents(tmp_path) == before
        assert "Traceback" not in called.err and "internal" not in called.err
        return called.err

    return call


def test_what_is_good_is_taken(command: Command, tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(TABLE)
    (tmp_path / "my.yaml").write_text("data: {type: table, path: my.csv, target: y}\nmodel: linear\n")
    assert command("fit", "my.yaml", "trainer.length=1 steps").status == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "my.csv is empty"),
        ("\n\n", "my.csv is empty"),
        ("x,kind,y\n", "my.csv has a row of names, but no rows of values"),
        ("x,y,x\n1,2,3\n", "my.csv:1:3: column 1 is called 'x' as well; rename one of them"),
        (TABLE + "1,a\n", "my.csv:62: 2 values, but there are 3 columns"),
        (TABLE + "1,a,2,3\n", "my.csv:62: 4 values, but there are 3 columns"),
        (TABLE + "high,a,2\n", "my.csv:62:1: x: 'high' is not a finite number; mend it, or data.columns={x: category}"),
        (TABLE + "inf,a,2\n", "my.csv:62:1: x: 'inf' is not a finite number"),
        (TABLE + "1e999,a,2\n", "my.csv:62:1: x: '1e999' is not a finite number"),
        (TABLE + "1,a,\n", "my.csv:62:3: y: there is no value; leave the row out"),
        (TABLE + "1,a,nan\n", "my.csv:62:3: y: there is no value; leave the row out"),
        (TABLE + "1,a,inf\n", "my.csv:62:3: y: 'inf' is not a finite number"),
        (TABLE + "1,a,1e39\n", "my.csv:62:3: y: '1e39' is beyond 3.4e+38"),
        (TABLE + "-1e300,a,1\n", "my.csv:62:1: x: '-1e300' is beyond 3.4e+38"),
        (TABLE + "1,a,much\n", "my.csv:62:3: y: 'much' is not a finite number"),
        (TABLE + '1,"a,2\n', "my.csv:62: not a row of a table"),
        (TABLE + '1,"a"b,2\n', "my.csv:62: not a row of a table"),
        (TABLE.encode() + "1,\xe9,2\n".encode("latin-1"), "my.csv:62: not UTF-8 text (byte 0xe9"),
        (TABLE.encode("utf-16"), "my.csv:1: the file is UTF-16; save it as UTF-8"),
        (TABLE + "1,\0,2\n", "my.csv:62: there is a zero byte"),
        ("x,y\n" + "1,2\n" * 40, "my.csv:"),
    ],
)
def test_the_row_is_named(refused: Callable[..., str], text: str | bytes, message: str) -> None:
    if message == "my.csv:":  # one class
        said = refused(text, "data.columns={y: category}")
        assert "y is '2' in every row of the training set; nothing is to be told" in said
    else:
        assert message in refused(text)


def test_a_bad_row_is_named_with_all_mistakes_of_the_config(refused: Callable[..., str]) -> None:
    said = refused(TABLE + "1,a\n", "model.hiden=3", "optimizer.lr=-1")
    assert "my.csv:62: 2 values" in said
    assert "model.hiden" in said and "optimizer.lr" in said


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("data.path=gone.csv",), "there is no file "),
        (("data.path=.",), "cannot be read: Is a directory"),
        (("data.target=z",), "has no column 'z'; expected one of kind, x, y"),
        (("data.target=kindd",), "did you mean 'kind'?"),
        (("data.columns={x: ignore, kind: ignore}",), "my.csv has no column to predict y from"),
        (("data.weight=kind",), "my.csv:2:2: kind: 'a' is not a finite number"),
        (("data.time=kind",), "my.csv:2:2: kind: 'a' is neither a number nor a date such as 2021-03-31"),
        (("data.columns={kind: number}",), "my.csv:2:2: kind: 'a' is not a finite number"),
        (("data.columns={kind: boolean}",), "my.csv:2:2: kind: 'a' is neither true nor false"),
        (("data.separator=;",), "has no column 'y'"),
        (("data.missing=[a, b]",), "kind has no value in the training set; data.columns={kind: ignore} leaves it out"),
        (("data.split={dev: 0.6, test: 0.5}",), "dev and test leave no examples for training"),
    ],
)
def test_settings_that_the_table_does_not_have(
    refused: Callable[..., str], overrides: tuple[str, ...], message: str
) -> None:
    if "missing" in overrides[0]:
        overrides = (*overrides, "data.columns={kind: category}")
    assert message in refused(TABLE, *overrides)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y,kind\n1,2,a\n3,4,c\n", ":3: no row of the training set has the kind 'c'; there is one of a, b"),
        ("x,y,kind\n1,2,a\n3,4,\n", ":3:3: kind: there is no value; leave the row out"),
        ("x,kind\n1,a\n", " has no column y, which the training table has"),
        ("x,y\n1,2\n", " has no column kind, which the training table has"),
        ("x,y,kind\nbig,2,a\n", ":2:1: x: 'big' is not a finite number"),
        ("x,y,kind\n", " has a row of names, but no rows of values"),
        ("x,y,kind\n1,2\n", ":2: 2 values, but there are 3 columns"),
    ],
)
def test_files_beside_it(
    refused: Callable[..., str], command: Command, tmp_path: Path, text: str, message: str
) -> None:
    """A dev file is read before training, a test file when the model is measured on it."""
    assert f"dev.csv{message}" in refused(TABLE, "data.target=kind", "data.dev=dev.csv", dev=text)
    (tmp_path / "test.csv").write_text(text)
    fitted = command("fit", "my.yaml", "data.target=kind", "data.test=test.csv", "trainer.length=1 steps", "--json")
    measured = command("eval", fitted.json["run"], "--split", "test")
    assert measured.status == 2
    assert f"test.csv{message}" in measured.err


def test_a_class_that_only_the_dev_rows_have(refused: Callable[..., str]) -> None:
    """Where the division puts its one row there."""
    for row in range(60):
        lines = TABLE.splitlines()
        lines[row + 1] = lines[row + 1].replace(",a,", ",ab,").replace(",b,", ",ab,")
        try:
            said = refused("\n".join(lines), "data.target=kind")
        except AssertionError:
            continue
        assert (
            f"my.csv:{row + 2}: no row of the training set has the kind 'ab'; did you mean 'b'?" in said
            or "'a'?" in said
        )
        return
    pytest.fail("no row came to the dev set")


def test_dates_are_no_inputs(refused: Callable[..., str]) -> None:
    rows = "".join(f"2021-03-{1 + i % 28:02d},{i * 0.5},{i * 1.5}\n" for i in range(60))
    said = refused("sold,x,y\n" + rows)
    assert "sold ('2021-03-01'): dates are no inputs" in said
    assert "data.columns={sold: ignore}" in said
    assert "the target sold holds dates ('2021-03-01')" in refused("sold,x,y\n" + rows, "data.target=sold")


def test_only_text_is_nothing_to_predict_from(refused: Callable[..., str]) -> None:
    said = refused("note,y\n" + "".join(f"words {i},{i * 1.5}\n" for i in range(40)))
    assert "my.csv has no column to predict y from; ignored  note (40 different texts in 40 rows" in said


def test_a_text_for_each_row_is_no_target(refused: Callable[..., str]) -> None:
    said = refused("x,y\n" + "".join(f"{i * 0.5},name {i}\n" for i in range(40)))
    assert "the target y holds 40 different texts in 40 rows; it is to be numbers or classes" in said


@pytest.mark.parametrize(("value", "message"), [("-1", "a weight is at least 0, found -1"), ("", "there is no value")])
def test_weights(refused: Callable[..., str], value: str, message: str) -> None:
    rows = "".join(f"{i * 0.5},{i * 1.5},1\n" for i in range(60))
    assert f"my.csv:62:3: w: {message}" in refused(f"x,y,w\n{rows}1,2,{value}\n", "data.weight=w")


def test_a_row_without_a_group(refused: Callable[..., str]) -> None:
    rows = "".join(f"{i * 0.5},{i * 1.5},g{i // 3}\n" for i in range(60))
    assert "my.csv:62:3: g: there is no value" in refused(f"x,y,g\n{rows}1,2,\n", "data.group=g")
