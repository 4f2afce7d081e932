"""Components found by reading the sources, and the user's own in plug-in files."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nntrain.errors import UserError
from nntrain.registry import KINDS, PACKAGE, Registry, _built_in, kind_named

Write = Callable[..., Path]
Command = Callable[..., Any]

CONFIG = """\
data: {type: iris, batch_size: 16}
model: {type: mine, width: 5}
plugins: [parts/mine.py]
trainer: {length: 4 steps}
"""

MODEL = """\
from torch import Tensor, nn

from nntrain.registry import model
from nntrain.settings import Count
from nntrain.specs import Vector


@model("mine")
class Mine(nn.Module):
    \"\"\"A body of one layer.

    Settings:
        width: how many units it has
    \"\"\"

    def __init__(self, inputs: Vector, *, width: Count) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs.features, width)
        self.features = width

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)
"""

SCHEDULER = """\
from nntrain import registry


@registry.scheduler("halves")
def halves(clock):
    \"\"\"The rate is halved at the middle.\"\"\"
    return lambda progress: 1.0 if progress < 0.5 else 0.5
"""


def test_names_are_read_without_importing_any_component() -> None:
    script = (
        "import json, sys\n"
        "from nntrain.registry import KINDS, Registry\n"
        "names = {kind: Registry().names(kind) for kind in KINDS}\n"
        "print(json.dumps([names, sorted(sys.modules)]))\n"
    )
    names, modules = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    assert {"lenet", "linear", "mlp"} <= set(names["model"])
    assert all(names.values())
    folders = tuple(f"nntrain.{kind.folder}" for kind in KINDS.values())
    assert not [name for name in modules if name.startswith((*folders, "torch", "numpy", "sklearn"))]


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_is_found_and_loads(kind: str) -> None:
    registry = Registry()
    for entry in registry.entries(kind):
        assert entry.is_built_in
        assert entry.summary.endswith("."), f"{entry.path}: the first paragraph of {entry.symbol}"
        assert registry.load(kind, entry.name).__name__ == entry.symbol


def test_components_are_found_by_their_heads_as_by_whole_files() -> None:
    """Of the package's files only the lines from decorator to docstring are parsed."""
    for kind, its in KINDS.items():
        marked = [
            (mark.args[0].value, node.name)  # type: ignore[attr-defined]
            for path in (PACKAGE / its.folder).glob("*.py")
            for node in ast.parse(path.read_bytes()).body
            for mark in getattr(node, "decorator_list", [])
            if isinstance(mark, ast.Call) and getattr(mark.func, "id", None) == kind
        ]
        assert sorted((entry.name, entry.symbol) for entry in Registry().entries(kind)) == sorted(marked)


@pytest.mark.parametrize("body", ["pass", 'return print("""the first quotes, in brackets""")'])
def test_a_component_of_the_package_needs_no_docstring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    (tmp_path / "clips").mkdir()
    documented = '@clip("other")\nclass Other:\n    """Another one."""\n'
    (tmp_path / "clips" / "mine.py").write_text(f'@clip("bare")\ndef bare():\n    {body}\n\n\n{documented}')
    monkeypatch.setattr("nntrain.registry.PACKAGE", tmp_path)
    monkeypatch.setattr("nntrain.registry._built_in", _built_in.__wrapped__)
    found = {entry.name: entry.summary for entry in Registry().entries("clip")}
    assert found == {"bare": "", "other": "Another one."}


