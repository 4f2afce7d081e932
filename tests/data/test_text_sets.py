"""Sets of texts as examples: vocabularies, classes, division, padding; and the built-in ones."""

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from made import component

from nntrain.batch import IGNORED
from nntrain.data import ag_news, imdb, word_corpora
from nntrain.data.ag_news import ag_news as read_ag_news
from nntrain.data.imdb import imdb as read_imdb
from nntrain.data.labelled_text import labelled_text
from nntrain.data.lines import Place
from nntrain.data.multi30k import multi30k
from nntrain.data.paired_text import paired_text
from nntrain.data.ragged import Ragged
from nntrain.data.split import SplitSettings
from nntrain.data.sst2 import sst2
from nntrain.data.tagged_text import Tag, tagged_text
from nntrain.data.texts import Texts, TextSet, Written
from nntrain.data.ud_ewt import ud_ewt
from nntrain.errors import UnfitError, UserError

CPU = torch.device("cpu")
WORDS = [f"w{i % 9} w{i % 4}" + " more" * (i % 5) for i in range(90)]
LABELS = [("b", "a", "10", "9")[i % 4] for i in range(90)]


def part(count: int, first: int = 0) -> Callable[[], Texts]:
    numbers = range(first, first + count)
    return lambda: Texts.of((WORDS[i], LABELS[i], Place("t.csv", i + 1)) for i in numbers)


def labelled(
    written: Written, stored: Any = None, split: Any = None, tokenizer: Any = "word", **settings: Any
) -> TextSet:
    made = {"tokenizer": component("tokenizer", tokenizer), "sampler": component("sampler", "shuffled"), **settings}
    return labelled_text(lambda: written, CPU, stored, split=SplitSettings(**(split or {})), **made)


def sizes(data: TextSet) -> list[int | None]:
    return [None if (found := data.split(name)) is None else len(found) for name in ("train", "dev", "test")]


@pytest.mark.parametrize(
    ("parts", "split", "expected"),
    [
        ("", {}, [64, 13, 13]),
        ("", {"dev": 0.5, "test": 0.1}, [36, 45, 9]),
        ("", {"folds": 3, "fold": 1}, [47, 13, 30]),
        ("", {"dev": 0.0}, [77, None, 13]),
        ("test", {}, [81, 9, 20]),
        ("dev", {}, [77, 20, 13]),
        ("dev", {"test": 0.2}, [72, 20, 18]),
        ("dev test", {}, [90, 20, 20]),
        ("dev test", {"train": 40}, [40, 20, 20]),
        ("dev", {"train": 40}, [40, 20, 13]),
    ],
)
def test_sets_are_divided_unless_they_come_divided(
    parts: str, split: dict[str, Any], expected: list[int | None]
) -> None:
    own = {name: part(20) for name in parts.split()}
    data = labelled(Written("made up", part(90), **own), split=split)
    assert sizes(data) == expected
    if not own:
        labels = torch.cat([batch.targets for batch in data.train.in_order()])
        assert torch.bincount(labels).max() - torch.bincount(labels).min() <= 2, "stratified"


@pytest.mark.parametrize("name", ["dev", "test", "folds"])
def test_parts_of_its_own_are_not_divided_again(name: str) -> None:
    own = Written("made up", part(90), part(9), part(9))
    with pytest.raises(UnfitError, match=r"made up has a .* set of its own; leave this setting out") as error:
        labelled(own, split={name: 3 if name == "folds" else 0.1})
    assert error.value.path == ("split", name)


def test_the_vocabulary_and_the_classes_are_those_of_the_training_part() -> None:
    def dev() -> Texts:
        return Texts(["new w1", "w1"], ["a", "b"], [Place("dev.csv", 1), Place("dev.csv", 2)])

    data = labelled(Written("made up", part(90), dev))
    assert data.targets.names == ("9", "10", "a", "b"), "numbers by their size, then names"
    assert "new" not in data.inputs.vocabulary
    (batch,) = data.split("dev").in_order()
    words = [[data.inputs.vocabulary[n] for n in row] for row in batch.inputs.values.tolist()]
    assert words[0] == ["<unknown>", "w1"]
    assert batch.inputs.lengths.tolist() == [2, 1]
    assert batch.targets.tolist() == [2, 3]
    assert data.inputs.length == 6


