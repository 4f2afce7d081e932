"""JSON Schema of whole configs, read off the same signatures that judge them, for editors and validators.

Every config that nntrain takes is valid by it. It is a little wider: data and model need not fit each other, and
where a component's type is left out the settings of any of its kind are allowed.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from nntrain.annotations import entry, is_nested, item, metadata, options
from nntrain.experiment import Experiment
from nntrain.registry import KINDS, Registry
from nntrain.schema import Setting, component_settings, settings_of
from nntrain.settings import Choice, Parsed
from nntrain.stages import OF_THE_RUN

Schema = dict[str, Any]
_REFERENCE = "#/$defs/"


def config_schema(registry: Registry) -> Schema:
    """The schema of a config file, with the registry's components by kind under `$defs`."""
    root = _object(settings_of(Experiment), _summary(Experiment))
    extends = {"type": "string", "description": "a config file that this one is merged over"}
    root["properties"] = {"extends": extends, **root["properties"]}
    required = [name for name in root.pop("required") if name != "name"]  # left out, the file's stem
    kinds = {kind: _kind(registry, kind) for kind in KINDS}
    changed = _incomplete(kinds)
    sections = {name: schema for name, schema in root["properties"].items() if name not in OF_THE_RUN}
    root["properties"]["stages"]["items"] = {
        "type": "object",
        "properties": _partly(sections, changed),
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nntrain config",
        **root,
        "if": {"not": {"anyOf": [{"required": ["extends"]}, {"required": ["stages"]}]}},
        "then": {"required": required},
        "$defs": {**kinds, **{f"part_of_{kind}": _partly(kinds[kind], changed) for kind in changed}},
    }


def _incomplete(kinds: Mapping[str, Schema]) -> list[str]:
    """The kinds of which a part, to be merged over the rest, may lack something that the whole needs."""
    changed: list[str] = []
    while True:
        parts = [kind for kind, schema in kinds.items() if _partly(schema, changed) != schema]
        if parts == changed:
            return changed
        changed = parts


def _partly(schema: Any, changed: Sequence[str]) -> Any:
    """The schema of a part: nothing is required. Lists are replaced as a whole, so their items are not parts."""
    if isinstance(schema, list):
        return [_partly(inner, changed) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    kind = str(schema.get("$ref", "")).removeprefix(_REFERENCE)
    if kind in changed:
        schema = {**schema, "$ref": f"{_REFERENCE}part_of_{kind}"}
    kept = {key: inner if key == "items" else _partly(inner, changed) for key, inner in schema.items()}
    return {**kept, "required": []} if "required" in kept else kept


def _kind(registry: Registry, kind: str) -> Schema:
    """A component of a kind: its name alone, or its settings."""
    components = {name: registry.load(kind, name) for name in registry.names(kind)}
    names = [{"const": name, "description": _summary(component)} for name, component in components.items()]
    objects = [_component(name, component) for name, component in components.items()]
    return {"anyOf": [{"type": "string", "oneOf": names}, *objects]}


def _component(name: str, component: Any) -> Schema:
    found = _object(component_settings(component), _summary(component))
    found["properties"] = {"type": {"const": name}, **found["properties"]}
    return found


def _object(settings: Mapping[str, Setting], description: str) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": {name: _setting(setting) for name, setting in settings.items()},
        "required": [name for name, setting in settings.items() if setting.is_required],
        "additionalProperties": False,
    }


def _setting(setting: Setting) -> Schema:
    found = _annotation(setting.annotation)
    described = {"description": setting.help} if setting.help else {}
    is_plain = setting.default is None or isinstance(setting.default, bool | int | float | str | list)
    default = {"default": setting.default} if is_plain else {}
    return {**found, **described, **default}


def _annotation(annotation: Any) -> Schema:
    schemas = [_option(option) for option in options(annotation)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _option(option: Any) -> Schema:
    if not is_nested(option):
        return TypeAdapter(option).json_schema()
    choice, parsed = metadata(option, Choice), metadata(option, Parsed)
    if choice is not None:
        return {"$ref": f"{_REFERENCE}{choice.kind}"}
    if parsed is not None:
        return {"type": "string", "pattern": f"^({parsed.pattern})$", "description": parsed.expected}
    if item(option) is not None:
        return {"type": "array", "items": _annotation(item(option))}
    if entry(option) is not None:
        return {"type": "object", "additionalProperties": _annotation(entry(option))}
    return _object(settings_of(option), _summary(option))


def _summary(component: Any) -> str:
    return (inspect.getdoc(component) or "").split("\n\n")[0].replace("\n", " ")
