"""KEY=VALUE on the command line: what it sets, what it drops, and how its mistakes are said."""

from collections.abc import Callable
from typing import Any

import pytest

CONFIG = """\
seed: 0
data: {type: iris, batch_size: 16}
model:
  type: mlp
  hidden: [8, 4]
optimizer: {type: sgd, lr: 0.1, momentum: 0.9}
regularizers:
  - {type: l2, weight: 0.5}
trainer: {length: 4 steps}
"""

Resolve = Callable[..., dict[str, Any]]
Refuse = Callable[..., str]


@pytest.fixture
def resolve(command: Callable[..., Any], write: Callable[..., Any]) -> Resolve:
    """The config with overrides, every default filled in; what was said stands under `said`."""

    def resolved(*overrides: str, config: str = CONFIG) -> dict[str, Any]:
        write(config)
        called = command("show", "config", "my.yaml", "--json", "--", *overrides)
        assert called.status == 0, called.err
        return called.json | {"said": called.err}

    return resolved


@pytest.fixture
def refuse(command: Callable[..., Any], write: Callable[..., Any]) -> Refuse:
    """What is said of overrides that are refused."""

    def refused(*overrides: str, config: str = CONFIG) -> str:
        write(config)
        called = command("show", "config", "my.yaml", "--", *overrides)
        assert (called.status, called.out) == (2, "")
        return called.err.removeprefix("error: ")

    return refused


SPLIT = {"dev": None, "test": None, "folds": None, "fold": None, "train": None, "seed": 0}


@pytest.mark.parametrize(
    ("override", "section", "setting", "value"),
    [
        ("optimizer.lr=0.01", "optimizer", "lr", 0.01),
        ("optimizer.lr=1e-3", "optimizer", "lr", 0.001),
        ("optimizer.lr= 0.01 ", "optimizer", "lr", 0.01),
        ("optimizer.nesterov=true", "optimizer", "nesterov", True),
        ("model.hidden=[32,16,8]", "model", "hidden", [32, 16, 8]),
        ("model.hidden=[]", "model", "hidden", []),
        ("model.hidden.1=5", "model", "hidden", [8, 5]),
        ("model.activation=tanh", "model", "activation", "tanh"),
        ("data.split.dev=0.25", "data", "split", {**SPLIT, "dev": 0.25}),
        ("data.split={seed: 3}", "data", "split", {**SPLIT, "seed": 3}),
        ("trainer.length=7 steps", "trainer", "length", "7 steps"),
        ("trainer.early_stopping.patience=2 steps", "trainer", "early_stopping",
         {"patience": "2 steps", "min_change": 0.0, "monitor": None}),
    ],
)  # fmt: skip
def test_a_setting_is_set_to_a_yaml_value(
    resolve: Resolve, override: str, section: str, setting: str, value: object
) -> None:
    resolved = resolve(override)
    assert resolved[section][setting] == value
    assert resolved["said"] == ""


def test_the_rest_of_the_config_stays(resolve: Resolve) -> None:
    before, after = resolve(), resolve("optimizer.lr=0.01")
    assert before.pop("optimizer") | {"lr": 0.01} == after.pop("optimizer")
    assert before == after


@pytest.mark.parametrize(("override", "name"), [("name=yes", "yes"), ("name='1e-3'", "1e-3"), ("name=a=b", "a=b")])
def test_text_needs_quotes_only_where_yaml_reads_something_else(resolve: Resolve, override: str, name: str) -> None:
    assert resolve(override)["name"] == name


def test_an_entry_of_a_list_is_set_by_its_number(resolve: Resolve) -> None:
    assert resolve("regularizers.0.weight=0.25")["regularizers"] == [{"type": "l2", "weight": 0.25, "match": None}]
    assert resolve("regularizers.0=l1")["regularizers"][0]["type"] == "l1"


def test_several_overrides_all_hold(resolve: Resolve) -> None:
    resolved = resolve("regularizers=[l1, l2]", "regularizers.1.weight=0.5", "seed=7")
    assert [r["type"] for r in resolved["regularizers"]] == ["l1", "l2"]
    assert resolved["regularizers"][1]["weight"] == 0.5
    assert resolved["seed"] == 7


