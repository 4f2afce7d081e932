"""The lecture form against its formula, in float64."""

import math

import pytest
import torch
import torch.nn.functional as F
from made import transformer

from nntrain.batch import Sequences
from nntrain.specs import Series, Tags


@pytest.mark.parametrize("scale", [None, False, True])
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_the_block_by_its_formula(heads: int, scale: bool | None) -> None:
    torch.manual_seed(0)
    form = "lecture" if scale is None else {"type": "lecture", "scale": scale}
    settings = {"width": 8, "heads": heads, "layers": 1, "positions": "none", "activation": "relu"}
    body = transformer(Series(8, 5), Tags(("a", "b"), 5), form, **settings).body.double()
    series = torch.randn(3, 5, 8, dtype=torch.float64)
    X, block, d = body.embedding.inputs(series), body.layers[0], 8 // heads
    A, B, C = (part.weight.T.split(d, dim=1) for part in (block.A, block.B, block.C))
    divisor = math.sqrt(d) if scale else 1.0
    Z = torch.cat([torch.softmax(X @ A[h] @ (X @ B[h]).mT / divisor, dim=-1) @ X @ C[h] for h in range(heads)], dim=-1)
    n = F.layer_norm(X + Z, (8,), block.norm.weight, block.norm.bias)
    up, down = block.feedforward.up, block.feedforward.down
    expected = torch.relu(n @ up.weight.T + up.bias) @ down.weight.T + down.bias
    torch.testing.assert_close(body(Sequences(series)), expected)
