"""Text as tables: separators, quotes, decimal marks, and what columns hold."""

from pathlib import Path

import pytest

from nntrain.data.column_types import are_classes, found, number
from nntrain.data.delimited import open_text
from nntrain.errors import UserError


def read(tmp_path: Path, text: str, **settings: str) -> tuple[list[str], list[tuple[int, list[str]]], str]:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode("utf-8"))
    sheet = open_text(str(path), **settings)
    return sheet.header, [(row.number, row.fields) for row in sheet.rows], sheet.decimal


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path: Path, separator: str) -> None:
    lines = ["a", "b c", "d-e"], ["1", "x", ""], ["2.5", "y z", "w"]
    text = "\n".join(separator.join(fields) for fields in lines)
    assert read(tmp_path, text) == (lines[0], [(2, lines[1]), (3, lines[2])], ".")


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('a,b\n"x, y",1\n"say ""no""",2', ["x, y", "1"]),
        ("a;b\nx, y and z, w;1\nu, v, w;2", ["x, y and z, w", "1"]),
        ("'a','b'\n'x, y','1'\n", ["x, y", "1"]),
        ("a\tb\r\n x \t1\r\n", ["x", "1"]),
        ("\ufeffa,b\nx,1", ["x", "1"]),
        ("a,b\n\n\nx,1", ["x", "1"]),
    ],
)
def test_quotes_blanks_and_marks(tmp_path: Path, text: str, fields: list[str]) -> None:
    header, rows, _ = read(tmp_path, text)
    assert header == ["a", "b"]
    assert rows[0][1] == fields


def test_rows_have_the_number_of_the_line_that_they_begin_in(tmp_path: Path) -> None:
    _, rows, _ = read(tmp_path, 'a,b\n"x\ny",1\n\nz,2\n')
    assert [number for number, _ in rows] == [2, 5]


def test_a_column_without_a_name_is_called_by_its_place(tmp_path: Path) -> None:
    assert read(tmp_path, ",a\n0,1\n1,2")[0] == ["column 1", "a"]


def test_one_column_needs_no_separator(tmp_path: Path) -> None:
    assert read(tmp_path, "a\n1.5\n2\n") == (["a"], [(2, ["1.5"]), (3, ["2"])], ".")


def test_the_separator_may_be_said(tmp_path: Path) -> None:
    assert read(tmp_path, "a|b,c\n1|2,3\n", separator=",")[0] == ["a|b", "c"]
    assert read(tmp_path, "a\tb,c,d\n1\t2,3,4\n", separator="tab")[0] == ["a", "b,c,d"]


@pytest.mark.parametrize(
    ("rows", "decimal"),
    [("1,5;2", ","), ("1.5;2", "."), ("1;2", "."), ("1,5;2.5", "."), ("1,500;2,25", ","), ("x,y;2", ".")],
)
def test_the_decimal_mark_is_found(tmp_path: Path, rows: str, decimal: str) -> None:
    assert read(tmp_path, f"a;b\n{rows}\n")[2] == decimal


def test_thousands_or_decimals_are_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'1,500' may be a thousand or have decimals; say which: data.decimal=','"):
        read(tmp_path, "a;b\n1,500;2,250\n")
    assert read(tmp_path, "a;b\n1,500;2,250\n", decimal=",")[2] == ","


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1", ".", 1.0),
        ("-1.5e3", ".", -1500.0),
        ("+.5", ".", 0.5),
        ("1,5", ",", 1.5),
        ("1,5", ".", None),
        ("1.500", ",", None),
        ("1_000", ".", None),
        ("inf", ".", None),
        ("nan", ".", None),
        ("1e999", ".", None),
        ("٣", ".", None),
        ("0x10", ".", None),
        ("", ".", None),
    ],
)
def test_what_a_number_is(text: str, decimal: str, value: float | None) -> None:
    assert number(text, decimal) == value


NUMBERS = [f"{i * 1.5}" for i in range(30)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (NUMBERS, "number"),
        ([*NUMBERS, "unknown"], "number"),
        ([*NUMBERS, *["x"] * 29], "number"),
        ([*NUMBERS, *["x"] * 30], "text"),
        ([*NUMBERS[:5], *["x"] * 7], "category"),
        (["True", "false"], "boolean"),
        (["yes", "NO"], "boolean"),
        (["0", "1", "1"], "number"),
        (["yes", "true", "yes", "true"], "category"),
        (["a", "b", "a", "b"], "category"),
        (["a", "b", "c"], "text"),
        ([f"{i % 100} m" for i in range(300)], "category"),
        ([f"{i % 101} m" for i in range(300)], "text"),
        (["2021-03-31", "2021-04-01"], "date"),
        (["2021-03-31 10:30:00", "2021-04-01T10:30"], "date"),
        (["31.3.2021", "1.4.21", "?"], "date"),
        (["3/31/2021"], "date"),
        (["10:30", "11:45:10"], "date"),
        ([str(i) for i in range(20)], "ids"),
        ([str(i) for i in range(7, 40)][::-1], "ids"),
        ([str(i) for i in range(19)], "number"),
        ([str(2 * i) for i in range(30)], "number"),
        ([str(i % 20) for i in range(40)], "number"),
        ([], "empty"),
    ],
)
def test_what_a_column_holds(values: list[str], kind: str) -> None:
    assert found(values, ".").type == kind


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([str(i % 20) for i in range(100)], True),
        ([str(i % 20) for i in range(99)], False),
        ([str(i % 21) for i in range(1000)], False),
        (["1.0", "2.0"] * 5, True),
        (["1.0", "2.5"] * 5, False),
    ],
)
def test_few_whole_numbers_are_classes(values: list[str], classes: bool) -> None:
    assert are_classes(values, ".") == classes
