"""Embeddings of categories, below a network for numbers."""

from typing import Literal

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.registry import model
from nntrain.settings import Auto, Count, Model
from nntrain.specs import Vector


@model("entity_embedding")
class EntityEmbedding(nn.Module):
    """A learned vector for each category of a table, beside its numbers, and a network on top of them.

    h = (x_numbers, E_1 x_1, ..., E_k x_k);  z = body(h)

    x_j are the flags of column j, of which at most one is 1, so that E_j x_j is the vector of its category, and 0
    where the category is missing or not known. Good for columns with many categories: the network sees which are
    alike, and has fewer weights than with a flag for each. Takes the vectors of tables with categories.
    Source: Guo, Berkhahn, Entity embeddings of categorical variables, 2016, arXiv:1604.06737.

    Settings:
        size: how long each vector is; auto is half the number of the column's categories, rounded up, at most 50
        body: the network that takes the vectors and numbers
    """

    def __init__(self, inputs: Vector, *, size: Count | Auto = "auto", body: Model = "mlp") -> None:
        super().__init__()
        if not inputs.groups:
            raise UnfitError(f"there are no categories in {inputs}; take {body.name} alone")
        if body.takes("targets") or body.takes("outputs"):
            raise UnfitError(f"{body.name} makes no features of a vector; take mlp, or linear", "body")
        self.numbers, self.groups = inputs.numbers, list(inputs.groups)
        sizes = [_size(group, size) for group in inputs.groups]
        self.embeddings = nn.ModuleList(_embedding(g, s) for g, s in zip(inputs.groups, sizes, strict=True))
        self.body = body(Vector(inputs.numbers + sum(sizes)))
        self.features = self.body.features

    def forward(self, x: Tensor) -> Tensor:
        numbers, *groups = torch.split(x, [self.numbers, *self.groups], dim=1)
        vectors = [embed(flags) for embed, flags in zip(self.embeddings, groups, strict=True)]
        return self.body(torch.cat((numbers, *vectors), dim=1))


def _size(categories: int, size: int | Literal["auto"]) -> int:
    return min(50, (categories + 1) // 2) if size == "auto" else size


def _embedding(categories: int, size: int) -> nn.Linear:
    """E as a linear layer on flags, its columns as large as nn.Embedding would make them beside scaled numbers."""
    layer = nn.Linear(categories, size, bias=False)
    nn.init.normal_(layer.weight)
    return layer
