"""Film reviews of IMDb."""

import tarfile
from collections.abc import Iterator
from functools import partial

from nntrain.data.archives import ERRORS, check_inside
from nntrain.data.labelled_text import labelled_text
from nntrain.data.lines import Place
from nntrain.data.public_files import found_or_downloaded
from nntrain.data.texts import Texts, Written
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import PathText

URL = "https://ai.stanford.edu/~amaas/data/sentiment"
FILES = {"aclImdb_v1.tar.gz": "md5:7c2ac02c03563afcf9b574c7e56c153a"}
NAMES = {"neg": "negative", "pos": "positive"}


@data("imdb", within=labelled_text)
def imdb(*, root: PathText | None = None) -> Written:
    """50,000 film reviews that praise or do not, as many of both; 25,000 are the official test set.

    Reviews have 230 words on average and 2,500 at most: `longest` saves time. They are not cut into words.
    Source: Maas et al., Learning word vectors for sentiment analysis, 2011.

    Settings:
        root: the folder that holds imdb/aclImdb_v1.tar.gz; left out, $NNTRAIN_DATA, else it is downloaded (84 MB)
    """
    return Written("imdb", partial(_read, root, "train"), test=partial(_read, root, "test"))


def _read(root: str | None, part: str) -> Texts:
    path = found_or_downloaded("imdb", "imdb", FILES, URL, "84 MB", root) / "aclImdb_v1.tar.gz"
    try:
        return Texts.of(sorted(_reviews(str(path), part), key=lambda review: review[2]))
    except (OSError, *ERRORS) as error:
        raise UserError(f"{path}: not a whole archive ({error}); remove it and fetch it again") from None


def _reviews(path: str, part: str) -> Iterator[tuple[str, str, Place]]:
    """The reviews in the folders aclImdb/PART/neg and pos of the archive."""
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            check_inside(path, member.name)
            folders = member.name.split("/")
            is_wanted = folders[:2] == ["aclImdb", part] and len(folders) == 4 and folders[2] in NAMES
            file = archive.extractfile(member) if is_wanted and member.isfile() else None  # no link, no device
            if file is not None:
                text = file.read().decode("utf-8").replace("<br />", " ")
                yield text, NAMES[folders[2]], Place(member.name, 1)
