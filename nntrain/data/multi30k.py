"""Multi30k: descriptions of pictures in English and German."""

from functools import partial
from typing import Literal

from nntrain.data.paired_text import paired_text
from nntrain.data.parallel_text import read_pairs
from nntrain.data.public_files import found_or_downloaded
from nntrain.data.texts import Texts, Written
from nntrain.registry import data
from nntrain.settings import PathText

URL = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"
FILES = {
    "train.de.gz": "3869154c6298e22b3dc9ed3b17fd45bf00276b94",
    "train.en.gz": "8226b4b333656238e113284cf738778e1287b52e",
    "val.de.gz": "0907cab7a248be8e15ac418d517343899351db18",
    "val.en.gz": "8eb30ab9e5edd301e4c94330713c88513dd43dbc",
    "test_2016_flickr.de.gz": "96b762cc43d913a5d23e5ec65acbc58a50d0a9b8",
    "test_2016_flickr.en.gz": "c3c1142a4d12fa9d7736c81dca0dcea51975477e",
}


@data("multi30k", within=paired_text)
def multi30k(*, root: PathText | None = None, direction: Literal["de-en", "en-de"] = "de-en") -> Written:
    """31,014 descriptions of pictures, English and German: 29,000 to learn from, 1,014 to choose by, 1,000 to test on.

    The test set is test_2016_flickr. The texts are as people wrote them, not cut into words.
    Source: Elliott, Frank, Sima'an, Specia, Multi30K: multilingual English-German image descriptions, 2016,
    arXiv:1605.00459; for research and education.

    Settings:
        root: the folder that holds multi30k; left out, $NNTRAIN_DATA, else it is downloaded (1.3 MB)
        direction: which language is translated into which
    """
    train, dev, test = (partial(_read, root, direction, part) for part in ("train", "val", "test_2016_flickr"))
    return Written("multi30k", train, dev, test)


def _read(root: str | None, direction: str, part: str) -> Texts:
    folder = found_or_downloaded("multi30k", "multi30k", FILES, URL, "1.3 MB", root)
    source, target = (str(folder / f"{part}.{language}.gz") for language in direction.split("-"))
    return read_pairs(source, target)
