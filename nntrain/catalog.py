"""What there is: components by kind, read without importing any of them."""

import textwrap
from collections.abc import Iterator

from nntrain.registry import KINDS, Kind, Registry


def listing(registry: Registry, kinds: list[Kind]) -> dict[str, list[dict[str, str]]]:
    """Names and one-line summaries by kind, read without importing any component."""
    return {
        kind.folder: [{"name": entry.name, "summary": entry.summary} for entry in registry.entries(kind.name)]
        for kind in kinds
    }


def listing_lines(found: dict[str, list[dict[str, str]]], width: int) -> Iterator[str]:
    """Names and summaries in two columns, each kind below its own headline, as wide as the terminal."""
    for kind, entries in found.items():
        column = max(len(entry["name"]) for entry in entries) + 4
        yield kind
        for entry in entries:
            summary = f"  {entry['name']:<{column - 2}}{entry['summary']}"
            yield textwrap.fill(summary, max(width, column + 20), subsequent_indent=" " * column)
        yield ""


def all_kinds() -> list[Kind]:
    return list(KINDS.values())
