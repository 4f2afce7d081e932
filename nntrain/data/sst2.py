"""The Stanford Sentiment Treebank, whole sentences."""

from functools import partial

from nntrain.data.labelled_text import labelled_text
from nntrain.data.lines import Place, faultless, lines
from nntrain.data.public_files import found_or_downloaded
from nntrain.data.texts import Texts, Written
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import PathText

URL = (
    "https://raw.githubusercontent.com/clairett/pytorch-sentiment-classification/"
    "457ffd83de90a9d6d472d8ffc31bbffe40a8b236/data/SST2"
)
FILES = {
    "train.tsv": "0a7632e357bae4e969aef726b172d59713c1135a",
    "dev.tsv": "ca00b24d7c21a78370074be21ad379613f3fc9d9",
    "test.tsv": "7a9909e74e5b40adea3e8410ba80e28b753adf87",
}
NAMES = {"0": "negative", "1": "positive"}


@data("sst2", within=labelled_text)
def sst2(*, root: PathText | None = None) -> Written:
    """Sentences of film reviews that praise or do not: 6,920 for training, 872 in the dev set, 1,821 in the test set.

    Whole sentences only: the treebank's labelled phrases, on which published figures mostly rest as well, are not
    here. The words are in small letters, and cut.
    Source: Socher et al., Recursive deep models for semantic compositionality over a sentiment treebank, 2013.

    Settings:
        root: the folder that holds sst2; left out, $NNTRAIN_DATA, else it is downloaded (1 MB)
    """
    train, dev, test = (partial(_read, root, part) for part in FILES)
    return Written("sst2", train, dev, test)


def _read(root: str | None, part: str) -> Texts:
    folder = found_or_downloaded("sst2", "sst2", FILES, URL, "1 MB", root)
    return Texts.of(_example(place, line) for place, line in faultless(lines(str(folder / part))))


def _example(place: Place, line: str) -> tuple[str, str, Place]:
    sentence, _, label = line.rpartition("\t")
    if label not in NAMES:
        raise UserError(f"{place}: expected a sentence, a tab and 0 or 1; remove the file and fetch it again")
    return sentence, NAMES[label], place
