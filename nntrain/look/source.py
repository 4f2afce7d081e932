"""The data set that a config, or a name on the command line, means: as it comes, not standardised."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from nntrain.config import ConfigError, Document, override
from nntrain.data import Dataset
from nntrain.device import seed_python
from nntrain.errors import UnfitError, UserError
from nntrain.reader import Reader
from nntrain.registry import Registry
from nntrain.request import Say, document
from nntrain.schema import Component, Problem, component_settings
from nntrain.sections import registry_of

AS_IT_COMES = "standardize"  # the setting that would hide the data's units


def data_of(config: str, overrides: Sequence[str], say: Say) -> tuple[str, Dataset]:
    """The name and the data set; ConfigError where the config's data section is wrong."""
    written = _document(config, overrides, say)
    reader = Reader(registry_of(written), written.absolute)
    if "data" not in written.data:
        raise UserError(f"{config} has no section data")
    component = reader.component("data", written.data["data"], ("data",))
    if component is None:
        raise written.error(reader.problems)
    torch.manual_seed(0)
    seed_python(0)
    try:
        return component.name, _as_it_comes(component)(torch.device("cpu"), None)
    except UnfitError as error:
        error.locate(("data",))
        raise written.error([Problem(error.path, str(error))]) from None


def _document(config: str, overrides: Sequence[str], say: Say) -> Document:
    """A config file, or one made for the data set of that name."""
    if not Path(config).is_file() and config in Registry().names("data"):
        return override(Document("command line", {"data": {"type": config}}), overrides)
    try:
        return document(config, overrides, say)
    except ConfigError:
        raise
    except UserError as error:
        names = ", ".join(Registry().names("data"))
        raise UserError(f"{error}; data sets are {names}") from None


def _as_it_comes(component: Component) -> Component:
    if AS_IT_COMES not in component_settings(component.factory):
        return component
    return replace(component, settings={**component.settings, AS_IT_COMES: False})
