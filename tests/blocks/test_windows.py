"""The arithmetic of windows against torch's own."""

import pytest
import torch
from torch import Tensor, nn

from nntrain.blocks.windows import Window, after, smallest


@pytest.mark.parametrize("kernel", [1, 2, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("dilation", [1, 3])
def test_windows_count_their_positions_as_torch_does(kernel: int, stride: int, padding: int, dilation: int) -> None:
    window = Window(kernel, stride, padding, dilation)
    convolution = nn.Conv1d(1, 1, kernel, stride, padding, dilation, device="meta")

    def positions(size: int) -> int:
        try:
            out: Tensor = convolution(torch.empty(1, 1, size, device="meta"))
        except RuntimeError:
            return 0
        return out.shape[-1]

    assert [max(0, window.positions(size)) for size in range(1, 20)] == [positions(size) for size in range(1, 20)]
    for count in (1, 2, 5):
        size = window.needs(count)
        assert window.positions(size) >= count and (size == 1 or window.positions(size - 1) < count)
    both = [window, Window(3, stride=2)]
    least = smallest(both)
    assert after(both, least) >= 1 and (least == 1 or after(both, least - 1) < 1)
