"""Files packed by gzip."""

import gzip
from io import BytesIO

TIMES = 200  # more than text and numbers are packed to; a file that is to fill the memory reaches 1,000
SMALL = 64 << 20  # bytes, which anything may unpack to


def unpacked(packed: bytes) -> bytes:
    """What a gzip file holds; BadGzipFile, EOFError or zlib.error where it is damaged, or unpacks to far too much."""
    source = BytesIO(packed)
    pieces, size = [], 0
    with gzip.open(source) as file:
        while piece := file.read(1 << 20):
            pieces.append(piece)
            size += len(piece)
            if size > max(SMALL, TIMES * source.tell()):
                raise gzip.BadGzipFile(f"it unpacks to more than {TIMES} times its size, as no honest data does")
    return b"".join(pieces)
