"""Tiny Shakespeare."""

import sys
from hashlib import sha256
from pathlib import Path

from nntrain.data.download import download
from nntrain.data.places import cache_folder, roots
from nntrain.data.text import Blocks, Corpus
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data

FILE = Path("tinyshakespeare", "input.txt")
URL = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/"
    "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt"
)
CHECKSUM = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


@data("tiny_shakespeare", within=Blocks)
def tiny_shakespeare(*, root: str | None = None) -> Corpus:
    """1,115,394 characters of Shakespeare's plays, 65 different; the last tenth is the dev set, as in nanoGPT.

    Source: A. Karpathy, The unreasonable effectiveness of recurrent neural networks, 2015 (char-rnn).

    Settings:
        root: the folder that holds tinyshakespeare/input.txt; left out, $NNTRAIN_DATA, else it is downloaded (1.1 MB)
    """
    return Corpus.divided("tiny_shakespeare", _text(root))


def _text(root: str | None) -> str:
    path = _find(root)
    content = path.read_bytes()
    if sha256(content).hexdigest() != CHECKSUM:
        raise UserError(f"{path}: not the text of tiny_shakespeare; remove it and fetch it again")
    return content.decode("ascii")


def _find(root: str | None) -> Path:
    """The file: where it is already, else where it is downloaded to."""
    for place in roots(root):
        if (place / FILE).is_file():
            return place / FILE
    if root is not None:
        raise UnfitError(f"{root} holds no {FILE}", "root")
    target = cache_folder() / "data" / FILE
    print(f"downloading tiny_shakespeare (1.1 MB) to {target}", file=sys.stderr)
    try:
        download(URL, CHECKSUM, target)
    except OSError as error:
        raise UserError(
            f"tiny_shakespeare could not be downloaded ({error}); put {FILE} under {target.parents[1]}, "
            f"or set data.root or NNTRAIN_DATA to the folder that holds it"
        ) from None
    return target
