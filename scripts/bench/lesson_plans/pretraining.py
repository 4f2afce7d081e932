"""What layer-wise pre-training is for: deep networks of sigmoid units that random weights do not train."""

import math
from collections.abc import Mapping

from nntrain.assemble import assemble
from nntrain.config import load
from training import CONFIGS, Row, fitted

CONFIG = "stacked_autoencoder_digits"
STAGES = 4
SMALL = {"torch's": "[]", "normal 0.1": "[{type: normal, deviation: 0.1}]", "Glorot's": "[glorot_uniform]"}
LARGE = {"He's": "[he_normal]"}


def layer_by_layer(
    epochs: int = 50, share: float = 0.6, small: Mapping[str, str] = SMALL, large: Mapping[str, str] = LARGE
) -> list[Row]:
    """An autoencoder with six layers of sigmoid units, from layers trained one by one and from random weights.

    Each stage is of so many epochs; the random weights are trained for as many epochs as all stages together.
    """
    mean_image = _error_of_the_mean()
    whole = f"stages=[{{model: {{greedy: false}}, trainer: {{length: {STAGES * epochs} epochs}}}}]"
    trained = _error(f"trainer.length={epochs} epochs")
    failed, others = ({name: _error(whole, f"init={init}") for name, init in these.items()} for these in (small, large))
    rows = [
        (f"six sigmoid layers trained layer by layer, then as a whole, get below {share:.0%} of the mean image's error",
         f"dev reconstruction error of digits {trained:.3f}; the mean image's is {mean_image:.3f}",
         trained < share * mean_image),
        ("from small random weights as many updates of the whole leave it within 10 % of the mean image's error",
         _listed(failed), all(error > 0.9 * mean_image for error in failed.values())),
    ]  # fmt: skip
    if others:
        holds = all(error > trained for error in others.values())
        rows.append(("from larger random weights they get farther, but not as far", _listed(others), holds))
    return rows


def _error(*overrides: str) -> float:
    """The dev error at the end of a run."""
    with fitted(CONFIG, *overrides) as summary:
        return summary["dev"]["reconstruction_error"]


def _error_of_the_mean() -> float:
    """The dev error of putting out the training set's mean for every image."""
    document = load(CONFIGS / f"{CONFIG}.yaml", ["stages=[]", "name=lesson"])
    data = assemble(document).data
    train, dev = (next(split.in_order()).inputs for split in (data.train, data.split("dev")) if split is not None)
    return math.sqrt(float((dev - train.mean(dim=0)).square().mean()))


def _listed(errors: Mapping[str, float]) -> str:
    return ", ".join(f"{name} weights: {error:.3f}" for name, error in errors.items())


LESSONS = (layer_by_layer,)