@pytest.mark.parametrize("override", ["model=linear", "model.type=linear"])
def test_another_type_drops_the_old_settings_and_says_so(resolve: Resolve, override: str) -> None:
    resolved = resolve(override)
    assert resolved["model"] == {"type": "linear"}
    assert resolved["said"] == "model: now 'linear'; the settings of 'mlp' are dropped (hidden)\n"


def test_settings_of_the_same_type_set_as_a_whole_drop_the_old_ones_and_say_so(resolve: Resolve) -> None:
    said = resolve("model={type: mlp, dropout: 0.1}")["said"]
    assert said == "model: set as a whole; the settings of 'mlp' are dropped (hidden)\n"


@pytest.mark.parametrize("override", ["model=lenet", "model.type=lenet"])
def test_a_type_that_does_not_fit_the_data_is_blamed_on_the_override(refuse: Refuse, override: str) -> None:
    said = refuse(override)
    assert said.startswith("model: now 'lenet'; the settings of 'mlp' are dropped (hidden)\n")
    assert f"command line: {override}: model: lenet takes images (channels, height, width); iris gives" in said


def test_another_type_comes_with_settings_of_its_own(resolve: Resolve) -> None:
    resolved = resolve("optimizer=adam", "optimizer.eps=0.5")
    assert resolved["optimizer"] == {"type": "adam", "lr": 0.001, "betas": [0.9, 0.999], "eps": 0.5, "groups": []}


def test_the_order_of_overrides_does_not_matter(resolve: Resolve) -> None:
    overrides = ("optimizer=adam", "optimizer.lr=0.25")
    assert resolve(*overrides)["optimizer"] == resolve(*reversed(overrides))["optimizer"]


def test_the_same_type_keeps_the_settings(resolve: Resolve) -> None:
    resolved = resolve("model.type=mlp")
    assert resolved["model"]["hidden"] == [8, 4]
    assert resolved["said"] == ""


def test_a_setting_of_a_component_written_as_its_name(resolve: Resolve) -> None:
    short = CONFIG.replace("model:\n  type: mlp\n  hidden: [8, 4]\n", "model: mlp\n")
    assert resolve("model.dropout=0.1", config=short)["model"] == {
        "type": "mlp",
        "hidden": [128],
        "activation": "relu",
        "dropout": 0.1,
        "norm": "none",
        "bottleneck": None,
    }
    assert resolve("model.type=linear", config=short)["model"] == {"type": "linear"}


