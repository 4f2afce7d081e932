"""AG's news."""

from collections.abc import Iterator
from functools import partial

from nntrain.data.delimited import open_text
from nntrain.data.labelled_text import labelled_text
from nntrain.data.lines import Place, faultless
from nntrain.data.public_files import found_or_downloaded
from nntrain.data.texts import Texts, Written
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import PathText

URL = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/555590db4219b1243abb1918effd6a7425a2d75f/data/ag_news_csv"
FILES = {
    "train.csv": "694aa19971315410e000404523796b76349d3c1d",
    "test.csv": "130b40c3329c993468b8ed8a22c331315e478e0a",
}
NAMES = {"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"}


@data("ag_news", within=labelled_text)
def ag_news(*, root: PathText | None = None) -> Written:
    """127,600 news of four kinds, each with its title and a sentence or two; 7,600 are the official test set.

    Source: Zhang, Zhao, LeCun, Character-level convolutional networks for text classification, 2015,
    arXiv:1509.01626.

    Settings:
        root: the folder that holds ag_news_csv; left out, $NNTRAIN_DATA, else it is downloaded (31 MB)
    """
    return Written("ag_news", partial(_read, root, "train.csv"), test=partial(_read, root, "test.csv"))


def _read(root: str | None, file: str) -> Texts:
    path = found_or_downloaded("ag_news", "ag_news_csv", FILES, URL, "31 MB", root) / file
    return Texts.of(_examples(str(path)))


def _examples(path: str) -> Iterator[tuple[str, str, Place]]:
    for row in faultless(open_text(path, ",", ".", named=False).rows):
        place, columns = Place(path, row.number), row.fields
        if len(columns) != 3 or columns[0] not in NAMES:
            raise UserError(f"{place}: expected a class from 1 to 4, a title and a text; fetch the file again")
        yield f"{columns[1]} {columns[2]}".replace("\\", " "), NAMES[columns[0]], place
