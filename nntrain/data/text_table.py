"""The user's own texts with a class each, as the rows of a table."""

from collections.abc import Iterator, Mapping

from nntrain.data.delimited import Separator, open_text
from nntrain.data.labelled_text import labelled_text
from nntrain.data.lines import Fault, Place, faultless, lines
from nntrain.data.sheet import Sheet
from nntrain.data.texts import Texts, Written, own_parts
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.settings import PathText, Whole
from nntrain.suggest import did_you_mean

Column = str | Whole
MISSING = {"", "nan"}  # labels that are none


@data("text_table", within=labelled_text)
def text_table(
    *,
    path: PathText,
    text: Column = "text",
    label: Column = "label",
    separator: Separator = "auto",
    dev: PathText | None = None,
    test: PathText | None = None,
) -> Written:
    """Texts of your own with a class each: a CSV or TSV file with a column of texts and a column of labels.

    Files are UTF-8 (.gz unpacked). The first row names the columns, unless these are given by their numbers. New
    texts are the lines of a file, or such a column of a .csv or .tsv file.
    Source: your own files.

    Settings:
        path: the file with the training set
        text: the name of the column of texts; or its number, from 0 on, where no row names the columns
        label: the name or number of the column of labels
        separator: what stands between columns; auto looks
        dev: a file with the dev set; left out, it is taken from the training set
        test: a file with the test set; left out, it is taken from the training set
    """
    if isinstance(text, str) != isinstance(label, str):
        raise UnfitError(f"expected two names or two numbers of columns, found {text!r} and {label!r}", "label")
    if text == label:
        raise UnfitError(f"the column {text!r} holds the texts; the labels are to be in another", "label")
    table = _Table(text, label, separator)
    return own_parts("text_table", table.texts, path, dev, test, table.given)


class _Table:
    """A table with two columns that are read; between tabs quotes are signs like others."""

    def __init__(self, text: Column, label: Column, separator: Separator) -> None:
        self.text = text
        self.label = label
        self.separator: Separator = separator

    def texts(self, path: str) -> Texts:
        """All rows; UserError at the first that is not right."""
        found = Texts.of(self._examples(path))
        if not len(found):
            raise UserError(f"{path} has a row of names, but no rows of values")
        return found

    def _examples(self, path: str) -> Iterator[tuple[str, str, Place]]:
        for place, (text, label) in faultless(self._columns(path, {"text": self.text, "label": self.label})):
            if label.lower() in MISSING:
                raise UserError(f"{place}: the label is missing (found '{label}')")
            yield text, label, place

    def given(self, path: str) -> Iterator[tuple[Place, str] | Fault]:
        """The texts of another file, which need not have labels; of one that is no table every line."""
        if not path.removesuffix(".gz").lower().endswith((".csv", ".tsv")):
            yield from lines(path)
            return
        for row in self._columns(path, {"text": self.text}):
            yield row if isinstance(row, Fault) else (row[0], row[1][0])

    def _columns(self, path: str, wanted: Mapping[str, Column]) -> Iterator[tuple[Place, list[str]] | Fault]:
        """These columns of every row, by the setting that names each."""
        named = isinstance(self.text, str)
        sheet = open_text(path, self.separator, ".", named=named, plain_tabs=True)
        numbers = [_number(sheet, column, setting) for setting, column in wanted.items()]
        for row in sheet.rows:
            found = row if isinstance(row, Fault) else (Place(path, row.number), [row.fields[n] for n in numbers])
            yield found


def _number(sheet: Sheet, column: Column, setting: str) -> int:
    """The number of a column; UnfitError where there is no such column."""
    if str(column) in sheet.header:
        return sheet.header.index(str(column))
    if isinstance(column, str):
        raise UnfitError(f"{sheet.path} has no column '{column}'; {did_you_mean(column, sheet.header)}", setting)
    found = f"{len(sheet.header)} column{'s' if len(sheet.header) > 1 else ''}"
    raise UnfitError(f"{sheet.path} has {found}, so there is none with the number {column}", setting)
