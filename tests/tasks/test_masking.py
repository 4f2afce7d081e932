"""Which places of a sequence are hidden, and by what."""

import torch
from made import made

from nntrain.batch import IGNORED, Batch, Sequences
from nntrain.specs import Tokens
from nntrain.tasks.given import Given
from nntrain.tasks.masked_language_model import MASK
from nntrain.tasks.masking import Masked, Masking

TOKENS, LONGEST = 50, 40


def given(examples: int = 2000) -> Sequences:
    torch.manual_seed(0)
    lengths = torch.randint(1, LONGEST + 1, (examples,))
    return Sequences(torch.randint(TOKENS, (examples, LONGEST)), lengths)


def check_shares(masked: Masked, sequences: Sequences) -> None:
    is_token, chosen = sequences.mask(), masked.targets != IGNORED
    assert is_token is not None and sequences.lengths is not None
    expected = (0.15 * sequences.lengths).round().clamp(min=1).long()
    assert torch.equal(chosen.sum(dim=1), expected)
    assert not (chosen & ~is_token).any()
    assert torch.equal(masked.targets[chosen], sequences.values[chosen])
    assert torch.equal(masked.inputs.values[~chosen], sequences.values[~chosen])
    there, was = masked.inputs.values[chosen], sequences.values[chosen]
    shares = [float(found.float().mean()) for found in (there == TOKENS, there == was)]
    assert abs(shares[0] - 0.8) < 0.02
    assert abs(shares[1] - 0.1 - 0.1 / TOKENS) < 0.02
    others = there[(there != TOKENS) & (there != was)]
    assert len(others.unique()) > 0.9 * TOKENS and 0.07 < len(others) / len(there) < 0.13


def test_a_share_of_each_sequence_is_hidden_and_most_of_it_by_the_mask() -> None:
    sequences, masking = given(), Masking(0.15, TOKENS, LONGEST)
    check_shares(masking(sequences), sequences)
    check_shares(masking.always_alike(sequences), sequences)


def test_every_place_is_as_likely_to_be_hidden() -> None:
    full = Sequences(given().values)
    for masked in (Masking(0.15, TOKENS, LONGEST)(full), Masking(0.15, TOKENS, LONGEST).always_alike(full)):
        often = (masked.targets != IGNORED).float().mean(dim=0)
        assert abs(float(often.mean()) - 0.15) < 1e-6
        assert float(often.min()) > 0.07 and float(often.max()) < 0.25


def test_training_hides_other_places_each_time_but_after_the_same_seed_the_same() -> None:
    sequences, masking = given(20), Masking(0.15, TOKENS, LONGEST)
    torch.manual_seed(3)
    one, other = masking(sequences), masking(sequences)
    torch.manual_seed(3)
    again = masking(sequences)
    assert not torch.equal(one.targets, other.targets)
    assert torch.equal(one.targets, again.targets) and torch.equal(one.inputs.values, again.inputs.values)


def test_evaluation_hides_the_same_places_in_any_batch_and_draws_nothing() -> None:
    sequences, masking = given(30), Masking(0.15, TOKENS, LONGEST)
    assert sequences.lengths is not None
    torch.manual_seed(5)
    whole = masking.always_alike(sequences)
    assert torch.equal(torch.rand(1), torch.manual_seed(5) and torch.rand(1))
    for i, length in enumerate(sequences.lengths.tolist()):
        alone = Masking(0.15, TOKENS, LONGEST).always_alike(Sequences(sequences.values[i : i + 1, :length]))
        assert torch.equal(alone.targets[0], whole.targets[i, :length])
        assert torch.equal(alone.inputs.values[0], whole.inputs.values[i, :length])


def test_only_what_is_hidden_counts() -> None:
    """The loss is the mean surprise of the hidden tokens, and no other output matters."""
    sequences = given(10)
    tokens = Tokens(tuple(map(str, range(TOKENS))), LONGEST)
    task = made("task", {"type": "masked_language_model", "label_smoothing": 0.1}, tokens)
    batch = Batch(sequences, torch.zeros(10, LONGEST, dtype=torch.long))
    logits = torch.randn(10, LONGEST, TOKENS)
    outcome = task.evaluate(Given(logits), batch)
    hidden = outcome.targets != IGNORED
    expected = torch.nn.functional.cross_entropy(logits[hidden], sequences.values[hidden])
    assert outcome.loss is not None
    torch.testing.assert_close(outcome.loss.over(outcome.counts), expected)
    changed = logits.masked_fill(~hidden.unsqueeze(2), 7.0)
    other = task.evaluate(Given(changed), batch)
    assert other.loss is not None
    torch.testing.assert_close(other.loss.over(other.counts), expected)


def test_the_model_knows_a_token_more_than_it_says() -> None:
    inputs = Tokens(("a", "b"), 4)
    task = made("task", "masked_language_model", inputs)
    assert task.seen(inputs) == Tokens(("a", "b", MASK), 4)
    assert task.targets.names == ("a", "b")
