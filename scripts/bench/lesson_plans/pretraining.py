"""What layer-wise pre-training is for: deep networks of sigmoid units that random weights do not train."""

import math
from collections.abc import Sequence

from nntrain.assemble import assemble
from nntrain.config import load
from training import CONFIGS, Row, fitted

CONFIG = "stacked_autoencoder_digits"
AS_A_WHOLE = "stages=[{model: {greedy: false}, trainer: {length: 200 epochs}}]"  # as long as all stages together
SMALL = {"torch's": "[]", "normal 0.1": "[{type: normal, deviation: 0.1}]", "Glorot": "[glorot_uniform]"}
LARGE = {"He's": "[he_normal]"}


def layer_by_layer(overrides: Sequence[str] = (), whole: str = AS_A_WHOLE) -> list[Row]:
    """An autoencoder with six layers of sigmoid units, from layers trained one by one and from random weights."""
    mean_image = _error_of_the_mean()
    trained = _error(*overrides)
    small = {name: _error(*overrides, whole, f"init={init}") for name, init in SMALL.items()}
    large = {name: _error(*overrides, whole, f"init={init}") for name, init in LARGE.items()}
    beside = f"dev reconstruction error of digits; the mean image's is {mean_image:.3f}"
    return [
        ("six sigmoid layers trained layer by layer, then as a whole, bring the error to 60 % of the mean image's",
         f"{trained:.3f} ({beside})", trained < 0.6 * mean_image),
        ("from small random weights the same updates leave it within 10 % of the mean image's",
         _listed(small), all(error > 0.9 * mean_image for error in small.values())),
        ("larger random weights train, but not as far",
         _listed(large), all(error > trained for error in large.values())),
    ]  # fmt: skip


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


def _listed(errors: dict[str, float]) -> str:
    return ", ".join(f"{name} weights: {error:.3f}" for name, error in errors.items())


LESSONS = (layer_by_layer,)
