"""Checkpoints: one safetensors file each, saved atomically, verified when read. No pickle is ever read.

The file holds the tensors and, in its metadata, JSON under `nntrain` and under `checksum` the SHA-256 of the
whole file with the checksum's own digits taken as zeros.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from nntrain import __version__
from nntrain.data import Learned
from nntrain.errors import RunError, UserError
from nntrain.migration import FORMAT, migrated
from nntrain.specs import from_json

Position = dict[str, int]  # in a run: `stage` and `step`
_ZEROS = "0" * 64
_NONE = "not a checkpoint of nntrain, or not a whole one"
MOST_HEADER = 32 << 20  # bytes; a vocabulary of a million words fits
_NAMES = {  # of safetensors
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.complex64: "C64",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.bool: "BOOL",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint64: "U64", torch.uint32: "U32", torch.uint16: "U16", torch.uint8: "U8",
}  # fmt: skip
MOST_LISTS = 500_000
MOST_VALUES = 2_000_000


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by dotted name, and everything else as JSON."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    @property
    def model(self) -> dict[str, Tensor]:
        """The trained model's state: with the average of the weights, where there is one, in their place."""
        return {**self.part("model"), **self.part("average")}

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below a prefix, without it."""
        return {name[len(prefix) + 1 :]: t for name, t in self.tensors.items() if name.startswith(f"{prefix}.")}


class DamagedError(UserError):
    """A file that is not a whole checkpoint of nntrain."""


def serialise(checkpoint: Checkpoint) -> bytes:
    """The bytes of a checkpoint, checksum included."""
    return b"".join(_pieces(checkpoint))


def _pieces(checkpoint: Checkpoint) -> list[bytes]:
    """The bytes of a checkpoint: its header, and the tensors in their own memory, since copies take time."""
    facts = json.dumps({"format": FORMAT, "nntrain": __version__, **checkpoint.facts})
    entries: dict[str, Any] = {"__metadata__": {"checksum": _ZEROS, "nntrain": facts}}
    contents: list[Any] = []
    place = 0
    for name, tensor in sorted(checkpoint.tensors.items(), key=lambda item: -item[1].element_size()):  # for alignment
        content: Any = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
        offsets = [place, place := place + content.nbytes]
        entries[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        contents.append(memoryview(content))
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > MOST_HEADER:
        most = f"the {MOST_HEADER >> 20} MB that a checkpoint may say"
        raise RunError(f"what preparation has learned of the data takes more than {most}")
    head = len(header).to_bytes(8, "little") + header
    digest = sha256(head)
    for content in contents:
        digest.update(content)
    return [head.replace(_ZEROS.encode(), digest.hexdigest().encode(), 1), *contents]


def find_checkpoint(path: Path) -> Path:
    """A checkpoint by its file, or the best (else the last) of a run's folder."""
    if path.is_file():
        return path
    for name in ("best", "last", "previous"):
        file = path / "checkpoints" / f"{name}.safetensors"
        if file.is_file():
            return file
    if path.is_dir():
        raise UserError(f"{path} holds no checkpoint; give a run's folder or a .safetensors file")
    raise UserError(f"there is no checkpoint {path}")


def load(path: Path) -> Checkpoint:
    """Reads and verifies a checkpoint; DamagedError says what is wrong with it."""
    try:
        _check_size(path)
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: the checkpoint cannot be read: {error.strerror}") from None
    metadata = _metadata(path, content)
    place = _checksum_place(content)
    digest = sha256()
    for part in (content[:place], _ZEROS.encode(), memoryview(content)[place + 64 :]):
        digest.update(part)
    if digest.hexdigest() != metadata["checksum"]:
        raise DamagedError(f"{path}: damaged: its content does not fit its checksum")
    facts = _facts(path, metadata["nntrain"])
    try:
        return Checkpoint(migrated(safetensors.torch.load(content), facts["format"]), facts)
    except (SafetensorError, ValueError) as error:
        raise DamagedError(f"{path}: damaged: {error}") from None


