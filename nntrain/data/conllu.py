"""The user's own tagged sentences, in files of a word a line."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from typing import Literal

from nntrain.data.lines import Fault, Line, Place, faultless, lines
from nntrain.data.tagged_text import Tag, sentences, tagged_text
from nntrain.data.texts import Texts, Written, own_parts
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import PathText

Column = Literal["upos", "xpos", "deprel", "lemma"]
COLUMNS = {"lemma": 2, "upos": 3, "xpos": 4, "deprel": 7}
MISSING = {"", "_"}
Word = tuple[str, str]  # a word and its tag
Split = Callable[[str], Word | None]  # of a line; None for one that is no word, ValueError for one that is wrong


@data("conllu", within=tagged_text)
def conllu(
    *, path: PathText, column: Column = "upos", dev: PathText | None = None, test: PathText | None = None
) -> Written:
    """Sentences of your own in CoNLL-U: ten columns between tabs, a word a line, an empty line after each sentence.

    Comments (#), words of several tokens (3-4) and empty nodes (5.1) are left out. New sentences are the lines of a
    file, words between blanks, or those of a .conllu file, whose tags are not looked at.
    Source: Nivre et al., Universal Dependencies v2, 2020; the format: https://universaldependencies.org/format.html.

    Settings:
        path: the file with the training set
        column: which column has the tags
        dev: a file with the dev set; left out, it is taken from the training set
        test: a file with the test set; left out, it is taken from the training set
    """
    return own_parts(
        "conllu", partial(read, split=partial(of_conllu, column=column)), path, dev, test, of_lines_or_conllu
    )


@data("word_tags", within=tagged_text)
def word_tags(*, path: PathText, dev: PathText | None = None, test: PathText | None = None) -> Written:
    """Sentences of your own in two columns: a word and its tag a line, an empty line after each sentence.

    Columns stand between tabs or blanks; of more than two the first and the last count, as in CoNLL-2003, and lines
    that begin with -DOCSTART- are left out. New sentences are the lines of a file, words between blanks.
    Source: Tjong Kim Sang, De Meulder, Introduction to the CoNLL-2003 shared task, 2003.

    Settings:
        path: the file with the training set
        dev: a file with the dev set; left out, it is taken from the training set
        test: a file with the test set; left out, it is taken from the training set
    """
    return own_parts("word_tags", partial(read, split=of_two_columns), path, dev, test, sentences)


def read(path: str, split: Split) -> Texts:
    """The tagged sentences of a file; UserError where a line is wrong, or there are none."""
    found = Texts.of(_tagged(words) for words in faultless(_sentences(path, split)))
    if not len(found):
        raise UserError(
            f"{path}: there are no sentences; expected a word a line, and an empty line after each sentence"
        )
    return found


def of_conllu(line: str, column: Column | None) -> Word | None:
    """The word of a line in CoNLL-U, and its tag where a column is named."""
    if line.startswith("#"):
        return None
    columns = line.split("\t")
    if len(columns) != 10:
        raise ValueError(f"expected 10 columns between tabs, found {len(columns)}")
    number, form = columns[:2]
    if "-" in number or "." in number:
        return None
    if not number.isdecimal() or not form:
        raise ValueError(f"expected the number of a word and the word, found '{number}' and '{form}'")
    tag = "" if column is None else columns[COLUMNS[column]]
    if column is not None and tag in MISSING:
        raise ValueError(f"the {column} is missing (column {COLUMNS[column] + 1})")
    return form, tag


def of_two_columns(line: str) -> Word | None:
    """The word and the tag of a line: the first and the last of its columns."""
    columns = line.split("\t") if "\t" in line else line.split()
    if columns[0] == "-DOCSTART-":
        return None
    if len(columns) < 2:
        raise ValueError(f"expected a word and its tag, found '{line}'")
    if not columns[0] or columns[-1] in MISSING:
        raise ValueError("the tag is missing" if columns[0] else "there is no word")
    return columns[0], columns[-1]


def of_lines_or_conllu(path: str) -> Iterator[tuple[Place, list[str]] | Fault]:
    """The words of each sentence of another file: each line of it, but of a .conllu file a word a line."""
    if not path.removesuffix(".gz").endswith(".conllu"):
        yield from sentences(path)
        return
    for found in _sentences(path, partial(of_conllu, column=None)):
        yield found if isinstance(found, Fault) else (found[0][1], [word for (word, _), _ in found])


def _tagged(words: list[tuple[Word, Place]]) -> tuple[list[str], list[Tag], Place]:
    return [word for (word, _), _ in words], [Tag(tag, place) for (_, tag), place in words], words[0][1]


def _sentences(path: str, split: Split) -> Iterator[list[tuple[Word, Place]] | Fault]:
    """The words of each sentence; the first fault of one that has any."""
    for _, group in groupby(lines(path), key=_is_between):
        words = [_word(line, split) for line in group]
        fault = next((word for word in words if isinstance(word, Fault)), None)
        found = [word for word in words if word is not None and not isinstance(word, Fault)]
        if fault is not None:
            yield fault
        elif found:
            yield found


def _is_between(line: Line | Fault) -> bool:
    return not isinstance(line, Fault) and not line[1].strip()


def _word(line: Line | Fault, split: Split) -> tuple[Word, Place] | Fault | None:
    if isinstance(line, Fault) or not line[1].strip():
        return line if isinstance(line, Fault) else None
    place, text = line
    try:
        word = split(text)
    except ValueError as error:
        return Fault(place, str(error))
    return None if word is None else (word, place)
