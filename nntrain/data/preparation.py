"""Preparing inputs of any kind with what a scaling learned: real numbers are scaled, tokens stay as they are."""

from collections.abc import Mapping
from dataclasses import replace
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


def scaling_of(setting: bool | Component, inputs: Inputs) -> Scaling:
    """The scaling that the setting `standardize` means: true is `standard`."""
    if isinstance(setting, Component):
        if isinstance(inputs, Vector) and inputs.numbers == 0:
            raise UnfitError("all inputs are flags, which are not scaled; leave this setting out", SETTING)
        return setting(inputs)
    return Standard(inputs) if setting else Unscaled(inputs)  # type: ignore[arg-type]  # tokens have none to scale


def checked(stored: Learned, setting: bool | Component) -> Learned:
    """What a checkpoint has learned; UnfitError where it was learned with another scaling."""
    before = stored.facts.get(SETTING)
    if before != _plain(setting):
        name = before["type"] if isinstance(before, dict) else show(before)
        raise UnfitError(f"the checkpoint was trained with {name}; leave this setting out", SETTING)
    return stored


def with_scaling(found: Learned, setting: bool | Component, inputs: Any, scale: float) -> Learned:
    """What was found of the training set, and what the scaling learns of its inputs."""
    tensors = learn(scaling_of(setting, found.inputs), inputs, found.inputs, scale)
    return replace(found, tensors=tensors, facts={**found.facts, SETTING: _plain(setting)})


def learn(scaling: Scaling, inputs: Any, spec: Inputs, scale: float) -> dict[str, Tensor]:
    """What the scaling is to know of `scale` times the training set's inputs; nothing of tokens."""
    if _are_tokens(inputs):
        return {}
    values = _by_feature(inputs)
    if isinstance(spec, Vector) and spec.flags:
        values = values[:, : spec.numbers]
    try:
        return scaling.learn(values, scale) if values.shape[1] else {}
    except UnfitError as error:
        raise UnfitError(str(error), ".".join((SETTING, *map(str, error.path)))) from None


def apply(scaling: Scaling, inputs: Any, spec: Inputs, scale: float, learned: Mapping[str, Tensor]) -> Any:
    """`scale` times the inputs in torch's default type, scaled by what was learned; tokens as they are."""
    if _are_tokens(inputs):
        return inputs
    if isinstance(inputs, Sequences):
        values, mask = _scaled(scaling, inputs.values, scale, learned, axis=2), inputs.mask()
        return Sequences(values if mask is None else values * mask.unsqueeze(-1), inputs.lengths)
    if isinstance(spec, Vector) and spec.flags:
        numbers = _scaled(scaling, inputs[:, : spec.numbers], scale, learned, axis=1)
        return torch.cat((numbers, inputs[:, spec.numbers :].to(numbers)), dim=1)
    return _scaled(scaling, inputs, scale, learned, axis=1)


def _scaled(scaling: Scaling, values: Tensor, scale: float, learned: Mapping[str, Tensor], axis: int) -> Tensor:
    """In float64 where the values are: a date in seconds has more digits than float32."""
    precise = torch.float64 if values.dtype == torch.float64 else torch.get_default_dtype()
    values = values.to(precise, copy=True).mul_(scale)
    return (scaling.apply(values, learned, axis) if learned else values).to(torch.get_default_dtype())


def _plain(setting: bool | Component) -> Any:
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
