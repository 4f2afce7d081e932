"""Files from the web: checked, and written at once or not at all."""

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from urllib.request import urlopen

SECONDS = 30  # without an answer


def download(url: str, checksum: str, target: Path) -> None:
    """Writes what is found at a URL to a file; OSError where it cannot be had, or its SHA-256 is another."""
    with urlopen(url, timeout=SECONDS) as answer:
        content = answer.read()
    if sha256(content).hexdigest() != checksum:
        raise OSError(f"{url} is another file than expected")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part:
        part.write(content)
    os.replace(part.name, target)
