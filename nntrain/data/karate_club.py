"""Zachary's karate club."""

import torch

from nntrain.data.nodes import LabelledGraph, OnNodes
from nntrain.data.split import divide
from nntrain.geometric import geometric
from nntrain.registry import data
from nntrain.specs import Classes


@data("karate_club", within=OnNodes)
def karate_club() -> LabelledGraph:
    """34 members of a karate club, 156 directed friendships, 4 communities, one labelled member of each.

    The features are the members themselves (one-hot). Half of the other members are the dev set, half the test
    set, stratified. No download.
    Source: Zachary, An information flow model for conflict and fission in small groups, 1977; communities as in
    Kipf, Welling 2017, arXiv:1609.02907.
    """
    graph = geometric("datasets").KarateClub()[0]
    others = (~graph.train_mask).nonzero().flatten()
    dev, test = (others[half] for half in divide(graph.y[others], 0.5, seed=0))
    parts = {"train": graph.train_mask.nonzero().flatten(), "dev": dev, "test": test}
    return LabelledGraph("karate_club", torch.eye(34), graph.edge_index, graph.y, Classes(tuple("0123")), parts)
