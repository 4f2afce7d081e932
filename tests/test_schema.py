"""Plain data against signatures: every mistake with its place, every default filled in."""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Len

from nntrain.clock import Duration
from nntrain.reader import Reader
from nntrain.registry import Registry
from nntrain.schema import settings_of
from nntrain.settings import Auto, Count, Factor, Interval, Length, Loss, Name, Positive, Probability, section
from nntrain.words import describe


@section
class Inner:
    """A section within.

    Settings:
        share: of the whole
    """

    def __init__(self, *, share: Factor = 0.5) -> None:
        self.share = share


def example(
    given_by_the_program: int = 0,
    *,
    rate: Positive = 0.1,
    share: Probability = 0.0,
    count: Count = 1,
    flag: bool = False,
    text: str = "a",
    kind: Literal["relu", "tanh"] = "relu",
    most: Count | Auto = "auto",
    clip: Positive | None = None,
    sizes: list[Count] = [1],  # noqa: B006
    pair: Annotated[list[Probability], Len(2, 2)] = [0.5, 0.5],  # noqa: B006
    length: Length = Duration(20, "epochs"),  # noqa: B008
    save: Interval | Auto = "auto",
    folder: Name = "runs",
    loss: Loss = "squared",
    losses: list[Loss] = [],  # noqa: B006
    inner: Inner = Inner(),  # noqa: B008
) -> None:
    """What settings can be.

    rate is eta, and text: this is not a setting's help

    Settings:
        rate: how fast,
            and how far
        clip: none by default
    """


