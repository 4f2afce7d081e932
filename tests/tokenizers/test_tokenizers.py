"""Text as numbers of tokens, and back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made import made

from nntrain.errors import UnfitError
from nntrain.tokenizers import BYTES, Vocabulary, joined
from nntrain.tokenizers.word import shapes_of

TEXTS = ["the cat sat on the mat", "the dog sat", "Das Wort: süß 日本!\n  two lines"]
ALL: list[Any] = [
    "character",
    "byte",
    {"type": "word", "minimum": 1},
    {"type": "word", "rare": "shape", "lowercase": True, "cut": "punctuation"},
    {"type": "bpe", "size": 300},
]
every = pytest.mark.parametrize("settings", ALL, ids=str)


def learned(settings: Any, texts: list[str] = TEXTS, special: tuple[str, ...] = ()) -> Vocabulary:
    return made("tokenizer", settings).learn(texts, special)


def tokens(vocabulary: Vocabulary, text: str) -> list[str]:
    return [vocabulary.tokens[number] for number in vocabulary.numbers([text])[0]]


@every
@pytest.mark.parametrize("special", [(), ("<begin>", "<end>")])
def test_a_vocabulary_is_made_again_from_what_json_says_of_it(settings: Any, special: tuple[str, ...]) -> None:
    vocabulary = learned(settings, special=special)
    facts = json.loads(json.dumps(vocabulary.facts))
    again = made("tokenizer", settings).restore(json.loads(json.dumps(vocabulary.tokens)), facts, len(special))
    new = [*TEXTS, "never seen: Ελλάδα", ""]
    assert [row.tolist() for row in again.numbers(new)] == [row.tolist() for row in vocabulary.numbers(new)]
    assert again.text(range(len(again.tokens))) == vocabulary.text(range(len(vocabulary.tokens)))


@every
def test_special_tokens_come_first_and_no_text_has_them(settings: Any) -> None:
    vocabulary = learned(settings, [*TEXTS, "<begin> <end> <begin> <end>"], ("<begin>", "<end>"))
    assert vocabulary.tokens[:2] == ("<begin>", "<end>")
    for row in vocabulary.numbers([*TEXTS, "<begin> text <end>"]):
        assert row.min(initial=2) >= 2
    assert len(set(vocabulary.tokens)) == len(vocabulary.tokens)


@pytest.mark.parametrize("settings", ["byte", {"type": "bpe", "size": 300}], ids=str)
def test_bytes_bring_back_any_text(settings: Any) -> None:
    vocabulary = learned(settings)
    for text in (*TEXTS, "never seen: Ελλάδα 🎉\t\r\n", "  blanks  ", ""):
        (numbers,) = vocabulary.numbers([text])
        assert vocabulary.text(numbers.tolist()) == text
        assert joined([vocabulary.tokens[n] for n in numbers], vocabulary.unit) == text, "also without the tokenizer"


def test_characters_that_the_training_set_lacks_are_unknown() -> None:
    vocabulary = learned("character", ["banana"])
    assert vocabulary.tokens == ("<unknown>", "a", "b", "n")
    assert tokens(vocabulary, "bank") == ["b", "a", "n", "<unknown>"]
    rare = learned({"type": "character", "minimum": 2}, ["ban", "ana"])
    assert rare.tokens == ("<unknown>", "a", "n")
    assert tokens(learned("character", [""]), "ab") == ["<unknown>"] * 2


def test_frequent_words_are_tokens_and_others_unknown() -> None:
    vocabulary = learned("word", ["a b a c", "b a"])
    assert vocabulary.tokens == ("<unknown>", "a", "b")
    assert tokens(vocabulary, "c a\tb  z") == ["<unknown>", "a", "b", "<unknown>"]
    assert learned({"type": "word", "size": 1}, ["a b a c", "b a"]).tokens == ("<unknown>", "a")
    assert learned({"type": "word", "minimum": 1}, ["b a c"]).tokens == ("<unknown>", "a", "b", "c")


def test_words_are_cut_at_blanks_or_signs_and_lines_have_ends() -> None:
    text = "Don't stop, Ann!\nNow."
    assert tokens(learned({"type": "word", "minimum": 1}, [text]), text) == ["Don't", "stop,", "Ann!", "\n", "Now."]
    cut = learned({"type": "word", "minimum": 1, "cut": "punctuation", "lowercase": True}, [text])
    assert tokens(cut, text) == ["don", "'", "t", "stop", ",", "ann", "!", "\n", "now", "."]
    assert cut.text(cut.numbers(["a stop\nnow"])[0].tolist()) == "<unknown> stop\nnow"


@pytest.mark.parametrize(
    ("word", "shapes"),
    [
        ("Running", ("<Aa-ing>", "<Aa>")),
        ("running", ("<a-ing>", "<a>")),
        ("NASA", ("<AA-asa>", "<AA>")),
        ("cat", ("<a>",)),
        ("I", ("<Aa>",)),
        ("1984", ("<0>",)),
        ("F-16s", ("<0-Aa>",)),
        ("re-opened", ("<-a-ned>", "<-a>")),
        ("...", ("<.>",)),
    ],
)
def test_the_shape_of_a_word(word: str, shapes: tuple[str, ...]) -> None:
    assert shapes_of(word) == shapes


def test_rare_words_have_the_shapes_that_those_of_the_training_have() -> None:
    text = "the the running jumping Paris London 3 17 odd"
    vocabulary = learned({"type": "word", "rare": "shape"}, [text])
    assert vocabulary.tokens == ("<unknown>", "<a>", "<0>", "<Aa>", "<a-ing>", "the")
    assert tokens(vocabulary, "the swimming Berlin 2024 swim UNO") == [
        *("the", "<a-ing>", "<Aa>", "<0>", "<a>"),
        "<unknown>",
    ]
    with pytest.raises(UnfitError, match="no rare words whose shapes could be learned") as error:
        made("tokenizer", {"type": "word", "rare": "shape", "minimum": 1})
    assert error.value.path == ("tokenizer", "rare")


def test_pairs_that_are_frequent_become_pieces() -> None:
    vocabulary = learned({"type": "bpe", "size": 260}, ["low lower lowest slow"] * 5)
    assert len(vocabulary.tokens) == 260
    assert vocabulary.tokens[256:258] == ("lo", "low")
    assert tokens(vocabulary, "lowly")[0] == "low"
    assert len(learned({"type": "bpe", "size": 5000}, ["ab ab"]).tokens) < 300, "no pairs are left"
    assert len(learned({"type": "bpe", "size": 5000, "minimum": 9}, ["ab ab"]).tokens) == 256


PROCESS = """
from nntrain.tokenizers.bpe import BytePairs
texts = [line for line in open(__file__ if False else {path!r}, encoding="utf-8")]
print(BytePairs(size=600).learn(texts).tokens)
"""


def test_byte_pairs_are_the_same_in_every_process() -> None:
    """Libraries that count in several threads and with seeded hashes must not let that show."""
    code = PROCESS.format(path=__file__)
    outs = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(3)}
    assert len(outs) == 1
    assert len(outs.pop()) > 600


def test_every_byte_has_a_letter_of_its_own() -> None:
    assert sorted(BYTES.values()) == list(range(256))
    assert BYTES["Ġ"] == ord(" ") and BYTES["a"] == ord("a") and BYTES["Ċ"] == ord("\n")


def test_a_tokenizer_of_the_library_is_read(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    library = Tokenizer(models.WordLevel({"[UNK]": 0, "hello": 1, "world": 2}, unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    library.enable_padding(length=9)
    library.save(str(tmp_path / "tokenizer.json"))
    vocabulary = learned({"type": "file", "path": str(tmp_path / "tokenizer.json")}, special=("<begin>",))
    assert vocabulary.tokens == ("<begin>", "[UNK]", "hello", "world")
    assert vocabulary.numbers(["hello big world"])[0].tolist() == [2, 1, 3]
    assert vocabulary.text([0, 2, 3]) == "hello world"
    (tmp_path / "tokenizer.json").unlink()
    settings = {"type": "file", "path": str(tmp_path / "tokenizer.json")}
    again = made("tokenizer", settings).restore(vocabulary.tokens, vocabulary.facts, 1)
    assert again.numbers(["hello big world"])[0].tolist() == [2, 1, 3]


@pytest.mark.parametrize("content", [None, "{}", "not json"])
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UnfitError, match=r"tokenizer\.json (cannot be read|is no tokenizer)") as error:
        learned({"type": "file", "path": str(path)})
    assert error.value.path == ("path",)
