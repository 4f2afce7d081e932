"""Where a run's numbers go: TensorBoard and JSON lines. Numbers in, nothing out."""

import json
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nntrain.errors import UserError

if TYPE_CHECKING:  # so that this file imports no torch
    from nntrain.samples import Projection, Sample

Lengths = dict[str, int]
LEFT_OUT = "left_out.jsonl"  # updates
BROKEN = "broken.jsonl"  # training examples
_EVENTS = {part: f"{part}/events.out.tfevents.nntrain" for part in ("train", "dev")}


class Journal:
    """A file that only grows, and is cut back to a known length when a run is resumed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def check(self, length: int) -> None:
        """UserError where the file is shorter than this."""
        if length > 0 and (not self.path.exists() or self.path.stat().st_size < length):
            raise UserError(f"{self.path} is shorter than its checkpoint says; it was changed after the run stopped")

    def open(self, length: int) -> None:
        """Opens the file for appending after its first `length` bytes; what follows them is cut off."""
        self.path.parent.mkdir(exist_ok=True)
        file = self.path.open("r+b" if self.path.exists() else "w+b")
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
    """TensorBoard scalars and pictures, written record by record in TensorBoard's own format."""

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

    def samples(self, samples: "Sequence[Sample]", step: int) -> None:
        """Pictures and text of one moment."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=map(_value, samples))))

    def bands(self, charts: Mapping[str, Sequence[str]]) -> None:
        """Lets TensorBoard's custom scalars draw bands: by name the tags of a line, of its lower and its upper end."""
        from tensorboard.compat.proto.event_pb2 import Event
        from torch.utils.tensorboard.summary import custom_scalars

        layout = {"mean and 95 % interval": {name: ["Margin", list(tags)] for name, tags in charts.items()}}
        self._write(Event(wall_time=time.time(), summary=custom_scalars(layout)))  # type: ignore[no-untyped-call]

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())


def _value(sample: "Sample") -> Any:
    """A picture or text as TensorBoard keeps it."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.plugins.text.metadata import create_summary_metadata

    from nntrain.samples import Picture

    if isinstance(sample, Picture):
        png, width, height = sample.drawn
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
        return Summary.Value(tag=sample.name, image=image)
    metadata = create_summary_metadata(display_name=sample.name, description="")
    tensor = TensorProto(dtype="DT_STRING", string_val=[sample.markdown.encode()])
    tensor.tensor_shape.dim.add(size=1)
    return Summary.Value(tag=sample.name, tensor=tensor, metadata=metadata)


class Writers:
    """All of a run's records, cut and continued together."""

    def __init__(self, folder: Path, lengths: Lengths | None, more: Sequence[str] = ()) -> None:
        """Checks that the records are as long as a checkpoint says; UserError where they are not.

        `more` are records that only some runs have.
        """
        self._folder = folder
        paths = ["metrics.jsonl", *_EVENTS.values(), *more]
        self._journals = {path: Journal(folder / path) for path in paths}
        self._lengths = lengths or {}
        for path, journal in self._journals.items():
            journal.check(self._lengths.get(path, 0))
        self._metrics = JsonLines(self._journals["metrics.jsonl"])
        self._curves = {part: EventFile(self._journals[path]) for part, path in _EVENTS.items()}

    def open(self) -> None:
        """Cuts what is longer than the checkpoint says, and goes on from there."""
        for path, journal in self._journals.items():
            journal.open(self._lengths.get(path, 0))
        if not self._lengths:
            for curve in self._curves.values():
                curve.start()

    def evaluation(self, record: Mapping[str, Any], by_epoch: int | None) -> None:
        """A record of metrics.jsonl and a point of each curve, also against the epoch where one is full."""
        self._metrics.write(record)
        for part, curve in self._curves.items():
            numbers = record.get(part) or {}
            curve.scalars(numbers, record["step"])
            if by_epoch is not None:
                curve.scalars({f"by_epoch/{tag}": number for tag, number in numbers.items()}, by_epoch)
        for journal in self._journals.values():
            journal.flush()

    def lines(self, name: str, records: Iterable[Mapping[str, Any]]) -> None:
        """More lines of a record."""
        for record in records:
            JsonLines(self._journals[name]).write(record)

    def progress(self, numbers: Mapping[str, float], step: int) -> None:
        """Objective, rate and gradient norm between evaluations."""
        self._curves["train"].scalars(numbers, step)

    def samples(self, part: str, samples: "Sequence[Sample]", step: int) -> None:
        """What is to be seen of the examples of a part, `train` or `dev`, at an evaluation."""
        if samples:
            self._curves[part].samples(samples, step)

    def projection(self, part: str, projection: "Projection | None") -> None:
        """Points for TensorBoard's projector, in place of earlier ones."""
        if projection is not None:
            from nntrain import projector

            projector.write(self._folder / part, projection)

    def sync(self) -> Lengths:
        """Flushes all records to disk and returns their lengths."""
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
