"""What a rule says when it finds something; importing this does not import torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nntrain.invocation import command_line

Rule = Literal[
    "finite_numbers",
    "labels_in_range",
    "classes_in_training",
    "shared_examples",
    "input_scale",
    "feature_scales",
    "prepared_alike",
    "leaking_feature",
    "shuffled",
    "first_loss",
    "outputs_fit_loss",
    "input_dependence",
    "gradients",
    "frozen",
    "one_batch",
    "durations",
]


@dataclass(frozen=True)
class Finding:
    """What was seen, how sure it is a fault, and what to do.

    An alarm comes from a rule that is hardly ever wrong; a remark is worth knowing, and often all right.
    `where` names a place: split, example, feature, layer ...; `causes` stand with the likeliest first; `verb` of
    the same config with the settings `confirm` is a command that confirms or rules out the first of them.
    """

    rule: Rule
    level: Literal["alarm", "remark"]
    seen: str
    where: Mapping[str, Any] = field(default_factory=dict)
    causes: tuple[str, ...] = ()
    confirm: tuple[str, ...] = ()
    verb: Literal["check", "fit"] = "check"

    def as_json(self, config: str, overrides: Sequence[str]) -> dict[str, Any]:
        """The finding for programs; `config` and `overrides` are what the user typed."""
        return {
            "rule": self.rule,
            "level": self.level,
            "seen": self.seen,
            "where": dict(self.where),
            "causes": list(self.causes),
            "confirm": command_line(self.verb, config, overrides, self.confirm),
            "silence": self._silence,
        }

    def as_text(self, config: str, overrides: Sequence[str]) -> str:
        """The finding as a block of lines."""
        places = (f"{place} set" if name == "split" else f"{name} {place}" for name, place in self.where.items())
        lines = (
            ("where", ", ".join(places)),
            ("likely", "; or ".join(self.causes)),
            ("confirm", command_line(self.verb, config, overrides, self.confirm)),
            ("silence", self._silence),
        )
        return "\n".join((f"{self.level}: {self.seen}", *(f"  {name:8} {text}" for name, text in lines if text)))

    @property
    def _silence(self) -> str:
        return f"trainer.silence=[{self.rule}]"


def alarms(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "alarm"]


def remarks(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "remark"]


def applicable(plain: Mapping[str, Any], *settings: str) -> tuple[str, ...]:
    """The first `KEY=VALUE` that changes this config: whose key it has, with another value; else nothing."""
    return next(((setting,) for setting in settings if _changes(plain, *setting.split("=", 1))), ())


def _changes(plain: Any, key: str, value: str) -> bool:
    for name in key.split("."):
        if not isinstance(plain, Mapping) or name not in plain:
            return False
        plain = plain[name]
    return str(plain).lower() != value