def test_a_checkpoint_is_all_that_is_needed() -> None:
    data = labelled(Written("made up", part(90)))

    def gone() -> Texts:
        raise AssertionError("read")

    again = labelled(Written("made up", gone), data.learned)
    assert again.inputs == data.inputs and again.targets == data.targets
    other = labelled(Written("made up", gone, test=part(30, 60)), data.learned)
    with pytest.raises(AssertionError, match="read"):
        other.split("test")
    with pytest.raises(UnfitError, match="another tokenizer") as error:
        labelled(Written("made up", gone), data.learned, tokenizer="character")
    assert error.value.path == ("tokenizer",)


def test_long_texts_may_be_cut() -> None:
    data = labelled(Written("made up", part(90)), longest=3)
    assert data.inputs.length == 3
    assert max(batch.inputs.lengths.max() for batch in data.train.in_order()) == 3


def test_padding_is_up_to_the_longest_of_a_batch() -> None:
    rows = [torch.tensor(row, dtype=torch.int32).numpy() for row in ([1, 2, 3], [4], [5, 6])]
    ragged = Ragged.of(rows)
    values, lengths = ragged.padded(torch.tensor([2, 1]), padding=9)
    assert values.tolist() == [[5, 6], [4, 9]]
    assert lengths.tolist() == [2, 1]
    assert ragged.padded(torch.tensor([1])).values.tolist() == [[4]]
    assert ragged.padded(torch.tensor([0, 1, 2])).values.dtype == torch.long
    assert ragged.longest == 3


def test_batches_do_not_depend_on_how_they_are_asked_for() -> None:
    data = labelled(Written("made up", part(90)), batch_size=4)
    whole = [row for batch in data.train.in_order() for row in batch.targets.tolist()]
    numbers = torch.tensor([5, 0, 7])
    (batch,) = next(data.train.stream([[numbers]]))
    assert batch.targets.tolist() == [whole[i] for i in numbers]
    sample = data.train.sample(10, 0)
    assert len(sample) == 10 and data.train.sample(1000, 0) is data.train
    again = [row for batch in data.train.sample(10, 0).in_order() for row in batch.targets.tolist()]
    assert [row for batch in sample.in_order() for row in batch.targets.tolist()] == again


def test_tags_are_padded_with_what_does_not_count() -> None:
    def read() -> Texts:
        examples = [(["a", "b", "a"], "XYX"), (["b"], "Y")] * 20
        return Texts.of(([*words], [Tag(t, Place("f", 1)) for t in tags], Place("f", 1)) for words, tags in examples)

    made = {"tokenizer": component("tokenizer", "word"), "sampler": component("sampler", "by_length")}
    data = tagged_text(lambda: Written("made up", read), CPU, None, **made)
    batch = next(data.train.stream([[torch.arange(4)]]))[0]
    assert batch.targets.shape == batch.inputs.values.shape
    assert torch.equal(batch.targets == IGNORED, ~batch.inputs.mask())
    assert data.targets.names == ("X", "Y")


def test_targets_of_pairs_are_moved_by_one() -> None:
    def read() -> Texts:
        return Texts.of((f"a{'b' * (i % 3)}", f"x{'y' * (i % 2)}", Place("f", i)) for i in range(40))

    made = {"tokenizer": component("tokenizer", "character"), "sampler": component("sampler", "shuffled")}
    data = paired_text(lambda: Written("made up", read, read), CPU, None, **made)
    assert data.inputs.target == ("<begin>", "<end>", "<unknown>", "x", "y")
    assert (data.inputs.source_length, data.inputs.target_length, data.targets.length) == (3, 3, 3)
    (batch,) = next(data.train.stream([[torch.tensor([0, 1])]]))
    assert batch.inputs.target.values.tolist() == [[0, 3, 1], [0, 3, 4]]
    assert batch.inputs.target.lengths.tolist() == [2, 3]
    assert batch.targets.tolist() == [[3, 1, IGNORED], [3, 4, 1]]


