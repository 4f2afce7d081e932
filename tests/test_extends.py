"""`extends`: a config that says only how it differs from another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nntrain.config import ConfigError, load

Write = Callable[..., Path]

PARENT = """\
seed: 3
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.5}
optimizer: {type: sgd, lr: 0.1, momentum: 0.9}
regularizers: [l2, {type: l1, weight: 0.5}]
trainer: {length: 4 steps}
"""


@pytest.fixture
def merged(write: Write) -> Callable[[str], dict[str, Any]]:
    """The plain data of a child of PARENT."""

    def load_child(child: str, parent: str = PARENT) -> dict[str, Any]:
        write(parent, "parent.yaml")
        return load(write(f"extends: parent.yaml\n{child}")).data

    return load_child


def mistakes(path: Path) -> list[tuple[str, int, int, str]]:
    """File, line, column and message of every mistake that reading a file finds."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [(Path(mark.source).name, mark.line, mark.column, message) for mark, message in caught.value.mistakes]


@pytest.mark.parametrize(
    ("child", "section", "value"),
    [
        ("", "model", {"type": "mlp", "hidden": [8], "dropout": 0.5}),
        ("seed: 4", "seed", 4),
        ("optimizer: {lr: 0.2}", "optimizer", {"type": "sgd", "lr": 0.2, "momentum": 0.9}),
        ("optimizer: {type: sgd, lr: 0.2}", "optimizer", {"type": "sgd", "lr": 0.2, "momentum": 0.9}),
        ("optimizer: {nesterov: true}", "optimizer", {"type": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("optimizer: {type: adam}", "optimizer", {"type": "adam"}),
        ("optimizer: {type: adam, lr: 0.2}", "optimizer", {"type": "adam", "lr": 0.2}),
        ("optimizer: adam", "optimizer", "adam"),
        ("model: {hidden: [4, 4]}", "model", {"type": "mlp", "hidden": [4, 4], "dropout": 0.5}),
        ("regularizers: [l1]", "regularizers", ["l1"]),
        ("trainer: {early_stopping: {patience: 2 steps}}", "trainer",
         {"length": "4 steps", "early_stopping": {"patience": "2 steps"}}),
        ("scheduler: cosine", "scheduler", "cosine"),
    ],
)  # fmt: skip
def test_a_child_is_merged_over_its_parent_key_by_key(
    merged: Callable[[str], dict[str, Any]], child: str, section: str, value: object
) -> None:
    assert merged(child)[section] == value


def test_what_the_child_leaves_out_is_the_parents(merged: Callable[[str], dict[str, Any]]) -> None:
    before, after = merged(""), merged("seed: 4")
    assert before | {"seed": 4} == after
    assert "extends" not in after


def test_settings_of_a_parent_that_gives_only_a_name(merged: Callable[..., dict[str, Any]]) -> None:
    assert merged("model: {dropout: 0.1}", "data: iris\nmodel: mlp\n")["model"] == {"type": "mlp", "dropout": 0.1}


def test_parents_are_found_beside_their_child_through_several_folders(write: Write) -> None:
    write("seed: 1\ndata: iris\nname: top\n", "shared/top.yaml")
    write("extends: top.yaml\nseed: 2\nmodel: mlp\n", "shared/middle.yaml")
    document = load(write("extends: ../shared/middle.yaml\nmodel: linear\n", "mine/my.yaml"))
    assert document.data == {"seed": 2, "data": "iris", "name": "top", "model": "linear"}


def test_overrides_come_last(write: Write) -> None:
    write(PARENT, "parent.yaml")
    document = load(write("extends: parent.yaml\nmodel: {hidden: [4]}\n"), ["model.hidden=[2]", "model.dropout=0.25"])
    assert document.data["model"] == {"type": "mlp", "hidden": [2], "dropout": 0.25}


def test_a_run_is_named_after_the_child(command: Callable[..., Any], write: Write) -> None:
    write(PARENT, "parent.yaml")
    write("extends: parent.yaml\n", "child.yaml")
    assert command("show", "config", "child.yaml", "--json").json["name"] == "child"


def test_mistakes_are_pointed_at_in_the_file_they_stand_in(command: Callable[..., Any], write: Write) -> None:
    write(PARENT.replace("dropout", "dropuot"), "parent.yaml")
    write("extends: parent.yaml\noptimizer:\n  momentun: 0.8\n  lr: -1\n")
    called = command("fit", "my.yaml")
    assert called.status == 2
    assert [line for line in called.err.splitlines() if ".yaml:" in line] == [
        "my.yaml:3:3: optimizer.momentun: unknown setting of sgd; did you mean 'momentum'?",
        "my.yaml:4:7: optimizer.lr: expected a number greater than 0, found -1",
        "parent.yaml:3:33: model.dropuot: unknown setting of mlp; did you mean 'dropout'?",
    ]


@pytest.mark.parametrize("model", ["lenet", "{type: lenet}", "{type: lenet, activation: tanh}"])
def test_a_component_that_the_child_chose_is_pointed_at_in_the_child(
    command: Callable[..., Any], write: Write, model: str
) -> None:
    write(PARENT, "parent.yaml")
    write(f"extends: parent.yaml\nmodel: {model}\n")
    called = command("fit", "my.yaml")
    assert called.status == 2
    assert called.err.startswith("my.yaml:2:8: model: lenet takes images")


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ("extends: [parent.yaml]\n", "extends: expected the path of one config file"),
        ("extends: 3\n", "extends: expected the path of one config file"),
        ("extends: nope.yaml\n", "extends: there is no file"),
        ("extends: .\n", "extends: there is no file"),
        ("extends: my.yaml\n", "extends this file again"),
        ("extends: ../sub/../sub/my.yaml\n", "extends this file again"),
    ],
)
def test_what_cannot_be_extended_is_pointed_at(write: Write, child: str, message: str) -> None:
    ((file, line, column, said),) = mistakes(write(child, "sub/my.yaml"))
    assert (file, line, column) == ("my.yaml", 1, 10)
    assert message in said


def test_configs_that_extend_each_other_are_refused(write: Write) -> None:
    write("seed: 0\n\nextends: my.yaml\n", "b.yaml")
    write("extends: b.yaml\n", "a.yaml")
    ((file, line, _, message),) = mistakes(write("extends: a.yaml\n"))
    assert (file, line) == ("b.yaml", 3)
    assert "extends this file again" in message


def test_a_parent_that_is_not_yaml_is_pointed_at(write: Write) -> None:
    write("seed: 0\nmodel: @mlp\n", "parent.yaml")
    ((file, line, column, _),) = mistakes(write("extends: parent.yaml\n"))
    assert (file, line, column) == ("parent.yaml", 2, 8)


def test_extends_may_be_null(write: Write) -> None:
    assert load(write("extends: null\nseed: 1\n")).data == {"seed": 1}
