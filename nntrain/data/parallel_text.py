"""The user's own translations, in two files line by line."""

from functools import partial

from nntrain.data.lines import Place, faultless, lines
from nntrain.data.paired_text import paired_text
from nntrain.data.texts import Texts, Written
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.settings import PathText


@data("parallel_text", within=paired_text)
def parallel_text(
    *,
    source: PathText,
    target: PathText,
    dev_source: PathText | None = None,
    dev_target: PathText | None = None,
    test_source: PathText | None = None,
    test_target: PathText | None = None,
) -> Written:
    """Translations of your own: two files, line n of one being the translation of line n of the other.

    Files are UTF-8 (.gz unpacked). New sources are the lines of a file.
    Source: your own files.

    Settings:
        source: the file with what is to be translated
        target: the file with its translations
        dev_source: the sources of the dev set; left out, it is taken from the training set
        dev_target: their translations
        test_source: the sources of the test set; left out, it is taken from the training set
        test_target: their translations
    """
    return Written(
        "parallel_text",
        partial(read_pairs, source, target),
        _part("dev", dev_source, dev_target),
        _part("test", test_source, test_target),
    )


def read_pairs(source: str, target: str) -> Texts:
    """The lines of two files side by side; UserError where they have not as many, or one is empty."""
    sources, targets = (list(faultless(lines(path))) for path in (source, target))
    if len(sources) != len(targets):
        raise UserError(
            f"{source} has {len(sources):,} lines and {target} {len(targets):,}; line n of one is to be the "
            "translation of line n of the other"
        )
    if not sources:
        raise UserError(f"{source} and {target} are empty; expected a text in each line")
    for place, text in (*sources, *targets):
        if not text.strip():
            raise UserError(f"{place}: the line is empty; leave it out of both files")
    return Texts.of((text, said, Place(*place)) for (place, text), (_, said) in zip(sources, targets, strict=True))


def _part(name: str, source: str | None, target: str | None) -> "partial[Texts] | None":
    if (source is None) != (target is None):
        given, lacking = (f"{name}_source", f"{name}_target")[:: 1 if target is None else -1]
        raise UnfitError(f"{given} needs {lacking} beside it", given)
    return None if source is None or target is None else partial(read_pairs, source, target)