@pytest.fixture
def shared(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared data, without a network."""

    def refuse(*arguments: Any, **settings: Any) -> None:
        raise AssertionError("the network is asked")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return shared_data


def test_sst2(shared: Path) -> None:
    data = labelled(sst2(root=str(shared)), tokenizer={"type": "word", "minimum": 1})
    assert sizes(data) == [6920, 872, 1821]
    counts = torch.bincount(torch.cat([batch.targets for batch in data.train.in_order()]))
    assert counts.tolist() == [3310, 3610]
    assert data.targets.names == ("negative", "positive")


def test_ud_ewt(shared: Path) -> None:
    made = {"tokenizer": component("tokenizer", "word"), "sampler": component("sampler", "by_length")}
    data = tagged_text(partial(ud_ewt, root=str(shared)), CPU, None, **made)
    assert sizes(data) == [12_544, 2001, 2077]
    words = {name: int(data.split(name).coded.lengths.sum()) for name in ("train", "dev", "test")}
    assert words == {"train": 204_577, "dev": 25_147, "test": 25_094}
    assert len(data.targets) == 17


@pytest.mark.parametrize(("direction", "first"), [("de-en", "Eine Gruppe"), ("en-de", "A group of")])
def test_multi30k(shared: Path, direction: Any, first: str) -> None:
    written = multi30k(root=str(shared), direction=direction)
    parts = [written.train(), written.dev(), written.test()]
    assert [len(texts) for texts in parts] == [29_000, 1014, 1000]
    assert parts[1].inputs[0].startswith(first)


def test_a_folder_without_the_set_is_refused(tmp_path: Path) -> None:
    for read, folder in ((sst2, "sst2"), (multi30k, "multi30k"), (ud_ewt, "ud_ewt"), (read_ag_news, "ag_news_csv")):
        with pytest.raises(UnfitError, match=f"holds no {folder} with the files of") as error:
            read(root=str(tmp_path)).train()
        assert error.value.path == ("root",)


def test_news_are_read_as_they_are_published(tmp_path: Path) -> None:
    folder = tmp_path / "ag_news_csv"
    folder.mkdir()
    for name in ag_news.FILES:
        (folder / name).write_text('"3","A title","A ""text"" of\\two lines"\n"2","B","C"\n')
    found = read_ag_news(root=str(tmp_path)).train()
    assert found.inputs == ['A title A "text" of two lines', "B C"]
    assert found.targets == ["Business", "Sports"]
    (folder / "train.csv").write_text('"5","A title","A text"\n')
    with pytest.raises(UserError, match=r"train\.csv:1: expected a class from 1 to 4, a title and a text"):
        read_ag_news(root=str(tmp_path)).train()


def test_reviews_are_read_from_their_archive(tmp_path: Path) -> None:
    import io
    import tarfile

    folder = tmp_path / "imdb"
    folder.mkdir()
    with tarfile.open(folder / next(iter(imdb.FILES)), "w:gz") as archive:
        for name in ("train/pos/1_9", "train/neg/0_2", "train/unsup/3_0", "test/pos/0_10", "train/urls_pos"):
            member = tarfile.TarInfo(f"aclImdb/{name}.txt")
            content = f"It is<br />{name}".encode()
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    found = read_imdb(root=str(tmp_path))
    assert found.train().inputs == ["It is train/neg/0_2", "It is train/pos/1_9"]
    assert found.train().targets == ["negative", "positive"]
    assert found.test().inputs == ["It is test/pos/0_10"]
    (folder / next(iter(imdb.FILES))).write_bytes(b"half")
    with pytest.raises(UserError, match="not a whole archive"):
        found.train()


def test_word_corpora_have_their_parts_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / "ptb").mkdir()
    for name in word_corpora.PTB:
        (tmp_path / "ptb" / name).write_text(f" {name} <unk> N \n next line \n")
    corpus = word_corpora.ptb(root=str(tmp_path))
    assert corpus.test is not None and corpus.test.split() == ["ptb.test.txt", "<unk>", "N", "next", "line"]
    vocabulary = component("tokenizer", {"type": "word", "minimum": 1})().learn([corpus.train])
    assert [vocabulary.tokens[n] for n in vocabulary.numbers([corpus.train])[0]] == [
        *("ptb.train.txt", "<unk>", "N", "\n", "next", "line"),
    ]
