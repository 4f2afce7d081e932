"""Text as blocks of tokens."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made import component

from nntrain.data.text import Blocks, Corpus
from nntrain.errors import UnfitError
from nntrain.specs import Tokens, from_json, to_json

CPU = torch.device("cpu")
TRAIN, DEV = "".join(chr(ord("a") + i % 26) for i in range(101)), "hello world, hello dev"
ALPHABET = ("<unknown>", *sorted(set(TRAIN)))


def blocks(
    stored: Any = None,
    train: str = TRAIN,
    dev: str = DEV,
    test: str | None = None,
    tokenizer: Any = "character",
    **settings: Any,
) -> Blocks:
    corpus = Corpus("letters", train, dev, test)
    given = {"block": 10, "batch_size": 4, "tokenizer": component("tokenizer", tokenizer), **settings}
    return Blocks(lambda: corpus, CPU, stored, **given)


def said(numbers: torch.Tensor, vocabulary: tuple[str, ...] = ALPHABET) -> str:
    return "".join(vocabulary[i] for i in numbers.flatten().tolist())


def test_the_vocabulary_is_of_the_training_parts_characters_and_travels_as_json() -> None:
    inputs = blocks().inputs
    assert inputs == Tokens(ALPHABET, 10, "character")
    assert from_json(json.loads(json.dumps(to_json(inputs)))) == inputs


def test_the_dev_set_is_read_in_blocks_side_by_side() -> None:
    dev = blocks().split("dev")
    batches = list(dev.in_order())
    inputs, targets = (torch.cat(parts) for parts in zip(*((b.inputs.values, b.targets) for b in batches), strict=True))
    assert len(dev) == 2
    known = DEV.replace(" ", "?").replace(",", "?")  # the training part has neither
    assert said(inputs).replace("<unknown>", "?") == known[:20]
    assert said(targets).replace("<unknown>", "?") == known[1:21]
    assert inputs.dtype == targets.dtype == torch.int64
    assert batches[0].inputs.lengths is None


def test_without_a_test_part_the_dev_set_serves() -> None:
    data = blocks()
    assert data.split("test") is data.split("dev")
    assert data.split("train") is data.train
    own = blocks(test=TRAIN[:41]).split("test")
    assert own is not None and len(own) == 4


@pytest.mark.parametrize(("characters", "count"), [(100, 9), (101, 10), (102, 10), (111, 11)])
def test_every_block_is_followed_by_a_token(characters: int, count: int) -> None:
    train = blocks(train=(TRAIN * 2)[:characters]).train
    assert len(train) == count
    assert sum(len(batch.targets) for batch in train.in_order()) == count


def test_blocks_of_the_training_are_shifted_anew_each_time() -> None:
    train = blocks().train
    torch.manual_seed(0)
    batch = next(train.stream([[torch.arange(10)]]))[0]
    again = next(train.stream([[torch.arange(10)]]))[0]
    torch.manual_seed(0)
    same = next(train.stream([[torch.arange(10)]]))[0]
    assert torch.equal(batch.inputs.values, same.inputs.values)
    assert not torch.equal(batch.inputs.values, again.inputs.values)


def test_a_block_starts_less_than_a_block_after_its_place() -> None:
    distinct = "".join(map(chr, range(1000, 1101)))
    train = blocks(train=distinct, dev=distinct[:20]).train
    torch.manual_seed(0)
    starts = []
    for batch in (next(train.stream([[torch.arange(10)]]))[0] for _ in range(300)):
        values, targets = batch.inputs.values, batch.targets
        assert torch.equal(values[:, 1:], targets[:, :-1])
        assert torch.equal(values + 1, targets)  # tokens that follow each other in the text
        starts.append(values[:, 0] - 1)  # the first token is <unknown>
    shifts = torch.stack(starts) - torch.arange(10) * 10
    assert shifts[:, :9].unique().tolist() == list(range(10))
    last = torch.stack(starts)[:, 9]  # which fits at 90 alone: the other starts are those at the beginning
    assert last.unique().tolist() == [*range(9), 90]


def test_a_sample_is_fixed_and_has_whole_blocks() -> None:
    train = blocks().train
    sample, same, other = train.sample(4, 0), train.sample(4, 0), train.sample(4, 1)
    texts = [said(next(part.in_order()).inputs.values) for part in (sample, same, other)]
    assert texts[0] == texts[1] != texts[2]
    assert len(sample) == 4
    assert all(texts[0][i : i + 10] in [TRAIN[j : j + 10] for j in range(0, 100, 10)] for i in range(0, 40, 10))
    assert train.sample(10, 0) is train


def test_batches_do_not_change_what_is_read_in_order() -> None:
    text = TRAIN * 400
    small, large = (blocks(train=text, batch_size=size).train for size in (1, 5000))
    one, other = ([batch.inputs.values for batch in part.in_order()] for part in (small, large))
    assert len(one) > len(other) == 1
    assert torch.equal(torch.cat(one), torch.cat(other))


def test_bytes_are_tokens_too() -> None:
    data = blocks(dev="für Elise, zum Beispiel", tokenizer="byte")
    values = next(data.split("dev").in_order()).inputs.values
    assert bytes(values.flatten().tolist()).decode() == "für Elise, zum Beispiel"[:19]
    assert len(data.inputs) == 256
    assert "".join(data.inputs.vocabulary).encode("latin-1") == bytes(range(256))


def test_large_vocabularies_have_numbers_of_their_own() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 700)))
    data = blocks(train=text, dev=text[:50])
    values = torch.cat([batch.inputs.values for batch in data.train.in_order()])
    assert said(values[68], data.inputs.vocabulary) == text[680:690]


def test_a_checkpoints_vocabulary_is_taken_for_another_text() -> None:
    data = blocks()
    other = blocks(data.learned, train="xyz" * 10, dev="hello!hello")
    assert other.inputs == data.inputs
    values = next(other.split("dev").in_order()).inputs.values
    assert said(values).replace("<unknown>", "?") == "hello?hell"


def test_the_checkpoint_of_another_tokenizer_is_refused() -> None:
    with pytest.raises(UnfitError, match="trained with another tokenizer; leave this setting out") as error:
        blocks(blocks().learned, tokenizer={"type": "character", "minimum": 2})
    assert error.value.path == ("tokenizer",)


def test_a_vocabulary_may_be_of_words_or_pieces() -> None:
    text = "the cat saw the dog\nand the dog saw the cat\n" * 30
    words = blocks(train=text, dev=text, tokenizer={"type": "word", "minimum": 1}, block=5)
    assert set(words.inputs.vocabulary) == {"<unknown>", "\n", "the", "cat", "saw", "dog", "and"}
    batch = next(words.split("dev").in_order())
    assert (
        words.target_vocabulary.text(batch.inputs.values[:2].flatten().tolist())
        == "the cat saw the dog\nand the dog saw"
    )
    pieces = blocks(train=text, dev=text, tokenizer={"type": "bpe", "size": 270}, block=5)
    batch = next(pieces.split("dev").in_order())
    assert text.startswith(pieces.target_vocabulary.text(batch.inputs.values[:3].flatten().tolist()))


def test_batches_of_evaluation_are_small_where_the_vocabulary_is_large() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    large, small = blocks(train=text, dev=text).split("dev"), blocks(train=TRAIN * 200, dev=TRAIN * 200).split("dev")
    assert [len(next(part.in_order()).targets) for part in (large, small)] == [167, 1638]


def test_a_text_shorter_than_a_block_is_refused() -> None:
    blocks(block=21)
    with pytest.raises(UnfitError, match="letters has a part of 22 characters; take a smaller one") as error:
        blocks(block=22)
    assert error.value.path == ("block",)


def test_what_there_is_to_know() -> None:
    said = blocks().describe()
    assert said["examples"] == {"train": 10, "dev": 2}
    assert said["tokens"] == {"train": 101, "dev": 22}
    assert len(said["sha256"]) == 64
    assert blocks(dev=DEV.upper()).describe()["sha256"] != said["sha256"]


def test_a_text_is_divided_at_its_nine_tenths() -> None:
    corpus = Corpus.divided("letters", TRAIN)
    assert (corpus.train, corpus.dev) == (TRAIN[:90], TRAIN[90:])


CONFIG = """
data: {type: standard_library, size: 20000, block: 16, batch_size: 8}
model: {type: transformer, form: decoder, width: 16, heads: 2, layers: 1}
optimizer: {type: adamw, lr: 0.01}
trainer: {length: 60 steps, save: 20 steps}
"""


def test_a_language_model_learns_and_is_measured(command: Callable[..., Any], write: Callable[..., Path]) -> None:
    write(CONFIG)
    fitted = command("fit", "my.yaml", "--json").json
    assert fitted["dev"]["perplexity"] < 60
    measured = command("eval", fitted["run"], "--split", "test", "--json").json
    assert measured["metrics"]["perplexity"] == pytest.approx(fitted["best"]["value"])
