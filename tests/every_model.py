"""Small instances of every model, for every kind of data that it says it takes."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import GraphBatch, GraphNodes, Pair, Sequences
from nntrain.errors import UnfitError
from nntrain.network import Network, head_for
from nntrain.reader import Reader
from nntrain.registry import Registry
from nntrain.schema import Component, _positional
from nntrain.specs import (
    Boxes,
    ClassAndBox,
    Classes,
    Embedding,
    Graphs,
    Image,
    Instances,
    LabelSet,
    Mask,
    Nodes,
    OneToMany,
    Pairs,
    Series,
    Several,
    Tags,
    Tokens,
    Values,
    Vector,
    Video,
)

WORDS = tuple("abcdefg")
LENGTHS = torch.tensor([6, 3, 1])
EDGES = torch.tensor([[0, 1, 1, 2, 3, 4, 4, 5], [1, 0, 2, 1, 4, 3, 5, 4]])

# Inputs by kind: the description, and three examples of it.
INPUTS: dict[type, tuple[Any, Callable[[], Any]]] = {
    Vector: (Vector(4), lambda: torch.randn(3, 4)),
    Image: (Image(2, 32, 32), lambda: torch.randn(3, 2, 32, 32)),
    Video: (Video(1, 6, 12, 12), lambda: torch.randn(3, 1, 6, 12, 12)),
    Series: (Series(2, 6), lambda: Sequences(torch.randn(3, 6, 2), LENGTHS)),
    Tokens: (Tokens(WORDS, 6), lambda: Sequences(torch.randint(len(WORDS), (3, 6)), LENGTHS)),
    Pairs: (
        Pairs(WORDS, WORDS, 6, 6),
        lambda: Pair(*(Sequences(torch.randint(len(WORDS), (3, 6)), LENGTHS) for _ in range(2))),
    ),
    OneToMany: (
        OneToMany(Image(1, 8, 8), WORDS, 6),
        lambda: Pair(torch.randn(3, 1, 8, 8), Sequences(torch.randint(len(WORDS), (3, 6)), LENGTHS)),
    ),
    Nodes: (Nodes(3), lambda: GraphNodes(torch.randn(6, 3), EDGES, torch.tensor([0, 2, 5]))),
    Graphs: (Graphs(3), lambda: GraphBatch(torch.randn(6, 3), EDGES, torch.tensor([2, 1, 3]))),
}
# What a model is tested with that does not take just any inputs of a kind.
OWN_INPUTS: dict[str, dict[type, tuple[Any, Callable[[], Any]]]] = {
    "entity_embedding": {
        Vector: (Vector(7, (3, 2)), lambda: torch.cat((torch.randn(3, 2), torch.eye(3), torch.eye(3)[:, :2]), dim=1))
    },
}
TARGETS: dict[type, Any] = {
    Classes: Classes(("a", "b", "c")),
    Values: Values(("y", "z"), (0.0, 0.0), (1.0, 1.0)),
    Tags: Tags(("a", "b", "c"), 6),
    Tokens: Tokens(WORDS, 6),
    Mask: Mask(("a", "b", "c")),
}
OBJECTS = (Boxes, Instances)  # what detectors find, which is no tensor: they have tests of their own
ALIKE = (LabelSet, Several, ClassAndBox, Embedding)  # to a model they are as classes are: numbers for each example
# What is tested of a type: its defaults, where nothing else is said; settings that make it small, or another network.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "alexnet": [{"small": True}, {"small": True, "spatial_dropout": 0.2}],
    "autoencoder": [{"layers": {"type": "dense", "hidden": [5]}, "code": 3}, {"layers": "convolutional", "tied": True}],
    "cnn": [
        {},
        {"blocks": [
            {"type": "convolution", "channels": 4, "norm": "rms"},
            {"type": "spatial_dropout"},
            {"type": "convolution", "channels": 4, "norm": "weight"},
        ], "readout": "average"},
        {"blocks": [
            {"type": "convolution", "channels": 4, "norm": {"type": "group", "groups": 2}},
            {"type": "convolution", "channels": 4, "norm": "instance"},
        ]},
    ],
    "deep_belief_net": [{"hidden": [5]}, {"hidden": [5, 3]}],
    "fcn": [{"width": 2, "depth": 2, "skips": 1, "norm": "none", "dropout": 0.2}, {"width": 2, "depth": 1, "skips": 0}],
    "fsmn": [{"look_ahead": 0}, {"layers": 1}],
    "gan": [{"networks": "dense"}, {"networks": "dcgan"}],
    "gnn": [
        *({"layer": layer} for layer in ("graph_conv", "gcn", "sage", "gat", "gin")),
        {"layer": {"type": "gin", "norm": "rms"}, "norm": "layer"},
    ],
    "gru": [{"hidden": 5}, {"hidden": 5, "variational": {"inputs": 0.2, "states": 0.3, "outputs": 0.2}}],
    "higher_order_rnn": [{"hidden": 5, "order": 3}, {"hidden": 5, "order": 2, "variational": {"states": 0.3}}],
    "lenet": [{}, {"activation": "selu", "spatial_dropout": 0.2}],
    "lstm": [
        {"hidden": 5},
        {"hidden": 5, "cell": "squashed", "layers": 2, "bidirectional": True},
        {"hidden": 5, "layers": 2, "bidirectional": True, "variational": {"inputs": 0.2, "states": 0.3}},
        {"hidden": 5, "cell": "squashed", "variational": {"states": 0.3}},
    ],
    "mlp": [
        *({"norm": norm, "hidden": [6, 5], "bottleneck": 2} for norm in ("none", "batch", "layer", "weight", "rms")),
        {"norm": {"type": "group", "groups": 2}, "hidden": [8, 6], "activation": "silu", "dropout": 0.2},
    ],
    "resnet": [
        {"depth": 18, "width": 8},
        {"depth": 8, "stem": "cifar", "width": 4, "shortcut": False},
        {"depth": 8, "stem": "cifar", "width": 4, "norm": "weight", "spatial_dropout": 0.2, "stochastic_depth": 0.3},
        {"depth": 8, "stem": "cifar", "width": 4, "norm": "instance"},
    ],
    "rnn_decoder": [{"hidden": 5}, {"hidden": 5, "cell": "gru", "layers": 2, "encoder": "cnn", "dropout": 0.2}],
    "rnn": [{"hidden": 5}, {"hidden": 5, "activation": "relu", "variational": {"states": 0.3, "outputs": 0.2}}],
    "rnn_encoder_decoder": [
        {"hidden": 6, "cell": "lstm", "layers": 2},
        {"hidden": 6, "cell": "gru", "attention": "bahdanau"},
        {"hidden": 6, "cell": "rnn", "attention": {"type": "luong", "score": "dot"}, "embedding": 4},
    ],
    "stacked_autoencoder": [{"hidden": [5, 3]}, {"hidden": [5, 3], "tied": True}],
    "tdnn": [{"look_ahead": 0}, {"hidden": 6, "spatial_dropout": 0.2}],
    "torchvision": [{"name": "mobilenet_v3_small"}],
    "torchvision_segmentation": [{"name": "lraspp_mobilenet_v3_large"}],
    "transformer": [
        {"width": 8, "heads": 2, "layers": 2, "form": form, "positions": positions, "normalization": normalization}
        for form, positions, normalization in (
            ("encoder", "sinusoidal", "layer"),
            ("decoder", "rotary", "layer"),
            ("encoder_decoder", "learned", "layer"),
            ({"type": "lecture"}, "none", "layer"),
            ({"type": "encoder", "stochastic_depth": 0.3}, "sinusoidal", "rms"),
            ({"type": "decoder", "stochastic_depth": 0.3}, "rotary", "rms"),
            ({"type": "encoder_decoder", "stochastic_depth": 0.3}, "learned", "rms"),
            ({"type": "lecture"}, "none", "rms"),
        )
    ],
    "unet": [{"width": 2, "depth": 3}, {"width": 2, "depth": 1, "norm": "none", "dropout": 0.2}],
}  # fmt: skip


@dataclass(frozen=True)
class Instance:
    """A model of one type, for one kind of inputs and targets."""

    name: str
    variant: int
    inputs: Any
    targets: Any

    def __str__(self) -> str:
        return f"{self.name}-{self.variant}-{type(self.inputs).__name__}-{type(self.targets).__name__}"

    def make(self, seed: int = 0) -> nn.Module:
        return network(component(self.name, self.variant), self.inputs, self.targets, seed)

    def batch(self, seed: int = 1) -> Any:
        torch.manual_seed(seed)
        return inputs_of(self.name)[type(self.inputs)][1]()


def inputs_of(name: str) -> dict[type, tuple[Any, Callable[[], Any]]]:
    return {**INPUTS, **OWN_INPUTS.get(name, {})}


@cache
def component(name: str, variant: int = 0) -> Component:
    reader = Reader(Registry())
    made = reader.component("model", {"type": name, **VARIANTS.get(name, [{}])[variant]}, ("model",))
    assert made is not None, reader.problems
    return made


def network(chosen: Component, inputs: Any, targets: Any, seed: int) -> nn.Module:
    """As `nntrain.assemble` puts body and head together."""
    torch.default_generator.manual_seed(seed)  # torch.manual_seed keeps a stack trace for devices that are not there
    if chosen.takes("outputs"):
        return chosen(inputs, targets)
    body = chosen(inputs, targets) if chosen.takes("targets") else chosen(inputs)
    return Network(body, head_for(targets, body))


@cache
def instances() -> tuple[Instance, ...]:
    """Every type with every kind of data that its signature names, but for those it refuses together."""
    names = Registry().names("model")
    return tuple(
        found for name in names for variant in range(len(VARIANTS.get(name, [{}]))) for found in _of(name, variant)
    )


def networks() -> list[Instance]:
    """Those that differ in more than the width of their head, as they do for classes and values."""
    of_classes = {(i.name, i.variant, i.inputs) for i in instances() if isinstance(i.targets, Classes)}
    same = [i for i in instances() if isinstance(i.targets, Values) and (i.name, i.variant, i.inputs) in of_classes]
    return [instance for instance in instances() if instance not in same]


def _of(name: str, variant: int) -> Iterator[Instance]:
    chosen = component(name, variant)
    taken = list(_positional(chosen.factory).values())
    for inputs in taken[0]:
        for targets in taken[1] if len(taken) > 1 else (Classes, Values):
            if targets in (*ALIKE, *OBJECTS):
                continue
            described = inputs_of(name)[inputs][0]
            instance = Instance(
                name, variant, described, TARGETS[targets] if targets in TARGETS else targets(described)
            )
            try:
                instance.make()
            except UnfitError:
                continue
            yield instance


def docstring(name: str) -> str:
    return inspect.getdoc(Registry().load("model", name)) or ""


def as_double(batch: Any) -> Any:
    """Real numbers as float64; what is counted stays."""
    if batch is None or isinstance(batch, Tensor):
        return batch.double() if batch is not None and batch.is_floating_point() else batch
    return type(batch)(*map(as_double, batch))
