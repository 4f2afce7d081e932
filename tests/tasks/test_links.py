"""Links of a graph: which are held out, what is no link, and how well they are foretold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made import made

from conftest import ROOT
from nntrain.data.links import LinkSplit, numbers_of
from nntrain.data.nodes import OnNodes
from nntrain.specs import Embedding, Links
from runs import instant_disk  # noqa: F401

CPU = torch.device("cpu")


def club(**settings: Any) -> Any:
    return made("data", {"type": "links", "graph": "karate_club", "dev": 0.1, "test": 0.2, **settings}, CPU, None)


def numbers(pairs: torch.Tensor) -> set[int]:
    return set(numbers_of(pairs, 34).tolist())


def whole() -> set[int]:
    graph = made("data", "karate_club", CPU, None)
    assert isinstance(graph, OnNodes)
    return numbers(graph.train.graph.edges.T)


def test_every_link_is_in_one_part_and_the_network_sees_those_of_training() -> None:
    data = club()
    parts = {name: numbers(data.split(name).pairs) for name in ("train", "dev", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"train": 56, "dev": 7, "test": 15}
    assert set().union(*parts.values()) == whole() and sum(map(len, parts.values())) == 78
    for name in parts:
        edges = data.split(name).graph.edges
        assert numbers(edges.T) == parts["train"] and edges.shape == (2, 112)


def test_other_pairs_are_no_links_and_all_different() -> None:
    data = club()
    others = [pair for name in ("train", "dev", "test") for pair in data.split(name).others.tolist()]
    found = numbers(torch.tensor(others))
    assert len(found) == len(others) == 78
    assert not found & whole()
    assert all(first != second for first, second in others)


def test_the_division_depends_on_its_seed_alone() -> None:
    one, again, other = (numbers(club(seed=seed).split("test").pairs) for seed in (0, 0, 1))
    assert one == again != other


def test_a_training_batch_has_as_many_drawn_pairs_which_are_told_truly() -> None:
    split: LinkSplit = club().train
    torch.manual_seed(0)
    known, drawn = numbers(split.pairs), set()
    for _ in range(30):
        (batch,) = next(split.stream([[torch.arange(20)]]))
        first, second = batch.inputs.chosen.chunk(2)
        pairs = torch.stack((first, second), dim=1)
        assert torch.equal(pairs[:20], split.pairs[:20]) and batch.targets.shape == (40,)
        assert bool((first != second).all())
        labels = [int(number in known) for number in numbers_of(pairs, 34).tolist()]
        assert batch.targets.tolist() == labels
        drawn |= numbers(pairs[20:])
    assert len(drawn) > 300  # of 561 pairs


def test_the_logit_of_a_pair_is_the_product_of_its_vectors() -> None:
    task = made("task", {"type": "link_prediction", "size": 3}, Links())
    assert task.targets == Embedding(3)
    (batch,) = club().split("dev").in_order()
    vectors = torch.randn(34, 3, generator=torch.Generator().manual_seed(0))
    outcome = task.evaluate(lambda inputs: vectors[inputs.chosen], batch)
    pairs = batch.inputs.chosen.view(2, -1).T.tolist()
    expected = [float(vectors[i] @ vectors[j]) for i, j in pairs]
    assert outcome.predictions.tolist() == pytest.approx(expected, rel=1e-5)
    assert outcome.targets.tolist() == [1] * 7 + [0] * 7


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{type: links, graph: iris}", "data.graph: iris is no data of nodes that are linked; take one such as cora"),
        ("{type: links, graph: karate_club, dev: 0.01}", "of 78 links this leaves"),
        ("{type: links, graph: karate_club, dev: 0.5, test: 0.5}", "of 78 links this leaves 0 for training"),
    ],
)
def test_mistakes_are_pointed_at(data: str, said: str, write: Callable[..., Path], command: Any) -> None:
    refused = command("check", write(f"data: {data}\nmodel: gnn\n"))
    assert refused.status == 2 and said in refused.err


def test_the_graph_autoencoder_finds_held_out_citations(shared_data: Path, command: Any, monkeypatch: Any) -> None:
    """Kipf and Welling report an area of 0.910 after 200 epochs."""
    monkeypatch.setenv("NNTRAIN_DATA", str(shared_data))
    config = ROOT / "configs" / "gae_cora.yaml"
    fitted = command("fit", config, "trainer.length=100 epochs", "trainer.evaluate=50 epochs", "--json").json
    measured = command("eval", fitted["run"], "--split", "test", "--json").json["metrics"]
    assert measured["auroc"] > 0.88 and measured["average_precision"] > 0.88
