"""A few examples of a split, as rows of text."""

from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from nntrain.batch import IGNORED, Batch, GraphBatch, GraphNodes, Pair, Sequences, each
from nntrain.specs import (
    ClassAndBox,
    Classes,
    Inputs,
    LabelSet,
    Links,
    Located,
    Mask,
    Pairs,
    Several,
    Tags,
    Targets,
    Tokens,
    Transcripts,
    Values,
)
from nntrain.tokenizers import joined

SHOWN = 8  # numbers, or tokens, of an example's inputs


def rows(batch: Batch, inputs: Inputs, targets: Targets, examples: int) -> list[tuple[str, str]]:
    """What each of the first examples is, and its target, in words."""
    count = min(examples, batch.examples)
    found = [each(itemgetter(i), batch.targets) for i in range(count)]
    return [(input_of(batch.inputs, inputs, i), target_of(target, targets)) for i, target in enumerate(found)]


def input_of(given: Any, spec: Inputs, i: int) -> str:
    """One example of a batch in words, or its first numbers."""
    if isinstance(given, GraphNodes):
        return f"node {int(given.chosen[i])}"
    if isinstance(given, GraphBatch):
        return f"a graph of {int(given.sizes[i])} nodes"
    if isinstance(given, Pair) and isinstance(spec, Pairs):
        source = _said(_steps(given.source, i), spec.source, spec.unit)
        return f"{source} -> {_said(_steps(given.target, i), spec.target, spec.unit)}"
    if isinstance(given, Pair):
        return _numbers(given.source[i])
    one = _steps(given, i) if isinstance(given, Sequences) else given[i]
    return _said(one, spec.vocabulary, spec.unit) if isinstance(spec, Tokens) else _numbers(one)


def text_of(given: Sequences, spec: Tokens, i: int) -> str:
    """The tokens of one sequence, without padding, as text."""
    return said(_steps(given, i), spec.vocabulary, spec.unit)


def _steps(given: Sequences, i: int) -> Tensor:
    """The steps of one sequence, without padding."""
    return given.values[i] if given.lengths is None else given.values[i, : int(given.lengths[i])]


def target_of(target: Any, spec: Targets) -> str:
    """The target of one example in words."""
    if isinstance(spec, Classes):
        return spec.names[int(target)]
    if isinstance(spec, Values):
        return " ".join(f"{value:.4g}" for value in target.flatten().tolist())
    if isinstance(spec, LabelSet):
        return ", ".join(name for name, has in zip(spec.names, target.tolist(), strict=True) if has == 1) or "none"
    if isinstance(spec, Several):
        parts = spec.by_name(target.unsqueeze(0))
        return ", ".join(f"{name}: {target_of(parts[name][0], spec.part(name))}" for name in spec.names)
    if isinstance(spec, Mask):
        pixels = torch.bincount(target[target != IGNORED], minlength=len(spec)).tolist()
        return ", ".join(f"{name} {n / target.numel():.0%}" for name, n in zip(spec.names, pixels, strict=True) if n)
    if isinstance(spec, ClassAndBox):
        return _placed(spec.names[int(target[0])], target[1:])
    if isinstance(spec, Located):
        there = target.are_there
        found = zip(target.labels[there].tolist(), target.boxes[there], strict=True)
        return "; ".join(_placed(spec.names[label], box) for label, box in found) or "nothing"
    if isinstance(spec, Links):
        return "linked" if target == 1 else "not linked"
    if isinstance(spec, Tags | Tokens | Transcripts):
        return _said(target[target != IGNORED], spec.names, getattr(spec, "unit", "tag"))
    return _numbers(target)


def _placed(name: str, box: Tensor) -> str:
    left, top, right, bottom = box.tolist()
    return f"{name} from {left:.4g}, {top:.4g} to {right:.4g}, {bottom:.4g}"


def _said(numbers: Tensor, names: tuple[str, ...], unit: str) -> str:
    """The first tokens as text; of letters as Python writes it, so that blanks are seen."""
    text = said(numbers[: 20 * SHOWN], names, unit)
    return repr(text) if unit in ("character", "byte", "piece") else text


def said(numbers: Tensor, names: tuple[str, ...], unit: str) -> str:
    """Tokens as text."""
    return joined((names[n] for n in numbers.tolist()), unit)


def _numbers(values: Tensor) -> str:
    """The first few numbers; the shape where there is more than a row of them."""
    if values.dim() > 1:
        shape = " x ".join(map(str, values.shape))
        return f"{shape} numbers from {float(values.min()):.4g} to {float(values.max()):.4g}"
    more = " ..." if len(values) > SHOWN else ""
    return " ".join(f"{float(value):.4g}" for value in values[:SHOWN]) + more


def first(batch: Batch, examples: int) -> Any:
    """The inputs of the first examples."""
    return each(lambda part: part[:examples], batch.inputs)


def lengths(inputs: Any) -> Tensor | None:
    """How long each sequence of a batch is, or how many nodes each graph has; None for what has no length."""
    if isinstance(inputs, Pair):
        return lengths(inputs.source)
    if isinstance(inputs, Sequences):
        whole = torch.full((len(inputs.values),), inputs.values.shape[1])
        return whole if inputs.lengths is None else inputs.lengths.cpu()
    return inputs.sizes.cpu() if isinstance(inputs, GraphBatch) else None
