"""Components by kind and name: found by reading the sources, imported only when used.

A component is a class or function with a decorator, `@model("lenet")`. Its file in the kind's folder is all
that is needed to add one. The names are read off the decorators with `ast`, so that listing components or
answering a typo imports none of them.
"""

import ast
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from nntrain.errors import UserError
from nntrain.groups import Grouped
from nntrain.suggest import did_you_mean

Factory = TypeVar("Factory", bound=Callable[..., Any])
PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Kind:
    """A kind of component: its decorator, and the folder its built-in components live in.

    `within` is what all components of the kind stand within that name nothing else.
    """

    name: str
    folder: str
    within: Callable[..., Any] | None = None

    def __call__(self, name: str, *, within: Callable[..., Any] | None = None) -> Callable[[Factory], Factory]:
        """Marks a class or function as the component `name`.

        `within` is a class whose keyword settings every such component takes beside its own (a schedule's
        warm-up, a data set's batch size); it is called with the component as its first argument.
        """

        def mark(factory: Factory) -> Factory:
            factory.within = within or self.within  # type: ignore[attr-defined]
            return factory

        return mark


model = Kind("model", "models")
data = Kind("data", "data")
sampler = Kind("sampler", "samplers")
tokenizer = Kind("tokenizer", "tokenizers")
task = Kind("task", "tasks")
loss = Kind("loss", "losses")
optimizer = Kind("optimizer", "optimizers", within=Grouped)
scheduler = Kind("scheduler", "schedulers")
regularizer = Kind("regularizer", "regularizers")
metric = Kind("metric", "metrics")
initializer = Kind("initializer", "initializers")
scaling = Kind("scaling", "scalings")
clip = Kind("clip", "clips")
average = Kind("average", "averages")
remedy = Kind("remedy", "remedies")
augmentation = Kind("augmentation", "augmentations")
mixture = Kind("mixture", "mixtures")
# Parts of models: what stands inside of a cnn, transformer, gnn, autoencoder, gan and others, or after their layers.
block = Kind("block", "blocks")
normalization = Kind("normalization", "normalizations")
form = Kind("form", "forms")
position = Kind("position", "positions")
attention = Kind("attention", "attentions")
graph_layer = Kind("graph_layer", "graph_layers")
coder = Kind("coder", "coders")
adversary = Kind("adversary", "adversaries")
# Where pictures are kept.
storage = Kind("storage", "storages")
# What listens to metrics: sections of the trainer, each by its own name.
watcher = Kind("watcher", "watchers")

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in tuple(globals().values()) if isinstance(kind, Kind)}


def kind_named(word: str) -> Kind:
    """The kind that a user calls by its name, singular or plural."""
    for kind in KINDS.values():
        if word in (kind.name, kind.folder):
            return kind
    raise UserError(
        f"no kind of component is called '{word}'; {did_you_mean(word, (k.folder for k in KINDS.values()))}"
    )


@dataclass(frozen=True)
class Entry:
    """Where a component is defined."""

    kind: str
    name: str
    path: Path
    symbol: str
    summary: str

    @property
    def is_built_in(self) -> bool:
        return self.path.is_relative_to(PACKAGE)


class Registry:
    """The components of the package and of the user's plug-in files, on equal terms."""

    def __init__(self, plugins: Iterable[Path] = ()) -> None:
        self.plugins = tuple(dict.fromkeys(plugins))

    def names(self, kind: str) -> list[str]:
        return sorted(self._entries[kind])

    def entries(self, kind: str) -> list[Entry]:
        return [self._entries[kind][name] for name in self.names(kind)]

    def entry(self, kind: str, name: str) -> Entry:
        """The component's entry; an unknown name is a UserError with the nearest one."""
        try:
            return self._entries[kind][name]
        except KeyError:
            raise UserError(f"no {kind} is called '{name}'; {did_you_mean(name, self.names(kind))}") from None

    def load(self, kind: str, name: str) -> Callable[..., Any]:
        """Imports the component's file, and no other, and returns the class or function."""
        entry = self.entry(kind, name)
        return getattr(_module(entry), entry.symbol)

    @cached_property
    def _entries(self) -> dict[str, dict[str, Entry]]:
        found: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        for entry in (*_built_in(), *(entry for path in self.plugins for entry in _scan(path))):
            earlier = found[entry.kind].setdefault(entry.name, entry)
            if earlier is not entry:
                raise UserError(
                    f"two files define the {entry.kind} '{entry.name}': {earlier.path} and {entry.path}; rename one"
                )
        return found


@cache
def _built_in() -> tuple[Entry, ...]:
    """The components of the package."""
    files = [path for kind in KINDS.values() for path in sorted((PACKAGE / kind.folder).glob("*.py"))]
    return tuple(entry for path in files for entry in _headed(path))


# From a component's decorator to the end of its docstring, or of the file where none follows.
_HEAD = re.compile(rb'^@(?:\w+\.)?(?:%s)\((?:.*?""".*?"""|.*)' % "|".join(KINDS).encode(), re.MULTILINE | re.DOTALL)


def _headed(path: Path) -> list[Entry]:
    """The components that a file of the package defines; bodies are not parsed, which takes five times as long."""
    heads = _HEAD.findall(path.read_bytes())
    try:
        return [entry for head in heads for entry in _entries(ast.parse(head), path)]
    except SyntaxError:  # the quotes after a decorator need not be those of a docstring
        return list(_scan(path))


def _scan(path: Path) -> Iterator[Entry]:
    """The components that a file defines, read without importing it."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except OSError as error:
        raise UserError(f"{path}: the plug-in cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        raise UserError(
            f"{path}:{getattr(error, 'lineno', 1) or 1}: the plug-in is not valid Python: {error}"
        ) from None
    return _entries(tree, path)


def _entries(tree: ast.Module, path: Path) -> Iterator[Entry]:
    """The classes and functions that are marked as components."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            for decorator in node.decorator_list:
                mark = _mark(decorator)
                if mark is not None:
                    summary = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
                    yield Entry(*mark, path, node.name, summary)


def _mark(decorator: ast.expr) -> tuple[str, str] | None:
    """(kind, name) of a decorator such as `@model("lenet")` or `@registry.model("lenet")`."""
    if not isinstance(decorator, ast.Call) or not decorator.args:
        return None
    function, name = decorator.func, decorator.args[0]
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    if isinstance(called, str) and called in KINDS and isinstance(name, ast.Constant) and isinstance(name.value, str):
        return called, name.value
    return None


def _module(entry: Entry) -> Any:
    """The module that an entry's file is, imported once."""
    if entry.is_built_in:
        return importlib.import_module(".".join(("nntrain", *entry.path.relative_to(PACKAGE).with_suffix("").parts)))
    path = entry.path.resolve()
    name = f"nntrain_plugin_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise UserError(f"{path}: the plug-in failed while it was imported: {error!r}") from error
    return sys.modules[name]
