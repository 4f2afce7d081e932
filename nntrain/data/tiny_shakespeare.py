"""Tiny Shakespeare."""

from nntrain.data.public_files import found_or_downloaded, git_id_of
from nntrain.data.text import Blocks, Corpus
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import PathText

URL = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare"
)
GIT_ID = "7dcb3a2d4cc3b48b6283dd46870bfeb78f88aac9"


@data("tiny_shakespeare", within=Blocks)
def tiny_shakespeare(*, root: PathText | None = None) -> Corpus:
    """1,115,394 characters of Shakespeare's plays, 65 different; the last tenth is the dev set, as in nanoGPT.

    Source: A. Karpathy, The unreasonable effectiveness of recurrent neural networks, 2015 (char-rnn).

    Settings:
        root: the folder that holds tinyshakespeare/input.txt; left out, $NNTRAIN_DATA, else it is downloaded (1.1 MB)
    """
    return Corpus.divided("tiny_shakespeare", _text(root))


def _text(root: str | None) -> str:
    files = {"input.txt": GIT_ID}
    path = found_or_downloaded("tiny_shakespeare", "tinyshakespeare", files, URL, "1.1 MB", root) / "input.txt"
    content = path.read_bytes()
    if git_id_of(content) != GIT_ID:
        raise UserError(f"{path}: not the text of tiny_shakespeare; remove it and fetch it again")
    return content.decode("ascii")
