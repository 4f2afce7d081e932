"""Files that belong to rows of results, such as the mask of a picture."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nntrain.errors import UserError


@dataclass(frozen=True)
class Attachment:
    """What a file is to hold, made of its row only where one is written, and the ending of its name."""

    content: Callable[[Mapping[str, Any]], bytes]
    suffix: str


class Folder:
    """A folder of attachments beside a file of rows, called like it; it is made only where there are some."""

    def __init__(self, beside: Path) -> None:
        self._path = beside.with_suffix("")
        self._partial = beside.with_name(f".{beside.stem}.partial")
        self._names: set[str] = set()
        if self._path.exists():
            raise UserError(f"--out {beside}: what belongs to its rows goes to {self._path}, which is there already")

    def saved(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """The rows, with the path of its file in place of each attachment."""
        for number, row in enumerate(rows):
            yield {key: self._save(value, row, number) for key, value in row.items()}

    def finish(self) -> None:
        if self._names:
            self._partial.rename(self._path)

    def clear(self) -> None:
        """Takes away what was not finished."""
        if self._partial.is_dir():
            for file in self._partial.iterdir():
                file.unlink()
            self._partial.rmdir()

    def _save(self, value: Any, row: Mapping[str, Any], number: int) -> Any:
        if not isinstance(value, Attachment):
            return value
        stem = Path(row["file"]).stem if "file" in row else f"{row.get('split', 'row')}-{row.get('example', number)}"
        name = f"{stem}{value.suffix}"
        if name in self._names:  # of a file that is called alike, in another folder
            name = f"{stem}-{number}{value.suffix}"
        self._names.add(name)
        self._partial.mkdir(exist_ok=True)
        (self._partial / name).write_bytes(value.content(row))
        return str(self._path / name)


def without(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without attachments."""
    return {key: value for key, value in row.items() if not isinstance(value, Attachment)}
