"""From a source to a target, a token at a time."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.errors import UserError
from nntrain.network import Network
from nntrain.specs import Pairs

LENGTH_PENALTY = 0.6
MARGIN = 10  # tokens that a target may always have


class State(Protocol):
    """What an encoder-decoder knows of its sources, and of the target of each so far: a row for each target."""

    def select(self, rows: Tensor, sources: bool) -> None:
        """Keeps these rows, in this order; `sources` says whether that changes which source a row belongs to."""


class Writer(Protocol):
    """An encoder-decoder that goes on with targets."""

    context: int  # tokens of a target, at most

    def begun(self, source: Sequences) -> State:
        """What is known before the first token."""

    def follow(self, tokens: Tensor, state: Any) -> Tensor:
        """The features (rows, 1, width) after one more token (rows, 1) each; the state takes it in."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How a target is looked for among all that a model may write.

    beam: how many targets of each source are followed at a time; 1 takes the most likely token, again and again
    length_penalty: a in the score of a whole target of n tokens, log p / ((5 + n) / 6)^a
    longest: the target's length is at most so many times its source's, and ten tokens more

    Source: Wu et al., Google's neural machine translation system, 2016, arXiv:1609.08144, section 7.
    """

    beam: int = 1
    length_penalty: float = LENGTH_PENALTY
    longest: float = 2.0

    def score(self, log_probability: Tensor, length: Tensor | int) -> Tensor:
        """What whole targets are compared by."""
        return log_probability / ((5 + torch.as_tensor(length)) / 6) ** self.length_penalty

    def limits(self, source: Sequences, context: int) -> Tensor:
        """How long the target of each source may become."""
        values, lengths = source
        whole = torch.full((len(values),), values.shape[1], device=values.device) if lengths is None else lengths
        return (self.longest * whole).long().add(MARGIN).clamp(max=context)


@torch.no_grad()
def translate(model: nn.Module, source: Sequences, search: Search = Search()) -> Sequences:
    """The target of each source that an encoder-decoder in eval mode finds the most likely, by beam search.

    Returns targets without their begin and with their end, where they come to one; behind it stand ends.
    """
    writer, head = _parts(model)
    state = writer.begun(source)
    beams = Beams(search, search.limits(source, writer.context))
    features = writer.follow(source.values.new_full((len(source.values), 1), Pairs.begin), state)
    state.select(beams.rows, True)
    logits = head(features)[:, -1][beams.rows]
    while True:
        rows, has_lost = beams.extend(logits.float().log_softmax(dim=-1))
        if not len(rows):
            return beams.found()
        if search.beam > 1 or has_lost:
            state.select(rows, has_lost)
        logits = head(writer.follow(beams.last, state))[:, -1]


class Beams:
    """The likeliest targets of each source so far, and the best of those that have come to their end.

    A source is done as soon as as many of its targets have ended as a beam is wide, or none of the others can become
    better than the best of them, or they are as long as they may become.
    """

    def __init__(self, search: Search, limits: Tensor) -> None:
        sources, beam, device = len(limits), search.beam, limits.device
        self._search = search
        self._limits = limits
        self._active = torch.arange(sources, device=device)  # sources that are not done
        self._scores = torch.full((sources, beam), -torch.inf, device=device)  # log-probabilities
        self._scores[:, 0] = 0  # all begin alike: the others would be the same again
        self._tokens = torch.empty(sources, beam, 0, dtype=torch.long, device=device)
        self._ended = torch.zeros(sources, dtype=torch.long, device=device)
        self._best = torch.full((sources,), -torch.inf, device=device)
        self._found = torch.full((sources, int(limits.max())), Pairs.end, device=device)
        self._lengths = torch.zeros(sources, dtype=torch.long, device=device)

    @property
    def rows(self) -> Tensor:
        """The source of each target."""
        return self._active.repeat_interleave(self._search.beam)

    @property
    def last(self) -> Tensor:
        """The last token of each target (rows, 1)."""
        return self._tokens[:, :, -1].reshape(-1, 1)

    def found(self) -> Sequences:
        return Sequences(self._found[:, : int(self._lengths.max())], self._lengths)

    def extend(self, log_probabilities: Tensor) -> tuple[Tensor, bool]:
        """Goes on with the likeliest tokens, given log p (rows, vocabulary) of all.

        Returns the rows that the targets go on from, and whether some source is done and has none any more.
        """
        beam, vocabulary = self._search.beam, log_probabilities.shape[1]
        totals = (self._scores.unsqueeze(2) + log_probabilities.view(-1, beam, vocabulary)).flatten(1)
        scores, choices = totals.topk(min(2 * beam, totals.shape[1]), dim=1)  # of which at most `beam` are ends
        parents, tokens = choices // vocabulary, choices % vocabulary
        is_end = tokens == Pairs.end
        self._end(scores[:, :beam], parents[:, :beam], is_end[:, :beam])
        going_on = is_end.long().argsort(dim=1, stable=True)[:, :beam]
        parents = parents.gather(1, going_on)
        self._scores = scores.gather(1, going_on).masked_fill(is_end.gather(1, going_on), -torch.inf)
        self._tokens = torch.cat((self._of(parents), tokens.gather(1, going_on).unsqueeze(2)), dim=2)
        before = torch.arange(len(parents), device=parents.device).unsqueeze(1) * beam + parents
        is_active = ~self._are_done()
        self._keep(is_active)
        return before[is_active].flatten(), not bool(is_active.all())

    def _end(self, scores: Tensor, parents: Tensor, is_end: Tensor) -> None:
        """Sees which of the likeliest targets end here."""
        length = self._tokens.shape[2]
        self._ended += (is_end & scores.isfinite()).sum(dim=1)
        whole = self._search.score(scores, length + 1).masked_fill(~is_end, -torch.inf)
        best, which = whole.max(dim=1)
        tokens = self._of(parents.gather(1, which.unsqueeze(1))).squeeze(1)
        self._note(best, tokens, length + 1, best > self._best)

    def _are_done(self) -> Tensor:
        length = self._tokens.shape[2]
        likeliest = self._scores.amax(dim=1)
        is_full = self._limits <= length
        self._note(self._search.score(likeliest, length), self._tokens[:, 0], length, is_full & self._best.isinf())
        reachable = self._search.score(likeliest, self._limits)  # at most: probabilities only fall
        return is_full | (self._ended >= self._search.beam) | (self._best >= reachable)

    def _note(self, scores: Tensor, tokens: Tensor, length: int, is_better: Tensor) -> None:
        """Remembers targets (sources, time) as the best ones where they are; what follows in them is an end."""
        better = self._active[is_better]
        self._best = torch.where(is_better, scores, self._best)
        self._lengths[better] = length
        self._found[better] = Pairs.end
        self._found[better, : tokens.shape[1]] = tokens[is_better]

    def _of(self, parents: Tensor) -> Tensor:
        """The tokens of targets by their numbers in the beam, (sources, targets, time)."""
        return self._tokens.gather(1, parents.unsqueeze(2).expand(-1, -1, self._tokens.shape[2]))

    def _keep(self, is_active: Tensor) -> None:
        self._active, self._limits, self._scores, self._tokens, self._ended, self._best = (
            part[is_active]
            for part in (self._active, self._limits, self._scores, self._tokens, self._ended, self._best)
        )


def _parts(model: nn.Module) -> tuple[Writer, nn.Module]:
    """What goes on with targets, and the head that reads the next token off its features."""
    if not isinstance(model, Network):
        raise UserError("models together do not write, token by token; take one of them, or --average weights")
    writer: Any = model.body
    return writer, model.head
