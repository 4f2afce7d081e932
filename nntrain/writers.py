"""Where a run's numbers go: TensorBoard and JSON lines. Numbers in, nothing out."""

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from nntrain.errors import UserError

Lengths = dict[str, int]


class Journal:
    """A file that only grows, and is cut back to a known length when a run is resumed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def open(self, length: int) -> None:
        """Opens the file for appending after its first `length` bytes; what follows them is cut off."""
        self.path.parent.mkdir(exist_ok=True)
        file = self.path.open("r+b" if self.path.exists() else "w+b")
        if os.fstat(file.fileno()).st_size < length:
            raise UserError(f"{self.path} is shorter than its checkpoint says; it was changed after the run stopped")
        file.truncate(length)
        file.seek(length)
        self._file = file

    def write(self, content: bytes) -> int:
        assert self._file is not None
        return self._file.write(content)

    def flush(self) -> None:
        assert self._file is not None
        self._file.flush()

    def sync(self) -> int:
        """Flushes to disk and returns the length."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class JsonLines:
    """One line of JSON for each evaluation; numbers that are not finite are null."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def write(self, record: Mapping[str, Any]) -> None:
        self._journal.write(json.dumps(finite(record)).encode() + b"\n")


class EventFile:
    """TensorBoard scalars, written record by record in TensorBoard's own format."""

    def __init__(self, journal: Journal) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._records = RecordWriter(journal)

    def start(self) -> None:
        """Writes what an event file begins with."""
        from tensorboard.compat.proto.event_pb2 import Event

        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def scalars(self, numbers: Mapping[str, float], step: int) -> None:
        """The curves' next points: a value for each tag."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=number) for tag, number in numbers.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())


class Writers:
    """All of a run's records, cut and continued together."""

    def __init__(self, folder: Path, lengths: Lengths | None) -> None:
        name = f"events.out.tfevents.{folder.name}"
        self._journals = {path: Journal(folder / path) for path in ("metrics.jsonl", f"train/{name}", f"dev/{name}")}
        for path, journal in self._journals.items():
            journal.open((lengths or {}).get(path, 0))
        metrics, train, dev = self._journals.values()
        self.metrics = JsonLines(metrics)
        self.curves = {"train": EventFile(train), "dev": EventFile(dev)}
        if lengths is None:
            for curve in self.curves.values():
                curve.start()

    def evaluation(self, record: Mapping[str, Any], by_epoch: int | None) -> None:
        """A record of metrics.jsonl and a point of each curve, also against the epoch where one is full."""
        self.metrics.write(record)
        for part, curve in self.curves.items():
            numbers = record.get(part) or {}
            curve.scalars(numbers, record["step"])
            if by_epoch is not None:
                curve.scalars({f"by_epoch/{tag}": number for tag, number in numbers.items()}, by_epoch)
        self.flush()

    def progress(self, numbers: Mapping[str, float], step: int) -> None:
        """Objective, rate and gradient norm between evaluations."""
        self.curves["train"].scalars(numbers, step)

    def flush(self) -> None:
        for journal in self._journals.values():
            journal.flush()

    def sync(self) -> Lengths:
        return {path: journal.sync() for path, journal in self._journals.items()}

    def close(self) -> None:
        for journal in self._journals.values():
            journal.close()


def finite(value: Any) -> Any:
    """The value with None for every number that JSON cannot say."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
