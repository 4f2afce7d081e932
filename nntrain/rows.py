"""Rows of results, one after the other, as JSON lines or CSV."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from nntrain.attachments import Folder, without
from nntrain.errors import RunError, UserError


def write_rows(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Writes rows to a .csv or .jsonl file, a list as one column for each entry; returns how many there were.

    Attachments go to a folder beside it.
    """
    write = {".csv": _write_csv, ".jsonl": write_json_lines, ".json": write_json_lines}.get(path.suffix.lower())
    if write is None:
        raise UserError(f"--out {path}: expected a file that ends in .csv or .jsonl")
    if path.exists():
        raise UserError(f"--out {path}: the file is there already, and nothing is overwritten; give another name")
    partial, folder = path.with_name(f".{path.name}.partial"), Folder(path)
    try:
        opened = partial.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UserError(f"--out {path}: it cannot be written there: {error.strerror or error}") from error
    try:
        with opened as file:
            count = write(folder.saved(rows), file)
        folder.finish()
        partial.rename(path)
    except OSError as error:
        raise RunError(f"{path} could not be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
        folder.clear()
    return count


def write_json_lines(rows: Iterable[Mapping[str, Any]], file: IO[str]) -> int:
    """One JSON object a line, without attachments."""
    count = 0
    for row in rows:
        file.write(json.dumps(without(row), ensure_ascii=False) + "\n")
        count += 1
    return count


def _write_csv(rows: Iterable[Mapping[str, Any]], file: IO[str]) -> int:
    writer: csv.DictWriter[str] | None = None
    count = 0
    for row in map(_flat, rows):
        if writer is None:
            writer = csv.DictWriter(file, list(row), extrasaction="raise")
            writer.writeheader()
        writer.writerow(row)
        count += 1
    return count


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A list of numbers as columns features.0, features.1 ..., numbers by name alike; a list of words as one column.

    A list of anything else stands in one column as JSON.
    """
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, list) and value and all(isinstance(entry, float) for entry in value):
            found.update({f"{name}.{i}": entry for i, entry in enumerate(value)})
        elif isinstance(value, Mapping):
            found.update({f"{name}.{key}": entry for key, entry in value.items()})
        elif isinstance(value, list) and not all(isinstance(entry, str) for entry in value):
            found[name] = json.dumps(value, ensure_ascii=False)
        else:
            found[name] = " ".join(value) if isinstance(value, list) else value
    return found
