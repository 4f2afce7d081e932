"""Weights of a network that was trained before."""

from pathlib import Path

from torch import nn

from nntrain.adoption import adopt
from nntrain.checkpoint import load
from nntrain.checkpoints import find_checkpoint
from nntrain.errors import UnfitError, UserError
from nntrain.registry import initializer
from nntrain.settings import PathText


@initializer("checkpoint")
class FromCheckpoint:
    """The weights of a network that was trained before, by name: transfer learning.

    w = w' and s = s', for parameters w and buffers s (running statistics) that match matches

    What it does not match starts as its layer does, such as a head for other classes (match: ^body). `type` may be
    left out: init: {from: runs/my/2026-01-31T12-00-00, match: ^body}. How the data was standardised is not taken
    over. The run keeps the weights in its own checkpoints: going on with it, or measuring it, does not need the other.
    Source: Yosinski, Clune, Bengio, Lipson, How transferable are features in deep neural networks?, 2014,
    arXiv:1411.1792.

    Settings:
        from: a checkpoint, or the folder of a run (its best model, else its last)
        match: pattern on names of parameters and buffers; by default all
        strict: whether all that match matches must be there with its shape; else what fits is taken
        rename: patterns on the names in the checkpoint, each with what replaces them, one after the other
    """

    def __init__(
        self,
        *,
        from_: PathText,
        match: str = ".",
        strict: bool = True,
        rename: dict[str, str] = {},  # noqa: B006
    ) -> None:
        try:
            self._path = find_checkpoint(Path(from_))
            self._tensors = load(self._path).model
        except UserError as error:
            raise UnfitError(str(error), "from") from None
        if not self._tensors:
            raise UnfitError(f"{self._path} holds no trained model", "from")
        self._match = match
        self._strict = strict
        self._rename = rename

    def __call__(self, model: nn.Module) -> str:
        """Fills the model, and says what was taken."""
        try:
            adopted = adopt(model, self._tensors, self._match, self._strict, self._rename)
        except UnfitError as error:
            error.args = (f"{self._path}: {error}",)
            raise
        return f"{adopted} from {self._path}"
