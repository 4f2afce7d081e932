"""The order in which examples are seen."""

from itertools import islice

import pytest
import torch

from nntrain.data.order import Order
from nntrain.samplers import TrainingSet
from nntrain.samplers.shuffled import Shuffled

CPU = torch.device("cpu")

# (examples, batch_size, accumulate) -> sizes of the batches of each update of an epoch
EPOCHS = {
    (12, 4, 1): [[4], [4], [4]],
    (10, 4, 1): [[4], [4], [2]],
    (9, 4, 1): [[4], [5]],
    (5, 4, 1): [[5]],
    (1, 4, 1): [[1]],
    (3, 4, 1): [[3]],
    (4, 4, 1): [[4]],
    (3, 1, 1): [[1], [1], [1]],
    (1, 1, 1): [[1]],
    (12, 4, 2): [[4, 4], [4]],
    (10, 4, 2): [[4, 4], [2]],
    (9, 4, 2): [[4, 5]],
    (13, 4, 2): [[4, 4], [5]],
    (17, 4, 2): [[4, 4], [4, 5]],
    (12, 4, 5): [[4, 4, 4]],
    (3, 1, 2): [[1, 1], [1]],
    (3, 100, 8): [[3]],
}
every_order = pytest.mark.parametrize("numbers", EPOCHS)


def shuffled(examples: int, batch_size: int, accumulate: int, seed: int) -> Order:
    return Order(examples, batch_size, accumulate, seed, Shuffled(TrainingSet(examples, batch_size)))


def updates(order: Order, step: int, count: int) -> list[list[list[int]]]:
    return [[batch.tolist() for batch in update] for update in islice(order.updates(step), count)]


@every_order
def test_sizes_of_batches(numbers: tuple[int, int, int]) -> None:
    order = shuffled(*numbers, seed=0)
    expected = EPOCHS[numbers]
    assert order.batches_per_epoch == sum(len(update) for update in expected)
    assert order.steps_per_epoch == len(expected)
    found = updates(order, 0, 2 * len(expected))
    assert [[len(batch) for batch in update] for update in found] == 2 * expected


@every_order
def test_every_epoch_covers_each_example_exactly_once(numbers: tuple[int, int, int]) -> None:
    order = shuffled(*numbers, seed=5)
    per_epoch = order.steps_per_epoch
    found = updates(order, 0, 3 * per_epoch)
    for epoch in range(3):
        seen = [number for update in found[epoch * per_epoch :][:per_epoch] for batch in update for number in batch]
        assert sorted(seen) == list(range(numbers[0]))


@every_order
def test_from_any_step_the_updates_are_those_of_a_whole_run(numbers: tuple[int, int, int]) -> None:
    order = shuffled(*numbers, seed=1)
    whole = updates(order, 0, 12)
    for step in range(10):
        assert updates(order, step, 12 - step) == whole[step:]


@every_order
def test_examples_seen(numbers: tuple[int, int, int]) -> None:
    order = shuffled(*numbers, seed=0)
    steps = 3 * order.steps_per_epoch
    sizes = [sum(map(len, update)) for update in updates(order, 0, steps)]
    assert [order.seen(step) for step in range(steps + 1)] == [sum(sizes[:step]) for step in range(steps + 1)]


@pytest.mark.parametrize("batch_size", range(1, 40))
def test_no_epoch_has_a_batch_of_one_unless_all_are(batch_size: int) -> None:
    """Batch statistics cannot be taken of one example."""
    for examples in range(2, 80):
        order = shuffled(examples, batch_size, 1, seed=0)
        sizes = [len(batch) for (batch,) in updates(order, 0, order.steps_per_epoch)]
        assert sum(sizes) == examples
        assert batch_size == 1 or min(sizes) > 1


def epoch(seed: int, number: int, batch_size: int = 7, accumulate: int = 1) -> list[int]:
    order = shuffled(100, batch_size, accumulate, seed)
    per_epoch = order.steps_per_epoch
    return [n for update in updates(order, number * per_epoch, per_epoch) for batch in update for n in batch]


def test_the_order_is_a_pure_function_of_seed_and_epoch() -> None:
    torch.manual_seed(1)
    first = epoch(seed=0, number=3)
    torch.manual_seed(2)
    assert epoch(seed=0, number=3) == first
    assert epoch(seed=0, number=3, batch_size=100) == epoch(seed=0, number=3, batch_size=9, accumulate=4) == first


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [tuple(epoch(seed, number)) for seed in range(5) for number in range(5)]
    assert len(set(orders)) == 25
    assert tuple(range(100)) not in orders


def test_drawing_an_order_leaves_torchs_generator_alone() -> None:
    before = torch.get_rng_state()
    epoch(seed=0, number=0)
    assert torch.equal(torch.get_rng_state(), before)
