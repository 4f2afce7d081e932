"""Checkpoints: one safetensors file each, saved atomically, verified when read. No pickle is ever read.

The file holds the tensors and, in its metadata, JSON under `nntrain` and under `checksum` the CRC-32 of the whole
file with the checksum's own digits taken as zeros (in formats before the third the SHA-256, which takes longer than
writing the file). Any burst of up to 32 damaged bits is found, however large the file is.
"""

import errno
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
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
_KEY = b'"checksum":"'
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


def _crc32(parts: Iterable[Any]) -> str:
    value = 0
    for part in parts:
        value = zlib.crc32(part, value)
    return f"{value:08x}"


def _sha256(parts: Iterable[Any]) -> str:
    digest = sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


CHECKSUMS: Mapping[int, Callable[[Iterable[Any]], str]] = {8: _crc32, 64: _sha256}  # by how many digits they have
_ZEROS = "0" * 8


def serialise(checkpoint: Checkpoint) -> bytes:
    """The bytes of a checkpoint, checksum included."""
    return b"".join(pieces(checkpoint))


def pieces(checkpoint: Checkpoint) -> list[bytes]:
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
    checksum = _crc32([head, *contents])
    return [head.replace(_ZEROS.encode(), checksum.encode(), 1), *contents]


def load(path: Path) -> Checkpoint:
    """Reads and verifies a checkpoint; DamagedError says what is wrong with it."""
    try:
        _check_is_file(path)
        _check_size(path)
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: the checkpoint cannot be read: {error.strerror}") from None
    metadata = _metadata(path, content)
    place, digits = _checksum_place(content), len(metadata["checksum"])
    zeroed = (content[:place], b"0" * digits, memoryview(content)[place + digits :])
    if CHECKSUMS[digits](zeroed) != metadata["checksum"]:
        raise DamagedError(f"{path}: damaged: its content does not fit its checksum")
    facts = _facts(path, metadata["nntrain"])
    try:
        return Checkpoint(migrated(safetensors.torch.load(content), facts["format"]), facts)
    except (SafetensorError, ValueError) as error:
        raise DamagedError(f"{path}: damaged: {error}") from None


def _check_is_file(path: Path) -> None:
    """OSError where something else is there, such as a pipe, which would be waited for without end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a file")


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
        if len(metadata["checksum"]) not in CHECKSUMS or not isinstance(metadata["nntrain"], str):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DamagedError(f"{path}: {_NONE}") from None
    return metadata


def facts_at(path: Path) -> dict[str, Any]:
    """What a checkpoint says beside its tensors, read off its header, unverified; UserError where there is none."""
    try:
        _check_is_file(path)
        with path.open("rb") as file:
            head = file.read(8)
            content = head + file.read(min(int.from_bytes(head, "little"), MOST_HEADER))
    except (OSError, MemoryError) as error:
        raise UserError(f"{path}: the checkpoint cannot be read: {error}") from None
    return _facts(path, _metadata(path, content)["nntrain"])


def _checksum_place(content: bytes) -> int:
    """Where in the file the checksum's digits stand."""
    place = content.find(_KEY, 8, 8 + int.from_bytes(content[:8], "little"))
    return place + len(_KEY) if place >= 0 else 0
