"""Text files, line by line; what is wrong with a line is said by file and row."""

import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from nntrain.data.packed import unpacked
from nntrain.errors import UserError


class Place(NamedTuple):
    """Where something stands: a file, and a row of it, counted from 1."""

    file: str
    row: int

    def __str__(self) -> str:
        return f"{self.file}:{self.row}"


@dataclass(frozen=True)
class Fault:
    """Something that cannot be read."""

    place: Place
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


Line = tuple[Place, str]
T = TypeVar("T")


def lines(path: str) -> Iterator[Line | Fault]:
    """The lines of a UTF-8 file (`-` for standard input, .gz unpacked) without their ends; UserError for none."""
    for row, raw in enumerate(_raw_lines(path), 1):
        place = Place(path, row)
        try:
            yield place, raw.decode("utf-8-sig" if row == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield Fault(place, not_utf8(raw, error))


def whole_text(path: str) -> str:
    """A UTF-8 file as one text; UserError where it is none, or empty."""
    text = "\n".join(line for _, line in faultless(lines(path)))
    if not text.strip():
        raise UserError(f"{path}: the file is empty; expected text")
    return text


def faultless(read: Iterable[T | Fault]) -> Iterator[T]:
    """What could be read; UserError at the first fault."""
    for line in read:
        if isinstance(line, Fault):
            raise UserError(str(line))
        yield line


def not_utf8(raw: bytes, error: UnicodeDecodeError) -> str:
    """Why a line is not read, and what to do."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "the file is UTF-16; save it as UTF-8"
    return f"not UTF-8 text (byte 0x{raw[error.start]:02x} at column {error.start + 1}); save the file as UTF-8"


def _raw_lines(path: str) -> list[bytes]:
    content = _content(path)
    raw = content.split(b"\n")  # str.splitlines would also cut at rarer signs, and files would no longer be parallel
    if raw[-1] == b"":
        raw.pop()
    return [line.removesuffix(b"\r") for line in raw]


def _content(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        content = Path(path).read_bytes()
        return unpacked(content) if path.endswith(".gz") else content
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except (EOFError, zlib.error):
        raise UserError(f"{path}: the gzip file is damaged, or breaks off") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
