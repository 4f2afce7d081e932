"""torch_geometric, which takes a second to import."""

import warnings
from importlib import import_module
from typing import Any


def geometric(part: str) -> Any:
    """A part of torch_geometric, such as `nn`, imported without the warnings that the newest torch gives for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(f"torch_geometric.{part}")
