"""What a network learns from another one, measured through the command line."""

from collections.abc import Callable

from training import Row, fitted, nntrain

DIGITS = (
    "data.split.train=1000",
    "data.batch_size=32",
    "data.augment=[{type: shift, pixels: 2}]",
    "optimizer={type: adamw, lr: 0.003, weight_decay: 0.01}",
    "scheduler={type: cosine, warmup: 5%}",
    "regularizers=[]",
    "trainer.evaluate=20 epochs",
    "trainer.early_stopping=null",
)
LARGE = ("trainer.length=40 epochs",)
SMALL = ("model={type: mlp, hidden: [64]}", "trainer.length=60 epochs")


def distillation(seeds: int = 5) -> list[Row]:
    """Both ways see the same 1,000 digits, moved alike, in the same order, from the same first weights."""
    claim = f"a small network taught by a large one beats itself taught by labels (1,000 digits, {seeds} seeds)"
    with fitted("lenet_mnist", *DIGITS, *LARGE) as teacher:
        own = _test_error(teacher["run"])
        taught = f"task={{type: distillation, teacher: {teacher['run']}, temperature: 3, hard: 0}}"
        ways = {"labels": (), "teacher": (taught,)}
        errors = {way: [_taught(*how, f"seed={seed}") for seed in range(seeds)] for way, how in ways.items()}
    by_labels, by_teacher = (sum(found) / seeds for found in errors.values())
    better = sum(teacher < labels for labels, teacher in zip(*errors.values(), strict=True))
    measured = (
        f"mean test error {by_labels:.2%} by labels, {by_teacher:.2%} by the teacher, which itself has {own:.2%}; "
        f"better with {better} of {seeds} seeds"
    )
    return [(claim, measured, by_teacher < by_labels and better >= seeds - 1)]


def _taught(*overrides: str) -> float:
    with fitted("lenet_mnist", *DIGITS, *SMALL, *overrides) as summary:
        return _test_error(summary["run"])


def _test_error(run: str) -> float:
    return nntrain("eval", run, "--split", "test")["metrics"]["error_rate"]


LESSONS: tuple[Callable[[], list[Row]], ...] = (distillation,)
