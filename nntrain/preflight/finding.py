"""What a rule says when it finds something; importing this does not import torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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
]


@dataclass(frozen=True)
class Finding:
    """What was seen, how sure it is a fault, and what to do.

    An alarm comes from a rule that is hardly ever wrong; a remark is worth knowing, and often all right.
    `where` names a place: split, example, feature, layer ...; `causes` stand with the likeliest first; `confirm`
    is a setting with which `nntrain check` of the same config confirms or rules out the first of them.
    """

    rule: Rule
    level: Literal["alarm", "remark"]
    seen: str
    where: Mapping[str, Any] = field(default_factory=dict)
    causes: tuple[str, ...] = ()
    confirm: str = ""

    def as_json(self, check: str) -> dict[str, Any]:
        """The finding for programs; `check` is the command that checks this config, as the user would type it."""
        return {
            "rule": self.rule,
            "level": self.level,
            "seen": self.seen,
            "where": dict(self.where),
            "causes": list(self.causes),
            "confirm": self._command(check),
            "silence": self._silence,
        }

    def as_text(self, check: str) -> str:
        """The finding as a block of lines."""
        lines = [f"{self.level}: {self.seen}"]
        if self.where:
            lines.append("  where    " + ", ".join(f"{name} {place}" for name, place in self.where.items()))
        if self.causes:
            lines.append("  likely   " + "; or ".join(self.causes))
        lines.append(f"  confirm  {self._command(check)}")
        lines.append(f"  silence  {self._silence}")
        return "\n".join(lines)

    def _command(self, check: str) -> str:
        return f"{check} {self.confirm}".strip()

    @property
    def _silence(self) -> str:
        return f"trainer.silence=[{self.rule}]"


def alarms(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "alarm"]


def remarks(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "remark"]


def applicable(plain: Mapping[str, Any], *settings: str) -> str:
    """The first `KEY=VALUE` whose key this config has, so that the command with it is a right one; else nothing."""
    return next((setting for setting in settings if _has(plain, setting.partition("=")[0].split("."))), "")


def _has(plain: Any, keys: list[str]) -> bool:
    for key in keys:
        if not isinstance(plain, Mapping) or key not in plain:
            return False
        plain = plain[key]
    return True