def _check_size(path: Path) -> None:
    """DamagedError where a file is not as long as its header says, which may be a small one: nothing else is read."""
    with path.open("rb") as file:
        head = file.read(8)
        size = int.from_bytes(head, "little")
        content = head + file.read(min(size, MOST_HEADER + 1))
    try:
        entries = {name: entry for name, entry in _header(content).items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        if path.stat().st_size != 8 + size + end:
            raise ValueError
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise DamagedError(f"{path}: {_NONE}") from None


def _header(content: bytes) -> dict[str, Any]:
    """The header of a file that begins so; ValueError where there is none, or none that an honest file has."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 0 < size <= min(MOST_HEADER, len(content) - 8):
        raise ValueError
    header: dict[str, Any] = _parsed(content[8 : 8 + size].decode())
    return header


def _parsed(text: str) -> Any:
    """JSON that takes no more than some times its length in memory, and says nothing twice; ValueError where not."""
    if text.count("[") + text.count("{") > MOST_LISTS or text.count(",") > MOST_VALUES:
        raise ValueError
    return json.loads(text, object_pairs_hook=_without_repetition)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def learned_of(stored: Checkpoint) -> Learned:
    """What a checkpoint's preparation of data learned; UserError where it does not say."""
    try:
        inputs, targets = from_json(stored.facts["inputs"]), from_json(stored.facts["targets"])
    except (KeyError, TypeError, AttributeError):
        raise UserError("the checkpoint does not say what data it was trained on") from None
    return Learned(inputs, targets, stored.part("data"), stored.facts.get("learned", {}))


def _facts(path: Path, text: str) -> dict[str, Any]:
    """What a checkpoint says beside its tensors."""
    try:
        facts = _parsed(text)
        written = facts["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DamagedError(f"{path}: {_NONE}") from None
    if not isinstance(written, int) or not 1 <= written <= FORMAT:
        by = f"by nntrain {facts.get('nntrain')} in format {written}"
        raise UserError(f"{path}: written {by}; this is nntrain {__version__}, which reads formats up to {FORMAT}")
    return facts


def _metadata(path: Path, content: bytes) -> dict[str, str]:
    try:
        metadata = _header(content)["__metadata__"]
        if len(metadata["checksum"]) != 64 or not isinstance(metadata["nntrain"], str):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DamagedError(f"{path}: {_NONE}") from None
    return metadata


def _checksum_place(content: bytes) -> int:
    """Where in the file the checksum's digits stand."""
    key = b'"checksum":"'
    place = content.find(key, 8, 8 + int.from_bytes(content[:8], "little"))
    return place + len(key) if place >= 0 else 0


def write_durably(path: Path, *content: bytes) -> None:
    """Writes a file that is either whole or not there: temporary name, flushed to disk, renamed."""
    temporary = temporary_name(path)
    try:
        with temporary.open("wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)  # on a full disk it takes the room that is left
        raise
    sync_folder(path.parent)


def temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.writing")


def sync_folder(folder: Path) -> None:
    """Flushes a folder's entries to disk, so that a rename outlives a power cut."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Checkpoints:
    """The checkpoints of one run: `last` and `best`, and the ones before them."""

    def __init__(self, folder: Path) -> None:
        self.last = folder / "last.safetensors"
        self.previous = folder / "previous.safetensors"
        self.best = folder / "best.safetensors"
        self.diverged = folder / "diverged.safetensors"  # the model before an update that was not finite
        self.previous_best = folder / "previous-best.safetensors"
        self._pending = folder / ".best.safetensors.pending"

    def save_last(self, checkpoint: Checkpoint) -> None:
        """Saves the state of the run; the state before it stays until this one is whole.

        A better model that was set aside becomes `best` first, so that `best` is never behind `last`.
        """
        pieces = _pieces(checkpoint)
        if self._pending.exists():
            with self._pending.open("rb") as file:
                os.fsync(file.fileno())
            if self.best.exists():
                self.best.replace(self.previous_best)
            self._pending.replace(self.best)
        if self.last.exists():
            self.last.replace(self.previous)
        write_durably(self.last, *pieces)

    def set_aside_best(self, checkpoint: Checkpoint) -> None:
        """Writes a model that is to become `best` with the next save, so that both are of one history."""
        self._pending.write_bytes(serialise(checkpoint))

    def settle_best(self, position: Position | None) -> None:
        """Lets `best` be the model of this position, the best that the saved state knows of.

        A run that failed while it was saved, or whose `last` is damaged, may have a `best` of the history that is
        given up; the one before it is then the right one.
        """
        self._pending.unlink(missing_ok=True)
        if _position_of(self.best) == position:
            return
        if position is None:
            self.best.replace(self.previous_best)
        elif _position_of(self.previous_best) == position:
            self.previous_best.replace(self.best)

    def stage(self) -> int | None:
        """The stage of the newest state, whole or not; None where there is none."""
        positions = [_position_of(path) or {"stage": 0} for path in (self.last, self.previous) if path.exists()]
        return positions[0]["stage"] if positions else None

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest state that is whole, and what is to be said of those that are not.

        What an interrupted save left is removed; a damaged file is set aside, so that it cannot replace a whole one.
        """
        complaints: list[str] = []
        for path in (self._pending, *(temporary_name(p) for p in (self.last, self.best))):
            path.unlink(missing_ok=True)
        for path in (self.last, self.previous):
            if path.exists():
                try:
                    return load(path), complaints
                except DamagedError as error:
                    path.replace(path.with_suffix(".damaged"))
                    before = ", and the checkpoint before it is used" if path == self.last else ""
                    complaints.append(f"{error}; it is set aside{before if self.previous.exists() else ''}")
        return None, complaints


def _position_of(path: Path) -> Position | None:
    """The stage and the step of a checkpoint's model, read off its header; None where there is none."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            content = head + file.read(min(int.from_bytes(head, "little"), MOST_HEADER))
        return _facts(path, _metadata(path, content)["nntrain"])["position"]
    except (OSError, OverflowError, MemoryError, UserError, KeyError, TypeError):
        return None
