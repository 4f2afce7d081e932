"""Tables that say something of files: a row for each, or for each part of one."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nntrain.data.delimited import open_text
from nntrain.data.lines import Place, faultless
from nntrain.errors import UnfitError, UserError


class Entry(NamedTuple):
    """A row: where it stands, its file, and what it says by the names of the columns."""

    place: Place
    file: Path
    says: dict[str, str]


def entries(table: Path, folder: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Entry]:
    """The rows, whose column file is relative to `folder`; UnfitError for `labels` where one is not complete."""
    try:
        sheet = open_text(str(table), decimal=".")
        rows = list(faultless(sheet.rows))
    except UserError as error:
        raise UnfitError(str(error), "labels") from None
    expected = ("file", *needed)
    unknown = [name for name in sheet.header if name not in (*expected, *optional)]
    if unknown or not rows or any(name not in sheet.header for name in expected):
        optionally = f" (and {', '.join(optional)})" if optional else ""
        raise UnfitError(
            f"{table}: expected a first row {','.join(expected)}{optionally} and a row for each label", "labels"
        )
    for row in rows:
        place, says = Place(str(table), row.number), dict(zip(sheet.header, row.fields, strict=True))
        for name in expected:
            if not says[name]:
                raise UnfitError(f"{place}: there is no {name}", "labels")
        file = folder / says["file"]
        if not file.is_file():
            raise UnfitError(f"{place}: there is no file {file}", "labels")
        yield Entry(place, file, says)
