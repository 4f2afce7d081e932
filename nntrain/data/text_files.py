"""The user's own text for language models."""

from glob import glob, has_magic
from pathlib import Path

from nntrain.data.lines import whole_text
from nntrain.data.text import Blocks, Corpus
from nntrain.errors import UnfitError
from nntrain.registry import data
from nntrain.settings import PathText, Share

ENDINGS = (".txt", ".md", ".text")  # of the files of a folder that are read


@data("text", within=Blocks)
def text(*, path: PathText, dev: Share | PathText = 0.1, test: PathText | None = None) -> Corpus:
    """Text of your own, whose next token is to be predicted: a file, a folder, or all files that a pattern matches.

    Files are UTF-8 (.gz unpacked), and read one after the other by their names, a line break between them; of a
    folder those that end in .txt, .md or .text, also in folders below it. A pattern is one of the shell's, such as
    notes/**/*.py.
    Source: your own files.

    Settings:
        path: the file, the folder or the pattern
        dev: the share of the text, at its end, that is the dev set; or a file, folder or pattern of its own
        test: a file, folder or pattern for the test set; left out, the dev set serves
    """
    whole = _read(path, "path")
    tested = None if test is None else _read(test, "test")
    if isinstance(dev, str):
        return Corpus("text", whole, _read(dev, "dev"), tested)
    divided = Corpus.divided("text", whole, 1 - dev)
    return Corpus("text", divided.train, divided.dev, tested)


def _read(place: str, setting: str) -> str:
    return "\n".join(whole_text(str(file)) for file in _files(place, setting))


def _files(place: str, setting: str) -> list[Path]:
    path = Path(place)
    if path.is_file():
        return [path]
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.name.removesuffix(".gz").endswith(ENDINGS)]
        lacking = f"the folder has no file that ends in {', '.join(ENDINGS)}"
    elif has_magic(place):
        files, lacking = [Path(file) for file in glob(place, recursive=True)], "the pattern matches no file"
    else:
        files, lacking = [], "there is no such file or folder"
    found = sorted(file for file in files if file.is_file())
    if not found:
        raise UnfitError(f"{place}: {lacking}", setting)
    return found
