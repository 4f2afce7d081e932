"""What the columns of a table are: told by their values, or by the user; and what is said of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nntrain.data import column_types
from nntrain.data.column_types import ColumnType, Found
from nntrain.data.columns import Columns
from nntrain.data.encoding import InputType
from nntrain.errors import UnfitError, UserError

Pins = Mapping[str, ColumnType]
LEFT_OUT = {  # what a column may hold that is no input, and what to do about it
    "text": "; data.columns={{{name}: category}} takes it in",
    "ids": ", as if it numbered the rows; data.columns={{{name}: number}} takes it in",
    "empty": "",
}


@dataclass(frozen=True)
class Types:
    """What the input columns hold, whether the target is a class, and what to tell the user of it."""

    inputs: Mapping[str, InputType]
    classes: bool
    remarks: list[str] = field(default_factory=list)


def told(columns: Columns, targets: Sequence[str], others: Sequence[str], pins: Pins) -> Types:
    """The types of a training table's columns but `others`; UserError for dates, and where nothing is left."""
    classes, why = _are_classes(columns, targets, pins)
    found = {
        name: _found(columns, name, pins.get(name))
        for name in columns.text
        if name not in (*targets, *others) and pins.get(name) != "ignore"
    }
    dates = [f"{name} ('{seen.why}')" for name, seen in found.items() if seen.type == "date"]
    if dates:
        raise UserError(
            f"{columns.path}: {', '.join(dates)}: dates are no inputs; make numbers of them (year, month, weekday) or "
            f"leave them out: data.columns={{{dates[0].split(' ')[0]}: ignore}}"
        )
    inputs: dict[str, InputType] = {
        name: seen.type for name, seen in found.items() if seen.type in ("number", "boolean", "category")
    }
    remarks = list(_remarks(found, columns, pins))
    if not inputs:
        left_out = [remark for remark in remarks if remark.startswith("ignored")]
        raise UserError("; ".join((f"{columns.path} has no column to predict {' and '.join(targets)} from", *left_out)))
    return Types(inputs, classes, [f"target   {why}", *remarks])


def _found(columns: Columns, name: str, pin: ColumnType | None) -> Found:
    if pin is not None and pin != "ignore":
        return Found(pin)
    return column_types.found([value for value in columns.text[name] if value], columns.decimal)


def _are_classes(columns: Columns, targets: Sequence[str], pins: Pins) -> tuple[bool, str]:
    """Whether the target is a class, and why."""
    if len(targets) > 1:
        return _several(targets, pins)
    (name,) = targets
    if name in pins:
        if pins[name] == "ignore":
            raise UnfitError(f"{name} is the target; it is a number or a category", f"columns.{name}")
        return pins[name] != "number", f"{name}: {_as(pins[name] != 'number')}, as data.columns says"
    values = [value for value in columns.text[name] if value]
    seen = column_types.found(values, columns.decimal)
    different = len(set(values))
    if seen.type == "date" or (seen.type == "text" and different > len(values) / 2):
        what = f"dates ('{seen.why}')" if seen.type == "date" else seen.why
        raise UnfitError(f"{columns.path}: the target {name} holds {what}; it is to be numbers or classes", "target")
    if seen.type not in ("number", "ids"):
        return True, f"{name}: classes ({different} different texts)"
    if column_types.are_classes(values, columns.decimal):
        rule = f"at most {column_types.MOST_CLASSES}, each in {column_types.OF_A_CLASS} rows or more on average"
        return True, f"{name}: classes ({different} whole numbers: {rule}); data.columns={{{name}: number}} for values"
    return False, f"{name}: values ({different} different numbers); data.columns={{{name}: category}} for classes"


def _several(targets: Sequence[str], pins: Pins) -> tuple[bool, str]:
    """Several targets are values."""
    for name in targets:
        if pins.get(name, "number") != "number":
            raise UnfitError(f"several targets are numbers; {name} is one of them", f"columns.{name}")
    return False, f"{', '.join(targets)}: values"


def _as(classes: bool) -> str:
    return "classes" if classes else "values"


def _remarks(found: Mapping[str, Found], columns: Columns, pins: Pins) -> Iterator[str]:
    """The input columns by type, and what is left out or odd."""
    said: Sequence[tuple[str, Callable[[str], str]]] = (
        ("number", lambda name: name),
        ("boolean", lambda name: name),
        ("category", lambda name: f"{name} ({len(set(columns.text[name]) - {''})})"),
    )
    for kind, word in said:
        names = [word(name) for name, seen in found.items() if seen.type == kind]
        if names:
            yield f"{kind:8} {', '.join(names)}"
    missing = {name: columns.text[name].count("") for name, seen in found.items() if seen.type in dict(said)}
    if any(missing.values()):
        yield f"missing  {', '.join(f'{name} {count}' for name, count in missing.items() if count)}"
    for name, seen in found.items():
        if seen.type in LEFT_OUT:
            yield f"ignored  {name} ({seen.why}{LEFT_OUT[seen.type].format(name=name)})"
    ignored = [name for name, pin in pins.items() if pin == "ignore"]
    if ignored:
        yield f"ignored  {', '.join(ignored)}, as data.columns says"
