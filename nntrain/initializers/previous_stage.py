"""Weights of the stage before."""

from collections.abc import Mapping

from torch import Tensor, nn

from nntrain.adoption import adopt
from nntrain.errors import UnfitError
from nntrain.registry import initializer


@initializer("previous_stage")
class FromPreviousStage:
    """What the stage before has learned, by name: how a training in stages goes on.

    w = w' and s = s', for parameters w and buffers s of the same name and shape, of those that match matches

    A stage whose init has no such rule takes over all that fits, after its other rules. Written out, it says what is
    left to start anew (a head: match: ^body), or which parts were called otherwise: the layers of a deep belief net
    become those of an mlp by rename: {'^rbms\\.(\\d+)\\.weight': 'body.layers.\\1.linear.weight'}. They are those at
    the end of the stage before, not its best.
    Source: Bengio, Lamblin, Popovici, Larochelle, Greedy layer-wise training of deep networks, 2007.

    Settings:
        match: pattern on names of parameters and buffers; by default all
        strict: whether all that match matches must be there with its shape; else what fits is taken
        rename: patterns on the names in the stage before, each with what replaces them, one after the other
    """

    def __init__(
        self,
        before: Mapping[str, Tensor] | None,
        *,
        match: str = ".",
        strict: bool = False,
        rename: dict[str, str] = {},  # noqa: B006
    ) -> None:
        if before is None:
            raise UnfitError("there is no stage before this one")
        self._tensors = before
        self._match = match
        self._strict = strict
        self._rename = rename

    def __call__(self, model: nn.Module) -> str:
        """Fills the model, and says what was taken."""
        try:
            return f"from the stage before {adopt(model, self._tensors, self._match, self._strict, self._rename)}"
        except UnfitError as error:
            error.args = (f"the stage before: {error}",)
            raise
