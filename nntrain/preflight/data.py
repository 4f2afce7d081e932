"""Rules on every example: numbers that are none, labels that are of no class, examples that the dev set shares."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nntrain.preflight.finding import Finding, applicable
from nntrain.preflight.scan import Odd, Scan
from nntrain.specs import Classes, Labels, Targets

SHARED = 0.01  # the share of the dev set that may be in the training set
FEWEST_SHARED = 3  # examples below which the share says nothing
FEW_DIFFERENT = 100.0  # inputs that are possible for each training example
TWINS = 3.0  # how many times likelier a twin in the training set may be for a dev example than for a training one


def finite_numbers(scans: Sequence[Scan], plain: Mapping[str, Any]) -> Iterator[Finding]:
    """Inputs and targets are numbers, not NaN or infinite."""
    for scan in scans:
        for what, found in (("inputs", scan.infinite_inputs), ("targets", scan.infinite_targets)):
            if found:
                causes = ["missing values in the data"]
                if plain["data"].get("standardize"):
                    causes.append("numbers too large for float32 before they are standardised")
                yield Finding(
                    "finite_numbers",
                    "alarm",
                    f"the {scan.split} {what} hold {found[0].value}; all must be finite numbers",
                    _place(scan, found[0], "feature" if what == "inputs" else "value"),
                    tuple(causes),
                    applicable(plain, "data.standardize=false"),
                )


def labels_in_range(scans: Sequence[Scan], targets: Targets) -> Iterator[Finding]:
    """Labels are from 0 to classes - 1."""
    for scan in scans:
        if scan.wrong_labels:
            yield Finding(
                "labels_in_range",
                "alarm",
                f"the {scan.split} targets hold the label {scan.wrong_labels[0].value:g}; {_right_labels(targets)}",
                _place(scan, scan.wrong_labels[0], "position"),
                ("labels that count from 1", "a mark for a missing label", "too few names of classes"),
            )


def _right_labels(targets: Targets) -> str:
    if isinstance(targets, Labels):
        return f"labels of {len(targets)} classes are 0 to {len(targets) - 1}"
    return "a label is 1 where an example has it, else 0"


def classes_in_training(train: Scan, targets: Targets, plain: Mapping[str, Any]) -> Iterator[Finding]:
    """Every class has a training example."""
    if train.counts is None or not isinstance(targets, Classes) or not train.is_whole:
        return
    absent = [name for name, count in zip(targets.names, train.counts.tolist(), strict=True) if count == 0]
    if absent:
        more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
        yield Finding(
            "classes_in_training",
            "alarm",
            f"no training example is of class {', '.join(absent[:5])}{more}; the network cannot learn it",
            {"split": "train"},
            ("a split by file, time or class", "a class with very few examples", "a name too many"),
            applicable(plain, "data.split.seed=1", "data.split.seed=2"),
        )


def shared_examples(
    train: Scan, dev: Scan, possible: Callable[[], float], plain: Mapping[str, Any]
) -> Iterator[Finding]:
    """At most 1 % of the dev set's inputs are inputs of the training set, unless the data is full of twins.

    `possible` says how many different inputs there can be: where they are few, all sets share them.
    """
    known = Counter(train.fingerprints)
    shared = [i for i, fingerprint in enumerate(dev.fingerprints) if fingerprint in known]
    if not shared or len(shared) <= SHARED * dev.examples:
        return
    twins = sum(count for count in known.values() if count > 1) / train.examples
    are_natural = len(shared) < FEWEST_SHARED or len(shared) / dev.examples <= TWINS * twins
    are_natural = are_natural or possible() <= FEW_DIFFERENT * train.examples
    yield Finding(
        "shared_examples",
        "remark" if are_natural else "alarm",
        f"{len(shared):,} of {dev.examples:,} dev examples ({len(shared) / dev.examples:.1%}, at most {SHARED:.0%}) "
        f"have the same inputs as a training example; of the training examples {twins:.1%} have such a twin",
        {"split": "dev", "example": shared[0]},
        ("the data holds the same example several times", "there are few different inputs")
        if are_natural
        else ("training examples were copied into the dev set", "examples were repeated before they were divided"),
        applicable(plain, "data.split.seed=1", "data.split.seed=2"),
    )


def _place(scan: Scan, odd: Odd, name: str) -> dict[str, Any]:
    place = odd.place[0] if len(odd.place) == 1 else list(odd.place)
    return {"split": scan.split, "example": odd.example, **({name: place} if odd.place else {})}
