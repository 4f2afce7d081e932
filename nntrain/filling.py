"""What stands where a text has [MASK], by a masked language model."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from nntrain.batch import Batch
from nntrain.data import Given
from nntrain.data.lines import whole_text
from nntrain.data.text import Blocks, Prompt
from nntrain.errors import UserError
from nntrain.parts import Trained
from nntrain.predict import Answer, Row
from nntrain.tasks.masked_language_model import MASK, MaskedLanguageModel


def fills(parts: Trained) -> bool:
    """Whether the model says what is hidden in a text."""
    return isinstance(parts.data, Blocks) and isinstance(parts.task, MaskedLanguageModel)


def with_marks(parts: Trained, paths: Iterable[str], prompts: Iterable[str]) -> Iterator[Given]:
    """The texts of files, and prompts, each [MASK] in them a token."""
    data = parts.data
    assert isinstance(data, Blocks)
    for path in paths:
        try:
            yield _given(data, whole_text(path), {"file": path}, path)
        except UserError as error:
            yield Given(None, [], [str(error)])
    for prompt in prompts:
        yield _given(data, prompt, {"prompt": prompt}, "the prompt")


def filled(parts: Trained) -> Answer:
    """A text with the likeliest token at every [MASK], and those tokens with their probabilities."""
    data, model = parts.data, parts.model
    assert isinstance(data, Blocks)
    vocabulary, mask = data.target_vocabulary, len(data.target_vocabulary.tokens)

    def answer(batch: Batch) -> list[Row]:
        (tokens,) = batch.inputs.values
        is_hidden = tokens == mask
        likely, guesses = model(batch.inputs)[0].float().softmax(dim=-1).max(dim=-1)
        whole = torch.where(is_hidden, guesses, tokens).tolist()
        names = [vocabulary.text([token]) for token in guesses[is_hidden].tolist()]
        return [{"filled": vocabulary.text(whole), "guesses": names, "probabilities": likely[is_hidden].tolist()}]

    return answer


def _given(data: Blocks, text: str, source: Row, place: str) -> Given:
    tokens = _numbers(data, text)
    mask = len(data.target_vocabulary.tokens)
    if not (tokens == mask).any():
        return Given(None, [], [f"{place}: there is no {MASK} to be filled in"])
    return Given(Prompt(tokens), [source])


def _numbers(data: Blocks, text: str) -> Tensor:
    """The tokens of a text, the mask being the number after the last of the vocabulary."""
    mask = torch.tensor([len(data.target_vocabulary.tokens)])
    first, *others = (torch.from_numpy(part).long() for part in data.target_vocabulary.numbers(text.split(MASK)))
    return torch.cat([first, *(piece for part in others for piece in (mask, part))]).to(data.device)