def test_loading_a_component_imports_no_other_file() -> None:
    script = (
        "import sys\n"
        "from nntrain.registry import Registry\n"
        "Registry().load('optimizer', 'sgd')\n"
        "print([name for name in sys.modules if name.startswith('nntrain.optimizers.')])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout == "['nntrain.optimizers.sgd']\n"


@pytest.mark.parametrize(
    ("word", "name"), [("model", "model"), ("models", "model"), ("losses", "loss"), ("data", "data")]
)
def test_a_kind_is_named_singular_or_plural(word: str, name: str) -> None:
    assert kind_named(word).name == name


def test_an_unknown_kind_or_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UserError, match="no kind of component is called 'modell'; did you mean 'models'"):
        kind_named("modell")
    with pytest.raises(UserError, match="no model is called 'lennet'; did you mean 'lenet'"):
        Registry().entry("model", "lennet")
    with pytest.raises(UserError, match="no loss is called 'zzz'; expected one of absolute, "):
        Registry().entry("loss", "zzz")


def test_two_files_that_define_one_name_are_both_named(write: Write) -> None:
    one, two = write(MODEL, "one.py"), write(MODEL, "two.py")
    with pytest.raises(UserError, match="two files define the model 'mine'") as caught:
        Registry([one, two]).names("model")
    assert str(one) in str(caught.value) and str(two) in str(caught.value)


def test_a_plug_in_cannot_take_the_name_of_a_component(command: Command, write: Write) -> None:
    path = write(MODEL.replace('"mine"', '"mlp"'), "parts/mine.py")
    write(CONFIG)
    called = command("fit", "my.yaml")
    assert called.status == 2
    assert "two files define the model 'mlp'" in called.err
    assert str(path) in called.err and str(Path("nntrain", "models", "mlp.py")) in called.err


def test_one_name_may_be_of_two_kinds(write: Write) -> None:
    registry = Registry([write(MODEL, "one.py"), write(SCHEDULER.replace("halves", "mine"), "two.py")])
    assert "mine" in registry.names("model")
    assert "mine" in registry.names("scheduler")


def test_a_model_added_by_one_file_trains_and_is_measured(command: Command, write: Write) -> None:
    write(MODEL, "parts/mine.py")
    write(CONFIG)
    fitted = command("fit", "my.yaml", "--json")
    assert fitted.status == 0, fitted.err
    assert fitted.json["model"] == {"type": "mine", "parameters": 4 * 5 + 5 + 5 * 3 + 3}

    refused = command("eval", fitted.json["run"])
    assert refused.status == 2
    assert "mine.py" in refused.err and "--allow-plugins" in refused.err
    measured = command("eval", fitted.json["run"], "--allow-plugins", "--json")
    assert measured.json["metrics"] == fitted.json["best"]["metrics"]


def test_components_of_several_plug_ins_work_together(command: Command, write: Write) -> None:
    write(MODEL, "parts/mine.py")
    write(SCHEDULER, "halves.py")
    write(CONFIG.replace("[parts/mine.py]", "[parts/mine.py, halves.py]") + "scheduler: halves\n")
    called = command("check", "my.yaml", "--json")
    assert called.status == 0, called.err
    assert called.json["model"]["type"] == "mine"