def read(given: dict[str, Any], function: Callable[..., Any] = example) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parsed and the plain settings of data without mistakes."""
    reader = Reader(Registry())
    parsed, plain, ok = reader.settings(settings_of(function), given, (), "example")
    assert ok and not reader.problems
    return parsed, plain


def mistakes(given: dict[str, Any], function: Callable[..., Any] = example) -> list[str]:
    reader = Reader(Registry())
    _, _, ok = reader.settings(settings_of(function), given, (), "example")
    assert not ok
    return [str(problem) for problem in reader.problems]


def test_settings_are_what_stands_after_the_star() -> None:
    found = settings_of(example)
    assert "given_by_the_program" not in found
    assert list(found)[:3] == ["rate", "share", "count"]
    assert found["rate"].help == "how fast, and how far"
    assert found["clip"].help == "none by default"
    assert found["text"].help == ""
    assert not found["rate"].is_required


def test_defaults_are_filled_in_as_yaml_says_them() -> None:
    parsed, plain = read({"rate": 0.5})
    assert plain == {
        **{"rate": 0.5, "share": 0.0, "count": 1, "flag": False, "text": "a", "kind": "relu", "most": "auto"},
        **{"clip": None, "sizes": [1], "pair": [0.5, 0.5], "length": "20 epochs", "save": "auto", "folder": "runs"},
        **{"loss": {"type": "squared"}, "losses": [], "inner": {"share": 0.5}},
    }
    assert parsed["length"] == Duration(20, "epochs")
    assert parsed["loss"].name == "squared"
    assert isinstance(parsed["inner"], Inner)


def test_what_was_filled_in_is_a_fixed_point() -> None:
    _, plain = read({"losses": ["squared", {"type": "cross_entropy"}], "clip": 2, "length": "5%"})
    assert read(plain)[1] == plain


@pytest.mark.parametrize(
    ("setting", "value", "parsed"),
    [
        ("rate", 1, 1.0),
        ("rate", 1e-3, 1e-3),
        ("share", 0, 0.0),
        ("flag", True, True),
        ("text", "yes", "yes"),
        ("kind", "tanh", "tanh"),
        ("most", 3, 3),
        ("most", "auto", "auto"),
        ("clip", None, None),
        ("clip", 2, 2.0),
        ("sizes", [], []),
        ("sizes", [3, 4], [3, 4]),
        ("pair", [0, 0.5], [0.0, 0.5]),
        ("length", "2000 steps", Duration(2000, "steps")),
        ("length", "1.5 epochs", Duration(1.5, "epochs")),
        ("length", "10%", Duration(10, "%")),
        ("save", "10 minutes", Duration(10, "minutes")),
        ("save", "auto", "auto"),
        ("folder", "my run 1", "my run 1"),
    ],
)
def test_right_values_are_taken(setting: str, value: object, parsed: object) -> None:
    found, plain = read({setting: value})
    assert (type(found[setting]), found[setting]) == (type(parsed), parsed)
    assert plain[setting] == value


NUMBER = "expected a number greater than 0"
COUNT = "expected a whole number at least 1"
LENGTH = "expected a duration such as 20 epochs, 2000 steps or 10%"


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("rate", True, f"{NUMBER}, found true"),
        ("rate", "0.1", f"{NUMBER}, found '0.1'"),
        ("rate", None, f"{NUMBER}, found null"),
        ("rate", [1], f"{NUMBER}, found [1]"),
        ("rate", {"a": 1}, f"{NUMBER}, found settings (a)"),
        ("rate", 0, f"{NUMBER}, found 0"),
        ("rate", -0.5, f"{NUMBER}, found -0.5"),
        ("rate", math.nan, f"{NUMBER}, found nan"),
        ("clip", -1, "expected a number greater than 0 or null, found -1"),
        ("share", 1, "expected a number at least 0 and less than 1, found 1"),
        ("count", 0, f"{COUNT}, found 0"),
        ("count", 1.0, f"{COUNT}, found 1.0"),
        ("count", True, f"{COUNT}, found true"),
        ("count", "3", f"{COUNT}, found '3'"),
        ("flag", 1, "expected true or false, found 1"),
        ("flag", "yes", "expected true or false, found 'yes'"),
        ("flag", None, "expected true or false, found null"),
        ("text", 3, "expected text, found 3"),
        ("text", None, "expected text, found null"),
        ("text", False, "expected text, found false"),
        ("kind", "tahn", "expected one of relu, tanh, found 'tahn'; did you mean 'tanh'?"),
        ("kind", "softmax", "expected one of relu, tanh, found 'softmax'"),
        ("kind", 3, "expected one of relu, tanh, found 3"),
        ("most", "atuo", "expected a whole number at least 1 or auto, found 'atuo'; did you mean 'auto'?"),
        ("sizes", 3, "expected a list, each a whole number at least 1, found 3"),
        ("sizes", "3", "expected a list, each a whole number at least 1, found '3'"),
        ("sizes", None, "expected a list, each a whole number at least 1, found null"),
        ("length", 20, f"{LENGTH}, found 20 (a number without a unit; write '20 epochs' or '20 steps')"),
        ("length", True, f"{LENGTH}, found true"),
        ("length", None, f"{LENGTH}, found null"),
        ("length", "epochs", f"{LENGTH}, found 'epochs'"),
        ("length", "0 steps", f"{LENGTH}, found '0 steps' (it must be greater than 0)"),
        ("length", "1.5 steps", f"{LENGTH}, found '1.5 steps' (steps are whole)"),
        ("length", "120%", f"{LENGTH}, found '120%' (a share of the run is at most 100%)"),
        ("length", "3 lessons",
         f"{LENGTH}, found '3 lessons' (the unit 'lessons' is not known; units are epochs, steps, % and minutes)"),
        ("length", "3 hours",
         f"{LENGTH}, found '3 hours' (wall time would make the result depend on the machine; use epochs, steps or %)"),
        ("folder", "a/b", "expected the name of a folder, without slashes, found 'a/b'"),
        ("folder", "..", "expected the name of a folder, without slashes, found '..'"),
        ("folder", "", "expected the name of a folder, without slashes, found ''"),
        ("loss", "squarred", "unknown loss 'squarred'; did you mean 'squared'?"),
        ("loss", "zzz", "unknown loss 'zzz'; expected one of absolute, "),
        ("loss", 3, "expected the name of a loss, found 3; there are absolute, "),
        ("loss", None, "expected the name of a loss, found null; there are absolute, "),
        ("loss", ["squared"], "expected the name of a loss, found ['squared']; there are absolute, "),
        ("inner", 3, "expected settings (share), found 3"),
        ("inner", ["share"], "expected settings (share), found ['share']"),
    ],
)  # fmt: skip
def test_wrong_values_are_said(setting: str, value: object, message: str) -> None:
    (said,) = mistakes({setting: value})
    assert said.startswith(f"{setting}: {message}")


@pytest.mark.parametrize("value", [2**63, 10**30])
@pytest.mark.parametrize(("setting", "path"), [("count", "count"), ("most", "most"), ("sizes", "sizes.0")])
def test_whole_numbers_beyond_64_bits_are_refused(setting: str, path: str, value: int) -> None:
    (said,) = mistakes({setting: [value] if setting == "sizes" else value})
    assert said.startswith(f"{path}: expected a whole number of at most 64 bits") and said.endswith(f"found {value}")


def test_numbers_need_not_fit_64_bits() -> None:
    assert read({"count": 2**63 - 1, "rate": 10**30})[0]["rate"] == 1e30


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("setting", ["rate", "share", "count", "clip"])
def test_numbers_that_are_not_finite_are_refused(setting: str, value: float) -> None:
    (said,) = mistakes({setting: value})
    assert said.startswith(f"{setting}: expected a ") and said.endswith(f"found {value}")


def test_infinity_is_refused_for_being_infinite() -> None:
    (said,) = mistakes({"rate": math.inf})
    assert "finite" in said  # it is a number greater than 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sizes": [3, 0, True]}, ["sizes.1: expected a whole number at least 1, found 0",
                                   "sizes.2: expected a whole number at least 1, found true"]),
        ({"pair": [0.5, 2]}, ["pair.1: expected a number at least 0 and less than 1, found 2"]),
        ({"inner": {"share": 2}}, ["inner.share: expected a number at least 0 and at most 1, found 2"]),
        ({"inner": {"shaer": 1}}, ["inner.shaer: unknown setting of inner; did you mean 'share'?"]),
        ({"loss": {"type": "squarde"}}, ["loss.type: unknown loss 'squarde'; did you mean 'squared'?"]),
        ({"loss": {"type": None}}, ["loss.type: expected the name of a loss, found null; there are "
                                    + ", ".join(Registry().names("loss"))]),
        ({"loss": {"type": "squared", "weight": 3}}, ["loss.weight: unknown setting of squared; it takes none"]),
        ({"losses": ["squared", "squarde"]}, ["losses.1: unknown loss 'squarde'; did you mean 'squared'?"]),
        ({"losses": [{"type": "squared", "k": 3}]}, ["losses.0.k: unknown setting of squared; it takes none"]),
        ({"raet": 3}, ["raet: unknown setting of example; did you mean 'rate'?"]),
        ({"RATE": 3}, ["RATE: unknown setting of example; did you mean 'rate'?"]),
    ],
)  # fmt: skip
def test_a_mistake_within_has_the_whole_path(given: dict[str, Any], said: list[str]) -> None:
    assert mistakes(given) == said


@pytest.mark.parametrize("value", [[0.5], [0.1, 0.2, 0.3]])
def test_a_list_of_the_wrong_length_is_refused_for_its_length(value: list[float]) -> None:
    (said,) = mistakes({"pair": value})
    assert said.startswith("pair: ") and "2" in said.partition("found")[0]


def test_a_name_that_is_like_none_lists_all_settings() -> None:
    def few(*, lr: Positive = 0.1, momentum: Probability = 0.0) -> None: ...

    assert mistakes({"zzz": 1}, few) == ["zzz: unknown setting of example; it takes lr, momentum"]


def test_a_required_setting_that_is_missing_is_named() -> None:
    def needs(*, rate: Positive, length: Length) -> None: ...

    assert mistakes({"rate": 1}, needs) == [f"example needs the setting 'length': {LENGTH.removeprefix('expected ')}"]
    assert len(mistakes({}, needs)) == 2


def test_all_mistakes_are_found_at_once() -> None:
    wrong = {"rate": 0, "flag": 1, "kind": "x", "sizes": [0], "length": 5, "loss": "x", "inner": {"share": 7}, "no": 1}
    assert sorted(line.partition(":")[0] for line in mistakes(wrong)) == sorted(
        ["rate", "flag", "kind", "sizes.0", "length", "loss", "inner.share", "no"]
    )


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Positive, "a number greater than 0"),
        (Factor, "a number at least 0 and at most 1"),
        (Count | None, "a whole number at least 1 or null"),
        (list[Count], "a list, each a whole number at least 1"),
        (Literal["a", "b"], "one of a, b"),
        (Loss, "a loss"),
        (Inner, "settings (share)"),
        (bool, "true or false"),
        (str, "text"),
    ],
)
def test_types_are_described_in_words(annotation: Any, words: str) -> None:
    assert describe(annotation) == words


WRONG = """\
sed: 1
data: {type: iris, batch_size: true, standardise: yes}
model:
  type: mlpp
