"""Blocks: convolution against its sum and its Toeplitz matrix, pooling, dropout, and what is refused."""

import itertools
from typing import Any

import pytest
import torch
from made import component
from torch import Tensor

from nntrain.blocks import Maps
from nntrain.blocks.convolution import Convolution
from nntrain.blocks.dropout import Dropout, SpatialDropout
from nntrain.blocks.pooling import Pooling
from nntrain.errors import UnfitError

SIZES = {1: (9,), 2: (7, 6), 3: (4, 5, 4)}
LINEAR = {"activation": "none"}


def convolution(maps: Maps, **settings: Any) -> Convolution:
    torch.manual_seed(0)
    return Convolution(maps, **{**LINEAR, **settings}).double()


def by_its_sum(x: Tensor, block: Convolution, groups: int = 1) -> Tensor:
    """y_c(p) = b_c + sum over the group's maps c' and the window's places k of w_{c, c'}(k) x_{c'}(s p + d k - m)."""
    weight, bias, sizes = block.convolution.weight, block.convolution.bias, x.shape[2:]
    outputs, within = weight.shape[0], weight.shape[1]
    y = bias.view(1, -1, *(1 for _ in sizes)).expand(len(x), outputs, *block.maps.sizes).clone()
    for c, p in itertools.product(range(outputs), itertools.product(*map(range, block.maps.sizes))):
        first = c // (outputs // groups) * within
        for i, k in itertools.product(range(within), itertools.product(*map(range, weight.shape[2:]))):
            place = [w.stride * q + w.dilation * j - w.padding for w, q, j in zip(block.windows, p, k, strict=True)]
            if all(0 <= q < size for q, size in zip(place, sizes, strict=True)):
                y[(slice(None), c, *p)] += weight[(c, i, *k)] * x[(slice(None), first + i, *place)]
    return y


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {"channels": 3},
        {"channels": 2, "kernel": 2, "stride": 2, "padding": 1},
        {"channels": 4, "groups": 2, "padding": 0},
        {"channels": 2, "kernel": 2, "dilation": 3, "padding": 2},
    ],
)
def test_convolution_is_its_sum(axes: int, settings: dict[str, Any]) -> None:
    block = convolution(Maps(2, SIZES[axes]), **settings)
    x = torch.randn(2, 2, *SIZES[axes], dtype=torch.float64)
    expected = by_its_sum(x, block, settings.get("groups", 1))
    assert block.maps == Maps(settings["channels"], tuple(expected.shape[2:]))
    torch.testing.assert_close(block(x), expected)


def toeplitz(kernel: Tensor, size: int, padding: int) -> Tensor:
    """The matrix T_{ij} = w_{j - i + padding}, constant along its diagonals."""
    positions = size + 2 * padding - len(kernel) + 1
    matrix = torch.zeros(positions, size, dtype=kernel.dtype)
    for i, j in itertools.product(range(positions), range(size)):
        if 0 <= j - i + padding < len(kernel):
            matrix[i, j] = kernel[j - i + padding]
    return matrix


@pytest.mark.parametrize("padding", [0, 1])
def test_convolution_along_one_axis_is_a_toeplitz_matrix(padding: int) -> None:
    block = convolution(Maps(1, (9,)), channels=1, kernel=4, padding=padding)
    matrix = toeplitz(block.convolution.weight[0, 0], 9, padding)
    assert all(len(set(matrix.diagonal(d).tolist())) == 1 for d in range(9 - len(matrix) + 1))
    x = torch.randn(2, 1, 9, dtype=torch.float64)
    torch.testing.assert_close(block(x)[:, 0], x[:, 0] @ matrix.T + block.convolution.bias)