def test_a_plug_in_is_found_beside_the_config_that_names_it(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugin = write(MODEL, "configs/parts/mine.py")
    write(CONFIG, "configs/parent.yaml")
    write("extends: ../configs/parent.yaml\n", "mine/my.yaml")
    monkeypatch.chdir(tmp_path / "mine")
    for config in ("my.yaml", "../configs/parent.yaml"):
        assert command("show", "config", config, "--json").json["plugins"] == [str(plugin)]


def test_a_plug_in_named_on_the_command_line_is_found_from_the_current_folder(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugin = write(MODEL, "here/mine.py")
    write(CONFIG)
    monkeypatch.chdir(tmp_path / "here")
    called = command("show", "config", "../my.yaml", "plugins=[mine.py]", "--json")
    assert called.json["plugins"] == [str(plugin)]


def test_settings_of_a_plug_in_are_checked_like_any(command: Command, write: Write) -> None:
    write(MODEL, "parts/mine.py")
    write(CONFIG.replace("width: 5", "width: 0, widht: 3"))
    assert [line for line in command("fit", "my.yaml").err.splitlines() if line.startswith("my.yaml")] == [
        "my.yaml:2:28: model.width: expected a whole number at least 1, found 0",
        "my.yaml:2:31: model.widht: unknown setting of mine; did you mean 'width'?",
    ]
    write(CONFIG.replace(", width: 5", ""))
    assert (
        "my.yaml:2:1: model: mine needs the setting 'width': a whole number at least 1" in command("fit", "my.yaml").err
    )
    write(CONFIG.replace("type: mine", "type: mien"))
    assert "my.yaml:2:15: model.type: unknown model 'mien'; did you mean 'mine'?" in command("fit", "my.yaml").err


def test_a_missing_plug_in_is_pointed_at(command: Command, write: Write, tmp_path: Path) -> None:
    write(CONFIG)
    called = command("fit", "my.yaml")
    assert called.status == 2
    assert called.err.startswith(f"my.yaml:3:11: plugins.0: there is no file {tmp_path / 'parts' / 'mine.py'}\n")


@pytest.mark.parametrize("value", ["parts/mine.py", "3", "[3]", "{a: b}"])
def test_plug_ins_are_a_list_of_paths(command: Command, write: Write, value: str) -> None:
    write(MODEL, "parts/mine.py")
    write(CONFIG.replace("[parts/mine.py]", value).replace("{type: mine, width: 5}", "linear"))
    called = command("fit", "my.yaml")
    assert called.status == 2
    assert called.err.startswith("my.yaml:3:1") and "expected" in called.err


def test_a_plug_in_that_is_not_python_is_named_with_the_line(command: Command, write: Write) -> None:
    path = write("import torch\n\ndef f(:\n    pass\n", "parts/mine.py")
    write(CONFIG)
    called = command("fit", "my.yaml")
    assert called.status == 2
    assert f"{path}:3: the plug-in is not valid Python" in called.err


def test_a_plug_in_that_fails_to_import_is_named_but_only_when_used(command: Command, write: Write) -> None:
    path = write(f"import not_there\n\n{MODEL}", "parts/mine.py")
    write(CONFIG)
    called = command("fit", "my.yaml")
    assert called.status == 2
    assert f"{path}: the plug-in failed while it was imported" in called.err and "not_there" in called.err
    assert command("check", "my.yaml", "model=linear").status == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("super().__init__()", "raise ValueError('no luck')"),
        ("super().__init__()", "{}['no luck']"),
        ("super().__init__()", "super().__init__(); self.luck = 1 / 0"),
        ("return self.layer(x)", "raise KeyError('no luck')"),
        ("return self.layer(x)", "return self.layer(x[:, :2])"),
        ("        self.features = width\n", ""),
    ],
)
def test_a_model_that_fails_is_pointed_at(command: Command, write: Write, before: str, after: str) -> None:
    write(MODEL.replace(before, after), "parts/mine.py")
    write(CONFIG)
    called = command("check", "my.yaml")
    assert called.status == 2
    assert called.err.startswith("my.yaml:2:8: model: ")


def test_a_setting_without_a_type_is_named(command: Command, write: Write) -> None:
    path = write(MODEL.replace("width: Count", "width=5"), "parts/mine.py")
    write(CONFIG)
    called = command("check", "my.yaml")
    assert called.status == 2
    assert str(path) in called.err and "width" in called.err


@pytest.mark.parametrize("arguments", [["fit"], ["check"], ["show", "config"]])
def test_what_a_plug_in_prints_is_no_result(command: Command, write: Write, arguments: list[str]) -> None:
    printing = MODEL.replace("super().__init__()", "super().__init__(); print('made')")
    write(f"print('imported')\n{printing}", "parts/mine.py")
    write(CONFIG)
    called = command(*arguments, "my.yaml", "--json")
    assert called.status == 0, called.err
    assert called.json  # one JSON object, and nothing else
    assert "imported\nmade\n" in called.err