task: {type: classification, loss: {type: hinges}}
optimizer:
  type: sgd
  lr: yes
  momentum: 1
  momentun: 0.9
scheduler: {type: cosine, warmup: 5, final: .nan}
regularizers:
  - {type: l2, weight: -1}
  - l7
  - {weight: 1}
metrics: f1
trainer:
  length: 5
  precision: fp16
  early_stopping: {patince: 3 epochs}
  clip: .inf
"""

EXPECTED = """\
1:1: sed: unknown setting of a config
2:32: data.batch_size: expected a whole number at least 1 or auto or all, found true
2:38: data.standardise: unknown setting of iris; did you mean 'standardize'?
4:9: model.type: unknown model 'mlpp'; did you mean 'mlp'?
5:43: task.loss.type: unknown loss 'hinges'
8:7: optimizer.lr: expected a number greater than 0, found 'yes'
9:13: optimizer.momentum: expected a number at least 0 and less than 1, found 1
10:3: optimizer.momentun: unknown setting of sgd; did you mean 'momentum'?
11:35: scheduler.warmup: expected a duration
11:45: scheduler.final: expected a number at least 0 and at most 1, found nan
13:24: regularizers.0.weight: expected a number at least 0, found -1
14:5: regularizers.1: unknown regularizer 'l7'
15:5: regularizers.2: needs a type; there are
16:10: metrics: expected a list
18:11: trainer.length: expected a duration
19:14: trainer.precision: expected one of fp32, tf32, bf16, fp64, found 'fp16'; did you mean 'fp64'?
20:3: trainer.early_stopping: trainer.early_stopping needs the setting 'patience': a duration
20:20: trainer.early_stopping.patince: unknown setting of trainer.early_stopping; did you mean 'patience'?
21:9: trainer.clip: expected a
"""


def test_all_mistakes_of_a_config_are_reported_by_line(command: Callable[..., Any], write: Callable[..., Any]) -> None:
    write(WRONG)
    called = command("check", "my.yaml")
    assert called.status == 2
    found = [line for line in called.err.splitlines() if line.startswith("my.yaml:")]
    expected = EXPECTED.splitlines()
    assert len(found) == len(expected), called.err
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(f"my.yaml:{start}")
