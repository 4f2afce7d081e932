"""Components made as a config makes them."""

from typing import Any

from nntrain.network import Network, head_for
from nntrain.reader import Reader
from nntrain.registry import Registry

REGISTRY = Registry()


def component(kind: str, settings: Any) -> Any:
    """The component that YAML would describe so, as another component's setting."""
    reader = Reader(REGISTRY)
    found = reader.component(kind, settings, (kind,))
    assert found is not None and not reader.problems, reader.problems
    return found


def made(kind: str, settings: Any, *arguments: Any) -> Any:
    """The component that YAML would describe so, for these arguments."""
    return component(kind, settings)(*arguments)


def transformer(inputs: Any, targets: Any, form: Any, **settings: Any) -> Network:
    """A small transformer with the head that the targets need, without dropout where nothing is said of it."""
    small = {"width": 16, "heads": 2, "layers": 2, "dropout": 0.0, **settings}
    body = made("model", {"type": "transformer", "form": form, **small}, inputs, targets)
    return Network(body, head_for(targets, body))
