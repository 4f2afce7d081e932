"""The sections of a config, read with the components that it may name."""

from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath
from typing import Any

from nntrain.config import Document
from nntrain.experiment import Experiment
from nntrain.reader import Reader
from nntrain.registry import Registry
from nntrain.schema import Problem, settings_of


def read(reader: Reader, document: Document) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The sections that are right, their plain form, and settings of a task whose type the data is to suggest."""
    sections = dict(document.data)
    task = sections.get("task")
    task_settings = sections.pop("task") if isinstance(task, dict) and task and "type" not in task else {}
    given, plain, _ = reader.settings(settings_of(Experiment), sections, (), "a config")
    return given, plain, task_settings


def code_of(plugins: Iterable[str]) -> Iterator[str]:
    """What the user is to know of plug-ins: whose code is run beside nntrain's."""
    return (f"running the code of {plugin}" for plugin in plugins)


def registry_of(document: Document) -> Registry:
    """The components of nntrain and of the plug-ins that a config names, relative to the config's file."""
    plugins = document.data.get("plugins") or []
    if not isinstance(plugins, list) or not all(isinstance(p, str) for p in plugins):
        return Registry()  # the reader says what is wrong with it
    missing = []
    for i, plugin in enumerate(plugins):
        path = document.absolute(("plugins", i), plugin)
        plugins[i] = str(path)  # so that the run's config names the same file from any folder
        if not path.is_file():
            missing.append(Problem(("plugins", i), f"there is no file {path}"))
    if missing:
        raise document.error(missing)
    return Registry(map(FilePath, plugins))
