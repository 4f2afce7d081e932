"""Files of somebody who means harm, as generators: each is to be refused, soon and in little memory.

Run as a program it asks nntrain for a folder of them, one after the other, and prints what came of each: the exit
status, seconds of the processor, and how much memory it took beside what was there before, in MB.
"""

import contextlib
import gzip
import io
import json
import os
import pickle
import resource
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

ZEROS = "0" * 64


class Trap:
    """Makes a folder where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.path),))


def framed(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + body


def signed(entries: dict[str, Any], facts: str, body: bytes, more: bytes = b"") -> bytes:
    """A file in the form of a checkpoint, with a right checksum, whatever it says."""
    header = json.dumps({"__metadata__": {"nntrain": facts, "checksum": ZEROS}, **entries}, separators=(",", ":"))
    content = framed(header.encode()[:-1] + more + b"}", body)
    return content.replace(ZEROS.encode(), sha256(content).hexdigest().encode(), 1)


def tensor(start: int, end: int, dtype: str = "F32", shape: tuple[int, ...] = (2,)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def checkpoints(trap: Path, honest: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """`honest` are the facts of a checkpoint that is none of these."""
    yield "pickle", pickle.dumps(Trap(trap))
    for protocol in (0, 2, 5):
        yield (
            f"pickle in the facts, protocol {protocol}",
            signed({}, pickle.dumps(Trap(trap), protocol).decode("latin1"), b""),
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Trap(trap)))
    yield "torch's zip with a pickle", buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(300 << 20))
    yield "zip bomb", buffer.getvalue()
    yield "deflated zeros", zlib.compress(bytes(100 << 20))
    for exponent in (31, 40, 60, 63):
        yield f"header of 2^{exponent} bytes", (2**exponent).to_bytes(8, "little") + b"{}"
    yield "truncated header", framed(b'{"a": {"dtype": "F32", "sha')
    yield "JSON bomb of lists", framed(b'{"a":[' + b"[]," * 10_000_000 + b"[]]}")
    yield "JSON bomb of numbers", framed(b'{"a":[' + b"1," * 15_000_000 + b"1]}")
    yield "JSON bomb in the facts", signed({}, '{"format":2,"a":[' + "{}," * 9_000_000 + "1]}", b"")
    yield "deep nesting", framed(b'{"a":' * 1_000_000)
    yield "deep nesting in the facts", signed({}, "[" * 1_000_000, b"")
    yield "long number", framed(b'{"a": ' + b"9" * 5_000_000 + b"}")
    yield "escapes", framed(b'{"a": "' + b"\\u0000" * 1_000_000 + b'"}')
    facts = json.dumps(honest)
    yield (
        "duplicate key",
        signed({"a": tensor(0, 8)}, facts, bytes(8), b',"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'),
    )
    yield "duplicate metadata", signed({}, facts, b"", b',"__metadata__":{}')
    yield "overlapping offsets", signed({"a": tensor(0, 8), "b": tensor(4, 12)}, facts, bytes(12))
    yield "offsets backwards", signed({"a": tensor(8, 0)}, facts, bytes(8))
    yield "negative offsets", signed({"a": tensor(-8, 0)}, facts, b"")
    yield "offsets beyond the end", signed({"a": tensor(0, 1 << 40, shape=(1 << 38,))}, facts, bytes(8))
    yield (
        "offsets that are text",
        signed({"a": {"dtype": "F32", "shape": [2], "data_offsets": ["0", "8"]}}, facts, bytes(8)),
    )
    yield "unknown dtype", signed({"a": tensor(0, 8, "OBJECT")}, facts, bytes(8))
    yield "another dtype than its bytes", signed({"a": tensor(0, 8, "F64")}, facts, bytes(8))
    yield "shape that overflows", signed({"a": tensor(0, 8, shape=(1 << 62, 1 << 62))}, facts, bytes(8))
    for name, change in (
        ("a network of many numbers", {"hidden": [1_000_000, 1_000_000]}),
        ("a network of many layers", {"hidden": [1] * 200_000}),
        ("a network of too large a number", {"hidden": [10**30]}),
    ):
        config = {**honest["config"], "model": {**honest["config"]["model"], **change}}
        yield name, signed({}, json.dumps({**honest, "config": config}), b"")
    plugin = trap.with_name("plugin.py")
    plugin.write_text(f"import os\nos.mkdir({str(trap)!r})\n")
    config = {**honest["config"], "plugins": [str(plugin)]}
    yield "a plugin", signed({}, json.dumps({**honest, "config": config}), b"")
    for place in ("os.system", "nntrain.cli", "../../etc/passwd"):
        config = {**honest["config"], "model": {"type": place}}
        yield f"a model {place}".replace("/", " "), signed({}, json.dumps({**honest, "config": config}), b"")


def configs(trap: Path) -> Iterator[tuple[str, bytes]]:
    yield (
        "alias bomb",
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)),
    )
    yield "alias of itself", b"data: &a [*a]\n"
    yield "tag of Python", f"data: !!python/object/apply:os.mkdir [{trap}]\n".encode()
    yield "tag of a module", b"data: !!python/name:os.system\n"
    yield "huge number", b"seed: " + b"9" * 150_000
    yield "huge number in base 16", b"seed: 0x" + b"f" * 150_000
    yield "deep nesting", b"data: " + b"[" * 100_000
    yield "deep mappings", b"".join(b" " * i + b"a:\n" for i in range(500))
    yield "NULs", b"data: \0\0\0iris\nmodel: mlp\n"
    yield "a giant line", b"name: " + b"x" * 30_000_000
    yield "a giant file", b"a: b\n" * 10_000_000
    yield "half of a character", b'data: iris\nmodel: mlp\nname: "a\\ud800"\n'
    yield "half of a character as a key", b'data: {type: iris, "\\udfff": 1}\nmodel: mlp\n'
    yield "surrogates", b"data: \xed\xa0\x80\n"


def tables(trap: Path) -> Iterator[tuple[str, bytes]]:
    """CSV files that a table is to be read from."""
    rows = b"".join(b"%d,%d\n" % (i, i % 2) for i in range(50))
    yield "NULs", b"x,y\n" + rows + b"1\0,2\n"
    yield "NULs in the header", b"x\0,y\n" + rows
    yield "a giant line", b"x,y\n" + rows + b"1" * 20_000_000 + b",2\n"
    yield "a quote that never ends", b"x,y\n" + rows + b'"' + b"1,2\n" * 1_000_000
    yield "a million columns", b",".join(b"c%d" % i for i in range(1_000_000)) + b"\n"
    yield "a pickle", pickle.dumps(Trap(trap))
    yield "XML", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><a>&b;\0</a>'


def packed_tables() -> Iterator[tuple[str, bytes]]:
    """Packed CSV files."""
    yield "a bomb", gzip.compress(b"x,y\n" + b"1,2\n" * 30_000_000)
    yield "a bomb of zeros", gzip.compress(bytes(120 << 20))
    yield "cut short", gzip.compress(b"x,y\n" + b"1,2\n" * 1000)[:-20]
    yield "not packed", b"x,y\n" + b"1,2\n" * 1000


def pictures(trap: Path) -> Iterator[tuple[str, bytes]]:
    """PNG files that a model of digits is to be applied to."""
    yield "a decompression bomb", png(60_000, 60_000, zlib.compress(bytes(50 << 20), 9))
    yield "more pixels than it holds", png(8, 8, zlib.compress(b""))
    yield "a huge header", png(2**31 - 1, 2**31 - 1, b"")
    yield (
        "text that unpacks to more",
        png(8, 8, zlib.compress(bytes(8 * 9)), (b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20), 9))),
    )
    yield "a pickle", pickle.dumps(Trap(trap))
    yield "a vector graphic", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


def png(width: int, height: int, data: bytes, more: tuple[bytes, bytes] | None = None) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    between = chunk(*more) if more else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + between + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _memory(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def _asked(arguments: list[str], main: Callable[[], object]) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5")  # the highest use of memory counts anew
    before, began, said = _memory("VmRSS"), time.process_time(), io.StringIO()
    sys.argv = ["nntrain", *arguments]
    status: Any = 0
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as ended:
            status = ended.code
    seconds, more = time.process_time() - began, _memory("VmHWM") - before
    return {"arguments": arguments, "status": status, "seconds": seconds, "MB": more, "said": said.getvalue()[:600]}


if __name__ == "__main__":
    from nntrain import cli

    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # so that a failure does not take the machine with it
    for line in sys.stdin:
        print(json.dumps(_asked(json.loads(line), cli.main)), flush=True)
