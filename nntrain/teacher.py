"""A trained network that another one learns from."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.bounded import Bounded
from nntrain.checkpoint import Checkpoint, learned_of, load
from nntrain.checkpoints import find_checkpoint
from nntrain.data import Learned
from nntrain.data.preparation import SETTING, Preparation
from nntrain.device import at_least_single
from nntrain.errors import UnfitError, UserError
from nntrain.network import network_for
from nntrain.reader import Reader
from nntrain.registry import Registry
from nntrain.scalings.standard import Standard
from nntrain.specs import are_alike

STANDARD = (True, False, {"type": "standard"})  # ways to prepare inputs, of which one makes the other


class Teacher:
    """Answers what a trained network answers, in eval mode; it is not trained.

    Inputs come as they were prepared for the pupil, and are prepared again as they were for the teacher.
    """

    def __init__(self, place: str, pupil: Learned) -> None:
        """Reads a checkpoint, or a run's best; UnfitError where it is of other inputs or classes."""
        try:
            path = find_checkpoint(Path(place))
            stored = load(path)
            own = learned_of(stored)
        except UserError as error:
            raise UnfitError(str(error)) from None
        for what, mine, its in (("inputs", own.inputs, pupil.inputs), ("targets", own.targets, pupil.targets)):
            if not are_alike(mine, its):
                raise UnfitError(f"{path} was trained on other {what}: {mine}, and these are {its}")
        self._prepare = _translation(pupil, own)
        self._model = _network(path, stored, own)

    @torch.no_grad()
    def __call__(self, inputs: Any) -> Tensor:
        """The teacher's logits."""
        first = inputs if isinstance(inputs, Tensor) else inputs[0]
        if self._prepare is not None:
            self._prepare = self._prepare.on(first.device)  # for the steps to come too
            inputs = self._prepare(inputs)
        return at_least_single(self._model.to(first.device)(inputs))


def _translation(pupil: Learned, own: Learned) -> Preparation | None:
    """What makes the teacher's inputs of the pupil's; None where they are the same. UnfitError where nothing does.

    Both are standardised, by means and deviations of different training sets, or not at all.
    """
    is_same = pupil.tensors.keys() == own.tensors.keys() and all(
        torch.equal(tensor, own.tensors[name]) for name, tensor in pupil.tensors.items()
    )
    if is_same and pupil.facts == own.facts:
        return None
    scalings = [learned.facts.get(SETTING) for learned in (pupil, own)]
    others = [{name: fact for name, fact in learned.facts.items() if name != SETTING} for learned in (pupil, own)]
    if others[0] != others[1] or any(scaling not in STANDARD for scaling in scalings):
        raise UnfitError("its inputs were prepared in another way than these; set data as for the teacher")
    zeros = torch.zeros_like((pupil.tensors or own.tensors)["mean"])
    (mean, deviation), (other_mean, other_deviation) = (
        (learned.tensors.get("mean", zeros), learned.tensors.get("deviation", zeros + 1)) for learned in (pupil, own)
    )
    learned = {"mean": (other_mean - mean) / deviation, "deviation": other_deviation / deviation}
    return Preparation(Standard(pupil.inputs), pupil.inputs, learned)  # type: ignore[arg-type]  # no tokens


def _network(path: Path, stored: Checkpoint, own: Learned) -> nn.Module:
    """The network of a checkpoint with its weights, in eval mode."""
    config = stored.facts.get("config")
    if not isinstance(config, dict) or config.get("plugins"):
        raise UnfitError(f"{path} holds no network of nntrain's own models")
    reader = Reader(Registry())
    chosen = reader.component("model", config["model"], ("model",))
    penalties = [reader.component("regularizer", plain, ()) for plain in config.get("regularizers", [])]
    if chosen is None or reader.problems:
        raise UnfitError(f"{path} holds a network of another version of nntrain: {reader.problems[0]}")
    try:
        with Bounded(stored.model):
            model = network_for(chosen, own.inputs, own.targets)
    except UserError as error:
        raise UnfitError(f"{path}: {error}") from None
    for penalty in penalties:
        if penalty is not None:
            penalty().bind(model)  # some compute weights from others
    try:
        model.load_state_dict(stored.part("model"))
    except RuntimeError as error:
        raise UnfitError(f"{path} holds no classifier: {str(error).splitlines()[-1].strip()}") from None
    return model.eval().requires_grad_(False)
