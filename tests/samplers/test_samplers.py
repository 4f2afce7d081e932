"""Which examples an epoch sees, and in which order."""

import os
import signal
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from made import made

from nntrain.data.order import Order
from nntrain.errors import UnfitError
from nntrain.samplers import Sampler, TrainingSet
from runs import at_step, only_run, runs_in, same_run

CPU = torch.device("cpu")
LENGTHS = torch.randint(1, 100, (1000,), generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0] * 900 + [3] * 90 + [1] * 10)[torch.randperm(1000, generator=torch.Generator().manual_seed(1))]


def sampler(settings: Any, batch_size: int = 32, count: int = 1000) -> Sampler:
    return made("sampler", settings, TrainingSet(count, batch_size, LABELS[:count], LENGTHS[:count]))


def drawn(made: Sampler, seed: int = 0) -> torch.Tensor:
    return made(torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["shuffled", "by_length"])
@pytest.mark.parametrize(("batch_size", "count"), [(32, 1000), (7, 1000), (1000, 1000), (64, 20), (1, 5), (4, 9)])
def test_every_example_is_seen_once(name: str, batch_size: int, count: int) -> None:
    found = drawn(sampler(name, batch_size, count))
    assert sorted(found.tolist()) == list(range(count))


@pytest.mark.parametrize("settings", ["shuffled", "by_length", {"type": "by_length", "pool": 3}, "balanced"])
def test_the_generator_alone_says_the_order(settings: Any) -> None:
    torch.manual_seed(1)
    one = drawn(sampler(settings))
    torch.manual_seed(2)
    assert torch.equal(one, drawn(sampler(settings)))
    assert not torch.equal(one, drawn(sampler(settings), seed=1))


def padding(order: torch.Tensor, batch_size: int) -> float:
    """The share of padded batches that is padding."""
    batches = [LENGTHS[batch] for batch in torch.split(order, batch_size)]
    return 1 - int(LENGTHS.sum()) / sum(int(batch.max()) * len(batch) for batch in batches)


def test_batches_of_like_length_have_little_padding_and_come_in_any_order() -> None:
    found = drawn(sampler("by_length"))
    assert padding(drawn(sampler("shuffled")), 32) > 0.4
    assert padding(found, 32) < 0.07
    means = torch.stack([LENGTHS[batch].float().mean() for batch in torch.split(found[:992], 32)])
    assert (means.diff() > 0).sum() not in (0, 30)  # neither from short to long nor the other way round


def test_smaller_pools_mix_more() -> None:
    shares = [padding(drawn(sampler({"type": "by_length", "pool": pool})), 32) for pool in (1, 4, 50)]
    assert shares == sorted(shares, reverse=True)


def test_the_short_batch_stands_last() -> None:
    found = drawn(sampler("by_length", batch_size=300))
    for batch in torch.split(found[:900], 300):
        others = LENGTHS[found[:900]]
        within = LENGTHS[batch].sort().values
        assert ((others >= within[0]) & (others <= within[-1])).sum() < 320, "a batch is of one stretch of lengths"


def test_all_classes_are_seen_equally_often() -> None:
    made = sampler("balanced")
    seen = torch.cat([drawn(made, seed) for seed in range(20)])
    counts = torch.bincount(LABELS[seen], minlength=4)
    assert counts[2] == 0
    assert all(abs(int(counts[label]) - 20_000 / 3) < 4 * (20_000 * 2 / 9) ** 0.5 for label in (0, 1, 3))
    rare = torch.bincount(seen, minlength=1000)[LABELS == 1]
    assert rare.min() > 500, "every example of a class is as likely as another"
    assert len(drawn(made)) == 1000


@pytest.mark.parametrize("settings", ["by_length", "balanced"])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_from_any_step_the_updates_are_those_of_a_whole_run(settings: Any, accumulate: int) -> None:
    order = Order(1000, 32, accumulate, 5, sampler(settings))

    def updates(step: int, count: int) -> list[list[list[int]]]:
        return [[batch.tolist() for batch in update] for update in islice(order.updates(step), count)]

    whole = updates(0, 70)
    for step in (1, 10, 31, 32, 33, 60):
        assert updates(step, 70 - step) == whole[step:]


@pytest.mark.parametrize("name", ["by_length", "balanced"])
def test_data_that_it_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(UnfitError, match="take shuffled"):
        made("sampler", name, TrainingSet(10, 2))


CONFIG = """
data: {type: DATA, batch_size: 16, sampler: SAMPLER}
model: {type: MODEL, hidden: 4}
trainer: {length: 40 steps, evaluate: 8 steps, save: 7 steps}
"""


@pytest.mark.parametrize(
    ("data", "model", "name"),
    [("digit_lines, lines: 200", "gru", "by_length"), ("breast_cancer", "mlp", "balanced")],
)
def test_a_run_that_was_stopped_ends_like_a_whole_one(
    command: Callable[..., Any],
    write: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: str,
    model: str,
    name: str,
) -> None:
    text = CONFIG.replace("DATA", data).replace("MODEL", model).replace("SAMPLER", name)
    write(text.replace("hidden: 4", "hidden: [4]") if model == "mlp" else text)
    assert command("fit", "my.yaml", "--out", "whole").status == 0
    with monkeypatch.context() as patch:
        at_step(patch, 23, lambda: os.kill(os.getpid(), signal.SIGINT))
        assert command("fit", "my.yaml", "--out", "parts").status == 130
    assert command("fit", "--resume", only_run(tmp_path / "parts")).status == 0
    same_run(only_run(tmp_path / "whole"), only_run(tmp_path / "parts"))


def test_another_sampler_is_another_run(
    command: Callable[..., Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    write("data: iris\nmodel: {type: mlp, hidden: [4]}\ntrainer: {length: 5 steps}\n")
    assert command("fit", "my.yaml").status == 0
    (run,) = runs_in(tmp_path / "runs")
    refused = command("fit", "--resume", run, "data.sampler=balanced", "trainer.length=9 steps")
    assert refused.status == 2
    assert "cannot go on with other examples or batches" in refused.err
    said = command("check", "my.yaml", "data.sampler=by_length")
    assert "data.sampler: the inputs have no lengths of their own" in said.err
