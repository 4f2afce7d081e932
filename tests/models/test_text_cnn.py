"""A convolutional network over words, and linear models of bags of words."""

import pytest
import torch
from made import made

from nntrain.batch import Sequences
from nntrain.errors import UnfitError
from nntrain.layers import multiply_adds, trace
from nntrain.specs import Classes, Series, Tokens, Values

TOKENS, CLASSES = Tokens(tuple("abcdefgh"), 6), Classes(("x", "y"))
BATCH = Sequences(torch.tensor([[1, 2, 3, 4, 5, 6], [7, 0, 2, 0, 0, 0], [3, 0, 0, 0, 0, 0]]), torch.tensor([6, 3, 1]))


def test_features_are_the_strongest_responses_of_windows() -> None:
    torch.manual_seed(0)
    net = made(
        "model", {"type": "text_cnn", "windows": [1, 2, 5], "channels": 4, "embedding": 3}, TOKENS, CLASSES
    ).eval()
    found = net(BATCH)
    assert found.shape == (3, 12) and net.features == 12
    for row, (tokens, length) in enumerate(zip(*BATCH, strict=True)):
        vectors = net.frames.embedding.weight[tokens[:length]]
        expected = []
        for maps, k in zip(net.maps, (1, 2, 5), strict=True):
            around = torch.cat((torch.zeros(k // 2, 3), vectors, torch.zeros((k - 1) // 2, 3)))
            windows = torch.stack([around[t : t + k] for t in range(length)])  # (time, k, features)
            responses = torch.einsum("tkf,cfk->tc", windows, maps.weight) + maps.bias
            expected.append(responses.relu().max(dim=0).values)
        torch.testing.assert_close(found[row], torch.cat(expected))


def test_it_takes_series_too_and_nothing_that_it_cannot_use() -> None:
    net = made("model", {"type": "text_cnn", "channels": 4}, Series(2, 9), Values(("z",)))
    assert net(Sequences(torch.randn(5, 9, 2), torch.tensor([9, 1, 2, 5, 3]))).shape == (5, 12)
    with pytest.raises(UnfitError, match="only tokens are embedded") as error:
        made("model", {"type": "text_cnn", "embedding": 4}, Series(2, 9), CLASSES)
    assert error.value.path == ("model", "embedding")


def test_a_linear_model_sees_how_often_each_token_is_there() -> None:
    bag = made("model", "linear", TOKENS)
    assert bag.features == 8
    assert bag(BATCH).tolist() == [
        [0, 1, 1, 1, 1, 1, 1, 0],
        [1, 0, 1, 0, 0, 0, 0, 1],
        [0, 0, 0, 1, 0, 0, 0, 0],
    ]
    assert bag(Sequences(torch.tensor([[1, 1, 1]]))).tolist() == [[0, 3, 0, 0, 0, 0, 0, 0]]
    assert not bag.state_dict(), "nothing of it is kept in checkpoints"


def test_looking_up_a_vector_is_no_arithmetic() -> None:
    net = made("model", {"type": "text_cnn", "windows": [3], "channels": 4, "embedding": 5}, TOKENS, CLASSES)
    layers = trace(net, Sequences(BATCH.values[:1], BATCH.lengths[:1]))
    assert multiply_adds([layer for layer in layers if layer.type == "Embedding"]) == 0
    assert multiply_adds(layers) == 6 * 3 * 5 * 4
