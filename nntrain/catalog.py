"""What there is: components by kind, and all that is to be known of one."""

import inspect
from typing import Any

from nntrain.registry import KINDS, Kind, Registry
from nntrain.schema import component_settings
from nntrain.tables import Table
from nntrain.words import describe


def listing(registry: Registry, kinds: list[Kind]) -> dict[str, list[dict[str, str]]]:
    """Names and one-line summaries by kind, read without importing any component."""
    return {
        kind.folder: [{"name": entry.name, "summary": entry.summary} for entry in registry.entries(kind.name)]
        for kind in kinds
    }


def listing_tables(found: dict[str, list[dict[str, str]]]) -> list[Table]:
    return [
        Table(kind, ("name", "what it is"), tuple((entry["name"], entry["summary"]) for entry in entries))
        for kind, entries in found.items()
    ]


def all_kinds() -> list[Kind]:
    return list(KINDS.values())


def particulars(registry: Registry, kind: Kind, name: str) -> dict[str, Any]:
    """A component's docstring (formula and source) and its settings with types and defaults."""
    factory = registry.load(kind.name, name)
    settings = component_settings(factory)
    doc = inspect.getdoc(factory) or ""
    return {
        "kind": kind.name,
        "name": name,
        "description": doc.partition("\n\nSettings:")[0],
        "file": str(registry.entry(kind.name, name).path),
        "settings": [
            {
                "name": setting.name,
                "type": describe(setting.annotation),
                "required": setting.is_required,
                "default": None if setting.is_required else _plain(setting.default),
                "help": setting.help,
            }
            for setting in settings.values()
        ],
    }


def particulars_table(found: dict[str, Any]) -> Table:
    rows = tuple(
        (s["name"], s["type"], "required" if s["required"] else _text(s["default"]), s["help"])
        for s in found["settings"]
    )
    return Table("settings", ("setting", "type", "default", "what it does"), rows)


def _plain(default: Any) -> Any:
    """A default as YAML says it; a section's default is its settings' defaults."""
    if getattr(type(default), "is_section", False):
        return {}
    return default


def _text(default: Any) -> str:
    if default is None:
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)
