"""All that is to be known of one component."""

import inspect
from typing import Any

from nntrain.clock import Clock
from nntrain.drawing import curve
from nntrain.reader import Reader
from nntrain.registry import Kind, Registry
from nntrain.schema import component_settings
from nntrain.tables import Table
from nntrain.words import describe


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


def picture(registry: Registry, kind: Kind, name: str) -> str | None:
    """A drawing of what a component does with its defaults, where its kind is one that can be drawn."""
    draw = _PICTURES.get(kind.name)
    return draw(registry, name) if draw else None


def _schedule(registry: Registry, name: str) -> str | None:
    """The factor of the learning rate over a run, with a warm-up of 5 %."""
    component = Reader(registry).component("scheduler", {"type": name, "warmup": "5%"}, ())
    return curve(component(Clock(1000, steps_per_epoch=50)), "start, warmup: 5%", "end") if component else None


_PICTURES = {"scheduler": _schedule}


def _plain(default: Any) -> Any:
    """A default as YAML says it; a section's default is its settings' defaults."""
    if getattr(type(default), "is_section", False):
        return {}
    return default


def _text(default: Any) -> str:
    if default is None:
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)
