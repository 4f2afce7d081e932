"""A trained network that another one learns from."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.checkpoint import Checkpoint, find_checkpoint, learned_of, load
from nntrain.data import Learned, standardization
from nntrain.device import at_least_single
from nntrain.errors import UnfitError, UserError
from nntrain.network import network_for
from nntrain.reader import Reader
from nntrain.registry import Registry
from nntrain.specs import are_alike


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
        if own.facts != pupil.facts:
            raise UnfitError(f"the inputs of {path} were coded otherwise")
        self._translation = standardization.translation(pupil.tensors, own.tensors)
        self._model = _network(path, stored, own)

    @torch.no_grad()
    def __call__(self, inputs: Any) -> Tensor:
        """The teacher's logits."""
        if self._translation:
            inputs = standardization.apply(inputs, 1.0, self._translation)
        first = inputs if isinstance(inputs, Tensor) else inputs[0]
        return at_least_single(self._model.to(first.device)(inputs))


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
    model = network_for(chosen, own.inputs, own.targets)
    for penalty in penalties:
        if penalty is not None:
            penalty().bind(model)  # some compute weights from others
    try:
        model.load_state_dict(stored.part("model"))
    except RuntimeError as error:
        raise UnfitError(f"{path} holds no classifier: {str(error).splitlines()[-1].strip()}") from None
    return model.eval().requires_grad_(False)
