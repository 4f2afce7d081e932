"""Sequences that are made from one vector or image."""

from typing import Any

import torch
from made import component

from nntrain.batch import Batch, Pair, Sequences
from nntrain.network import Network, network_for
from nntrain.specs import Image, OneToMany, Tokens, Vector
from nntrain.tasks.sequence_generation import SequenceGeneration

VOCABULARY = ("<begin>", "<end>", "0", "1", "2")
DRAWING = OneToMany(Vector(2), VOCABULARY, 7, "grey", Image(1, 2, 3))


class Writer(torch.nn.Module):
    """Writes 2 1 0 2 <end> for the first source and only 1 for the second."""

    def begun(self, source: torch.Tensor) -> dict[str, Any]:
        sequences = torch.tensor([[4, 3, 2, 4, 1, 0, 0], [3, 3, 3, 3, 3, 3, 3]])
        return {"rows": sequences[source.argmax(dim=1)], "at": 0}

    def follow(self, tokens: torch.Tensor, state: dict[str, Any]) -> torch.Tensor:
        state["at"] += 1
        return torch.nn.functional.one_hot(state["rows"][:, state["at"] - 1 : state["at"]], 5).float()


def writing() -> Any:
    return Network(Writer(), torch.nn.Identity())


def task() -> SequenceGeneration:
    return SequenceGeneration(DRAWING, loss=component("loss", "cross_entropy"))


def test_drawings_are_grey_values_in_rows_up_to_the_end() -> None:
    images = task().drawn(writing(), torch.eye(2), Image(1, 2, 3))
    assert images.tolist() == [[[[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]]], [[[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]]]


def test_what_is_told_of_a_source_ends_before_the_mark() -> None:
    batch = Batch(Pair(torch.eye(2), Sequences(torch.zeros(2, 1, dtype=torch.long))), torch.zeros(2, 1))
    assert task().respond(writing(), batch) == [{"sequence": "2 1 0 2"}, {"sequence": "1 1 1 1 1 1 1"}]


def test_the_loss_is_that_of_the_next_tokens() -> None:
    torch.manual_seed(0)
    net = network_for(component("model", {"type": "rnn_decoder", "hidden": 4}), DRAWING, Tokens(VOCABULARY, 7, "grey"))
    batch = Batch(Pair(torch.eye(2), Sequences(torch.tensor([[0, 2], [0, 3]]))), torch.tensor([[2, 1], [3, 1]]))
    outcome = task().evaluate(net.eval(), batch)
    expected = torch.nn.functional.cross_entropy(net(batch.inputs).flatten(0, 1), batch.targets.flatten())
    assert outcome.loss is not None
    torch.testing.assert_close(outcome.loss.over(outcome.counts), expected)
