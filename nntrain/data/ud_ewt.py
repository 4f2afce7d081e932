"""The English Web Treebank of Universal Dependencies."""

from functools import partial
from pathlib import Path
from typing import Literal

from nntrain.data.conllu import of_conllu, of_lines_or_conllu, read
from nntrain.data.places import roots
from nntrain.data.public_files import found_or_downloaded
from nntrain.data.tagged_text import tagged_text
from nntrain.data.texts import Texts, Written
from nntrain.registry import data
from nntrain.settings import PathText

URL = "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/4c89b5833a70aa5ed3a00bad2f23f57992cc7df8"
FILES = {
    "en_ewt-ud-train.conllu": "34731d23bafeeff233fdcee18ffc0254b1aa0e28",
    "en_ewt-ud-dev.conllu": "a994b6990643429070ecc6e236d26ad6a04bfefb",
    "en_ewt-ud-test.conllu": "c59667960ae967636606f47bc35f132a5557ad39",
}


@data("ud_ewt", within=tagged_text)
def ud_ewt(*, root: PathText | None = None, column: Literal["upos", "xpos"] = "upos") -> Written:
    """16,622 sentences from English web pages with the part of speech of each of their 254,818 words, release 2.16.

    12,544 sentences are the training set, 2,001 the dev set and 2,077 the test set, as they are published.
    Source: Silveira et al., A gold standard dependency corpus for English, 2014; Nivre et al., Universal
    Dependencies v2, 2020.

    Settings:
        root: the folder that holds ud_ewt; left out, $NNTRAIN_DATA, else it is downloaded (18 MB)
        column: upos for the 17 universal parts of speech, xpos for the finer English ones
    """
    train, dev, test = (partial(_read, root, file, column) for file in FILES)
    return Written("ud_ewt", train, dev, test, of_lines_or_conllu)


def _read(root: str | None, file: str, column: Literal["upos", "xpos"]) -> Texts:
    packed = (place / "ud_ewt" / f"{file}.gz" for place in roots(root))
    path = next(filter(Path.is_file, packed), None)
    if path is None:
        path = found_or_downloaded("ud_ewt", "ud_ewt", FILES, URL, "18 MB", root) / file
    return read(str(path), partial(of_conllu, column=column))
