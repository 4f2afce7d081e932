"""Which sequence is made from one vector or image."""

import textwrap
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import IGNORED, Batch
from nntrain.generate import Sampling, generate
from nntrain.grid import sheet
from nntrain.look.examples import said
from nntrain.pictures import images_of, visible
from nntrain.registry import task
from nntrain.samples import Picture, Sample, Text, table
from nntrain.settings import Loss as LossSetting
from nntrain.settings import NonNegative, Probability
from nntrain.specs import Image, Inputs, OneToMany, Tokens
from nntrain.tasks import Outcome, Task
from nntrain.tasks.language_model import LanguageModel

SHOWN = 16
DRAWN = 8  # images for each source
LETTERS = 12  # in a line below a picture


@task("sequence_generation")
class SequenceGeneration(Task):
    """A sequence of tokens for each vector or image (one to many): outputs are logits (batch, time, vocabulary).

    L = -1/n sum_t log p(y_t | x, y_1 ... y_{t-1}), over all tokens and the mark of the end

    Each token is predicted from the right ones before it, so that exact_match is the share of sequences that are made
    without a fault where the most likely token always comes next.

    Source: Vinyals, Toshev, Bengio, Erhan, Show and tell: a neural image caption generator, 2015, arXiv:1411.4555.

    Settings:
        loss: what is minimised
        label_smoothing: the share of a token's weight that is spread over all tokens in training; the loss in
            evaluation is that against the tokens themselves
        temperature: of what is made to be shown, and by predict: tokens are drawn from softmax(z / temperature), 0
            takes the most likely one
    """

    metrics = ("perplexity", "error_rate", "exact_match")

    def __init__(
        self,
        inputs: OneToMany,
        *,
        loss: LossSetting = "cross_entropy",
        label_smoothing: Probability = 0.0,
        temperature: NonNegative = 0.0,
    ) -> None:
        self.targets = Tokens(inputs.vocabulary, inputs.target_length, inputs.unit)
        self._by_token = LanguageModel(self.targets, loss=loss, label_smoothing=label_smoothing)
        self._sampling = Sampling(temperature=temperature)
        self.objectives = self._by_token.objectives

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        return self._by_token.evaluate(model, batch)

    def respond(self, model: Any, batch: Batch) -> list[dict[str, Any]]:
        """What is made of each source."""
        return [{"sequence": self._text(row)} for row in self._made(model, batch.inputs.source)]

    def samples(self, model: Any, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Images that are drawn, some of each source; or what is said of some sources, and what is right."""
        assert isinstance(inputs, OneToMany)
        if inputs.drawn is not None:
            sources = torch.unique(batch.inputs.source, dim=0).repeat_interleave(DRAWN, dim=0)
            return [Picture("drawn", sheet(self.drawn(model, sources, inputs.drawn), columns=DRAWN))]
        texts = [self._text(row) for row in self._made(model, batch.inputs.source[:SHOWN])]
        shown = images_of(batch.inputs.source[:SHOWN], inputs.source)
        if shown is not None:
            return [Picture("said", sheet(visible(shown)[0], [textwrap.wrap(text, LETTERS) for text in texts]))]
        right = [self._text(row[row != IGNORED]) for row in batch.targets[:SHOWN]]
        return [Text("said", table(("said", "right"), list(zip(texts, right, strict=True))))]

    def drawn(self, model: Any, sources: Tensor, image: Image) -> Tensor:
        """What is made of sources, as images from 0, black, to 1; what is not drawn is black."""
        first, pixels = OneToMany.end + 1, image.height * image.width
        rows = [row[:pixels] - first for row in self._made(model, sources)]
        greys = [row.clamp(min=0) / (len(self.targets) - first - 1) for row in rows]
        return torch.stack([F.pad(grey, (0, pixels - len(grey))) for grey in greys]).view(-1, *image.shape)

    def untrained_loss(self) -> float | None:
        return self._by_token.untrained_loss()

    def _made(self, model: Any, sources: Tensor) -> list[Tensor]:
        """The tokens that are made of each source, up to the end."""
        begun = torch.full((len(sources), 1), OneToMany.begin, device=sources.device)
        rows = generate(model, begun, self.targets.length, self._sampling, source=sources)[:, 1:]
        ends = (rows == OneToMany.end).long().cumsum(dim=1) > 0
        return [row[:length] for row, length in zip(rows, (~ends).sum(dim=1).tolist(), strict=True)]

    def _text(self, tokens: Tensor) -> str:
        return said(tokens[tokens > OneToMany.end], self.targets.vocabulary, self.targets.unit)