@pytest.mark.parametrize("padding", [0, 1])
def test_convolution_over_an_image_is_a_block_toeplitz_matrix_of_toeplitz_matrices(padding: int) -> None:
    block, (height, width) = convolution(Maps(1, (6, 5)), channels=1, kernel=3, padding=padding), (6, 5)
    rows = [toeplitz(row, width, padding) for row in block.convolution.weight[0, 0]]
    above = toeplitz(torch.arange(1, 4), height, padding)  # which row of the kernel meets which row of the image
    matrix = torch.cat([torch.cat([rows[k - 1] if k else 0 * rows[0] for k in line], dim=1) for line in above])
    x = torch.randn(2, 1, height, width, dtype=torch.float64)
    expected = x.flatten(1) @ matrix.T + block.convolution.bias
    torch.testing.assert_close(block(x).flatten(1), expected)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_same_padding_keeps_sizes_and_a_stride_divides_them_rounded_up(axes: int) -> None:
    maps = Maps(2, SIZES[axes])
    assert Convolution(maps, channels=5, kernel=5, dilation=2).maps == Maps(5, SIZES[axes])
    assert Convolution(maps, channels=5, stride=2).maps.sizes == tuple(-(-size // 2) for size in SIZES[axes])
    assert Convolution(maps, channels=5, kernel=2, dilation=2).maps == Maps(5, SIZES[axes])


def test_an_axis_may_have_numbers_of_its_own() -> None:
    block = Convolution(Maps(1, (8, 9, 10)), channels=2, kernel=[1, 3, 5], stride=[1, 2, 1], padding=[0, 0, 2])
    assert block.maps.sizes == (8, 4, 10)
    assert block(torch.randn(2, 1, 8, 9, 10)).shape == (2, 2, 8, 4, 10)
    pooled = Pooling(block.maps, kernel=[1, 2, 2], stride=[1, 1, 2])
    assert pooled.maps == Maps(2, (8, 3, 5)) and pooled(torch.randn(2, 2, 8, 4, 10)).shape == (2, 2, 8, 3, 5)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("pool", ["max", "average"])
@pytest.mark.parametrize(("kernel", "stride"), [(2, None), (3, 2), (3, 1)])
def test_pooling_is_of_every_window(axes: int, pool: Any, kernel: int, stride: int | None) -> None:
    sizes, step = SIZES[axes], stride or kernel
    block, x = Pooling(Maps(2, sizes), pool=pool, kernel=kernel, stride=stride), torch.randn(2, 2, *sizes)
    y = block(x)
    assert tuple(y.shape[2:]) == block.maps.sizes == tuple((size - kernel) // step + 1 for size in sizes)
    for p in itertools.product(*map(range, block.maps.sizes)):
        window = x[(slice(None), slice(None), *(slice(step * q, step * q + kernel) for q in p))].flatten(2)
        expected = window.amax(dim=2) if pool == "max" else window.mean(dim=2)
        torch.testing.assert_close(y[(slice(None), slice(None), *p)], expected)


def test_normalisation_and_activation_come_after_the_convolution() -> None:
    block, x = (
        Convolution(Maps(2, (6,)), channels=4, norm=component("normalization", "layer"), activation="tanh"),
        torch.randn(3, 2, 6),
    )
    z = block.convolution(x)
    normed = (z - z.mean(dim=1, keepdim=True)) / (z.var(dim=1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(block(x), torch.tanh(normed))


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    block, x = Dropout(Maps(2, (5000,)), share=0.3), torch.ones(1, 2, 5000)
    dropped = block(x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    torch.testing.assert_close(dropped[dropped != 0].unique(), torch.tensor([1 / 0.7]))
    assert torch.equal(block.eval()(x), x)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_spatial_dropout_sets_whole_maps_to_zero(axes: int) -> None:
    torch.manual_seed(0)
    block, x = SpatialDropout(Maps(100, SIZES[axes]), share=0.3), torch.rand(50, 100, *SIZES[axes]) + 1
    kept = block(x) / x
    torch.testing.assert_close(kept, kept.flatten(2)[..., 0].view(50, 100, *(1 for _ in SIZES[axes])).expand_as(kept))
    assert (kept == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    torch.testing.assert_close(kept.max(), torch.tensor(1 / 0.7))
    assert torch.equal(block.eval()(x), x)


@pytest.mark.parametrize(
    ("make", "message", "setting"),
    [
        (lambda m: Convolution(m, channels=3, kernel=[3, 3, 3]), "or 2, one for each axis.*found 3 numbers", "kernel"),
        (lambda m: Convolution(m, channels=3, stride=[2]), "found 1 number$", "stride"),
        (lambda m: Pooling(m, stride=[1, 2, 3]), "found 3 numbers", "stride"),
        (lambda m: Convolution(m, channels=3, padding=[1]), "found 1 number", "padding"),
        (lambda m: Convolution(m, channels=3, kernel=4), "an even kernel cannot be padded equally", "padding"),
        (lambda m: Convolution(m, channels=3, groups=2), "4 maps into 3 cannot be divided into 2 groups", "groups"),
        (lambda m: Convolution(m, channels=4, groups=3), "4 maps into 4 cannot be divided into 3 groups", "groups"),
        (lambda m: Convolution(m, channels=3, kernel=6, padding=0), "a window of 6x6 does not fit .* 7x5", "kernel"),
        (lambda m: Convolution(m, channels=3, dilation=4, padding=0), "a window of 9x9 does not fit", "kernel"),
        (lambda m: Pooling(m, kernel=[2, 6]), "a window of 2x6 does not fit on the maps of 7x5", "kernel"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, message: str, setting: str) -> None:
    with pytest.raises(UnfitError, match=message) as refused:
        make(Maps(4, (7, 5)))
    assert refused.value.path == (setting,)
