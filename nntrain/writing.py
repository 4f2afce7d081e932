"""What a trained language model writes: how a text goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from nntrain.batch import Batch
from nntrain.data import Dataset
from nntrain.data.text import Blocks
from nntrain.errors import UserError
from nntrain.generate import Sampling, generate
from nntrain.network import Network
from nntrain.parts import Trained
from nntrain.predict import Answer, Row
from nntrain.specs import Tokens
from nntrain.tokenizers import joined


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How a text is gone on with: by so many tokens, drawn so, from a generator with this seed for each prompt."""

    length: int = 200
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0


def goes_on(parts: Trained) -> bool:
    """Whether the model says how a text goes on."""
    return isinstance(parts.data, Blocks) and isinstance(parts.task.targets, Tokens)


def continuation(parts: Trained, writing: Writing) -> Answer:
    """How each prompt of a batch goes on."""
    inputs, model = parts.data.inputs, _network(parts)
    assert isinstance(inputs, Tokens)

    def answer(batch: Batch) -> list[Row]:
        prompt = batch.inputs.values
        generator = torch.Generator(prompt.device).manual_seed(writing.seed)
        whole = generate(model, prompt, writing.length, writing.sampling, generator, inputs.length)
        return [{"continuation": said(parts.data, row)} for row in whole[:, prompt.shape[1] :].tolist()]

    return answer


def said(data: Dataset, numbers: Sequence[int]) -> str:
    """The text that tokens of the targets make."""
    vocabulary = getattr(data, "target_vocabulary", None)
    if vocabulary is not None:
        return vocabulary.text(numbers)
    assert isinstance(data.targets, Tokens)
    return joined([data.targets.vocabulary[number] for number in numbers], data.targets.unit)


def _network(parts: Trained) -> Network:
    if not isinstance(parts.model, Network):
        raise UserError("models together do not write, token by token; take one of them, or --average weights")
    return parts.model