@pytest.mark.parametrize("override", ["optimizer.lr=0.25", "scheduler.warmup=2 steps", "task.label_smoothing=0.25"])
def test_a_setting_of_a_section_left_out_is_one_of_its_default(resolve: Resolve, override: str) -> None:
    config = "data: iris\nmodel: linear\ntrainer: {length: 4 steps}\n"
    section, setting = override.partition("=")[0].split(".")
    before, after = resolve(config=config), resolve(override, config=config)
    assert before[section]["type"] == after[section]["type"]
    assert before[section][setting] != after[section][setting]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lrr=1", "optimizer.lrr: unknown setting of sgd; did you mean 'lr'?"),
        ("optimizr.lr=1", "optimizr: unknown setting of a config; did you mean 'optimizer'?"),
        ("data.split.devv=0.1", "data.split.devv: unknown setting of data.split; did you mean 'dev'?"),
        ("optimizer.lr=fast", "optimizer.lr: expected a number greater than 0, found 'fast'"),
        ("optimizer.lr=-1", "optimizer.lr: expected a number greater than 0, found -1"),
        ("optimizer.lr=", "optimizer.lr: expected a number greater than 0, found null"),
        ("model=mlpp", "model: unknown model 'mlpp'; did you mean 'mlp'?"),
        ("model.type=mlpp", "model.type: unknown model 'mlpp'; did you mean 'mlp'?"),
        ("model.hidden.1=0", "model.hidden.1: expected a whole number at least 1, found 0"),
        ("regularizers.0.weight=-1", "regularizers.0.weight: expected a number at least 0, found -1"),
        ("optimizer.lr", "expected KEY=VALUE, such as optimizer.lr=0.01"),
        ("=3", "expected KEY=VALUE, such as optimizer.lr=0.01"),
        ("model.hidden=[1,", "not valid YAML: while parsing a flow node expected the node content"),
        ("seed=a: b: c", "not valid YAML: mapping values are not allowed here"),
        ("seed=*a", "not valid YAML: found undefined alias 'a'"),
        ("seed=!!python/name:os.mkdir x", "the tag tag:yaml.org,2002:python/name:os.mkdir is not allowed in a config"),
        ("model={type: mlp, type: linear}", "type: set twice"),
        ("model.hidden.2=5", "model.hidden.2: the list has 2 entries, counted from 0"),
        ("model.hidden.x=5", "model.hidden.x: the list has 2 entries, counted from 0"),
        ("regularizers.1.weight=5", "regularizers.1: the list has 1 entries, counted from 0"),
        ("seed.x=3", "seed"),
        ("trainer.length.x=3", "trainer.length"),
        ("model.hidden.0.x=3", "model.hidden.0"),
    ],
)
def test_a_wrong_override_is_quoted_after_command_line(refuse: Refuse, override: str, message: str) -> None:
    said = refuse(override)
    assert f"command line: {override}: {message}" in said
    assert "my.yaml" not in said


@pytest.mark.parametrize("second", ["seed=2", "seed=1", " seed=2"])
def test_the_same_key_twice_is_refused(refuse: Refuse, second: str) -> None:
    assert refuse("seed=1", second) == f"command line: {second}: seed is already set by 'seed=1'\n"


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ("model=linear", "model.type=lenet"),
        ("optimizer={type: sgd, lr: 0.1}", "optimizer.lr=0.2"),
        ("optimizer={type: sgd, lr: 0.1}", "optimizer.lr=0.1"),
        ("model.hidden=[3,4]", "model.hidden.1=5"),
        ("regularizers=[{type: l2, weight: 0.1}]", "regularizers.0.weight=0.2"),
    ],
)
def test_a_setting_has_one_source_on_the_command_line(refuse: Refuse, whole: str, part: str) -> None:
    message = f"command line: {part}: {part.partition('=')[0]} is already set by '{whole}'\n"
    assert message in refuse(whole, part)
    assert message in refuse(part, whole)


def test_mistakes_of_overrides_stand_with_those_of_the_file(refuse: Refuse) -> None:
    said = refuse("seed=x", "foo=3", config=CONFIG.replace("momentum", "momentun"))
    assert [line.split(": ")[1] for line in said.splitlines() if line.startswith(("my.yaml", "command line"))] == [
        "optimizer.momentun",
        "foo=3",
        "seed=x",
    ]


def test_mistakes_of_all_overrides_are_reported(refuse: Refuse) -> None:
    said = refuse("seed", "model.hidden=[", "model.hidden.7=3", "seed=1", "seed=2").splitlines()
    assert sorted(line.split(": ")[1] for line in said) == ["model.hidden.7=3", "model.hidden=[", "seed", "seed=2"]


def test_an_override_does_not_mend_the_file(refuse: Refuse) -> None:
    assert refuse("seed=1", config="- iris\n").startswith("my.yaml:1:1: expected sections")


def test_overrides_hold_in_fit_and_are_written_to_the_config_of_the_run(
    command: Callable[..., Any], write: Callable[..., Any]
) -> None:
    write(CONFIG)
    called = command("fit", "my.yaml", "trainer.length=3 steps", "model=linear", "--json")
    assert called.status == 0
    assert "the settings of 'mlp' are dropped" in called.err
    assert called.json["steps"] == 3
    assert called.json["model"]["type"] == "linear"
    again = command("show", "config", f"{called.json['run']}/config.yaml", "--json").json
    assert again["trainer"]["length"] == "3 steps"
    assert again["model"] == {"type": "linear"}
