"""What convolutional networks learn, and others do not, measured through the command line."""

from collections.abc import Callable

from training import Row, fitted, nntrain


def residual_learning(seeds: int = 5) -> list[Row]:
    claim = f"a 56-layer plain network trains worse than its residual twin (digits, width 8, {seeds} seeds)"
    errors: dict[str, float] = {}
    for shortcut in ("true", "false"):
        found = []
        for seed in range(seeds):
            overrides = ("model.depth=56", "data.batch_size=128", f"model.shortcut={shortcut}", f"seed={seed}")
            with fitted("resnet_digits", *overrides) as summary:
                found.append(summary["train"]["error_rate"])
        errors[shortcut] = sum(found) / seeds
    measured = f"mean training error {errors['false']:.1%} plain, {errors['true']:.1%} residual"
    return [(claim, measured, errors["false"] > errors["true"])]


def shifts(seeds: int = 3) -> list[Row]:
    claim = f"the CNN keeps its score on shifted digits where the MLP loses it ({seeds} seeds)"
    errors = {model: [_shifted(model, seed) for seed in range(seeds)] for model in ("cnn", "mlp")}
    (cnn, cnn_moved), (mlp, mlp_moved) = (map(_mean, zip(*errors[model], strict=True)) for model in ("cnn", "mlp"))
    measured = f"dev error in the middle and moved: CNN {cnn:.1%}, {cnn_moved:.1%}; MLP {mlp:.1%}, {mlp_moved:.1%}"
    return [(claim, measured, cnn_moved < cnn + 0.01 and mlp < 0.05 and mlp_moved > 0.5)]


def _shifted(model: str, seed: int) -> tuple[float, float]:
    """The dev error of digits in the middle, where the network was trained, and moved by up to 4 pixels."""
    other = () if model == "cnn" else (f"model={model}",)
    with fitted("cnn_shifted_digits", *other, f"seed={seed}") as summary:
        moved = nntrain("eval", summary["run"], "data.shift=4")["metrics"]["error_rate"]
        return summary["best"]["value"], moved


def motion() -> list[Row]:
    claim = "a 3-D CNN tells moving shapes apart; one that sees each frame by itself does not"
    errors = []
    for kernel in ("3", "[1, 3, 3]"):
        overrides = (f"model.blocks.{block}.kernel={kernel}" for block in (0, 2))
        with fitted("cnn3d_moving_shapes", *overrides) as summary:
            errors.append(nntrain("eval", summary["run"], "--split", "test")["metrics"]["error_rate"])
    measured = f"test error {errors[0]:.1%} with windows over time, {errors[1]:.1%} without (chance 75 %)"
    return [(claim, measured, errors[0] < 0.02 and errors[1] > 0.6)]


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)


LESSONS: tuple[Callable[[], list[Row]], ...] = (residual_learning, shifts, motion)
