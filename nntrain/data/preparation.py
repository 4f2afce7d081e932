"""Preparing inputs of any kind with what a scaling learned: real numbers are scaled, tokens stay as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nntrain.batch import Pair, Sequences
from nntrain.data import Learned
from nntrain.errors import UnfitError
from nntrain.scalings import Scaling
from nntrain.scalings.standard import Standard
from nntrain.scalings.unscaled import Unscaled
from nntrain.schema import Component
from nntrain.specs import Inputs, Vector
from nntrain.words import show

SETTING = "standardize"
Setting = bool | Component


@dataclass(frozen=True)
class Preparation:
    """What makes inputs, which come as `inputs` says, ready for a model, by what was learned of the training set."""

    scaling: Scaling
    inputs: Inputs
    learned: Mapping[str, Tensor]

    @staticmethod
    def of(setting: Setting, learned: Learned) -> "Preparation":
        return Preparation(scaling_of(setting, learned.inputs), learned.inputs, learned.tensors)

    def __call__(self, inputs: Any, scale: float = 1.0) -> Any:
        """`scale` times the inputs in torch's default type, scaled by what was learned; tokens as they are."""
        if isinstance(inputs, Pair):
            return inputs._replace(source=self(inputs.source, scale))
        if _are_tokens(inputs):
            return inputs
        if isinstance(inputs, Sequences):
            values, mask = self._scaled(inputs.values, scale, axis=2), inputs.mask()
            return Sequences(values if mask is None else values * mask.unsqueeze(-1), inputs.lengths)
        if isinstance(self.inputs, Vector) and self.inputs.flags:
            numbers = self._scaled(inputs[:, : self.inputs.numbers], scale, axis=1)
            return torch.cat((numbers, inputs[:, self.inputs.numbers :].to(numbers)), dim=1)
        return self._scaled(inputs, scale, axis=1)

    def on(self, device: torch.device) -> "Preparation":
        """The same for inputs that lie on a device."""
        return replace(self, learned={name: tensor.to(device) for name, tensor in self.learned.items()})

    def without_scaling(self) -> "Preparation":
        """Makes ordinary numbers of inputs, and no more."""
        return replace(self, learned={})

    def _scaled(self, values: Tensor, scale: float, axis: int) -> Tensor:
        """In float64 where the values are: a date in seconds has more digits than float32."""
        precise = torch.float64 if values.dtype == torch.float64 else torch.get_default_dtype()
        values = values.to(precise, copy=True).mul_(scale)
        scaled = self.scaling.apply(values, self.learned, axis) if self.learned else values
        return scaled.to(torch.get_default_dtype())


def scaling_of(setting: Setting, inputs: Inputs) -> Scaling:
    """The scaling that the setting `standardize` means: true is `standard`."""
    if isinstance(setting, Component):
        if isinstance(inputs, Vector) and inputs.numbers == 0:
            raise UnfitError("all inputs are flags, which are not scaled; leave this setting out", SETTING)
        return setting(inputs)
    return Standard(inputs) if setting else Unscaled(inputs)  # type: ignore[arg-type]  # tokens have none to scale


def checked(stored: Learned, setting: Setting) -> Learned:
    """What a checkpoint has learned; UnfitError where it was learned with another scaling."""
    before = stored.facts.get(SETTING)
    if before != _plain(setting):
        name = before["type"] if isinstance(before, dict) else show(before)
        raise UnfitError(f"the checkpoint was trained with {name}; leave this setting out", SETTING)
    return stored


def with_scaling(found: Learned, setting: Setting, inputs: Any, scale: float) -> Learned:
    """What was found of the training set, and what the scaling learns of `scale` times its inputs."""
    tensors = learn(scaling_of(setting, found.inputs), inputs, found.inputs, scale)
    return replace(found, tensors=tensors, facts={**found.facts, SETTING: _plain(setting)})


def learn(scaling: Scaling, inputs: Any, spec: Inputs, scale: float) -> dict[str, Tensor]:
    """What the scaling is to know of `scale` times the training set's inputs; nothing of tokens and flags."""
    if _are_tokens(inputs):
        return {}
    values = _by_feature(inputs)
    if isinstance(spec, Vector) and spec.flags:
        values = values[:, : spec.numbers]
    try:
        return scaling.learn(values, scale) if values.shape[1] else {}
    except UnfitError as error:
        raise UnfitError(str(error), ".".join((SETTING, *map(str, error.path)))) from None


def _plain(setting: Setting) -> Any:
    """As YAML would say it."""
    return setting.plain if isinstance(setting, Component) else setting


def _are_tokens(inputs: Any) -> bool:
    return isinstance(inputs, Pair) or (isinstance(inputs, Sequences) and inputs.values.dim() == 2)


def _by_feature(inputs: Any) -> Tensor:
    """The inputs (n, features, ...), without padding."""
    if not isinstance(inputs, Sequences):
        return inputs
    mask = inputs.mask()
    return inputs.values.flatten(0, 1) if mask is None else inputs.values[mask]
