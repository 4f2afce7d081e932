"""Lines of handwritten digits, to be read from left to right."""

import torch
from torch import Tensor

from nntrain.batch import IGNORED, Sequences
from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.scikit_learn import digits
from nntrain.registry import data
from nntrain.settings import Count, Whole
from nntrain.specs import Series, Transcripts

SHARE = 0.2  # of the digits, for the lines of the dev set, and as many for the test set


@data("digit_lines", within=InMemory)
def digit_lines(*, lines: Count = 2000, longest: Count = 5, gap: Whole = 2, seed: Whole = 0) -> Source:
    """Made-up lines of scikit-learn's digits, as series of columns of 8 grey values; the digits are to be read.

    A line has 1 to `longest` digits. Between them there are 0 to `gap` blank columns, so that nothing says where one
    ends. The lines of training, dev and test set are of different digits.
    Source: made up here, of E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998;
    as the lines of handwriting of Graves et al. 2006.

    Settings:
        lines: how many the training set has; dev and test set have a quarter of it
        longest: the largest number of digits in a line
        gap: the largest number of blank columns between two digits
        seed: of the lines
    """
    plain = digits()
    generator = torch.Generator().manual_seed(seed)
    images, numbers = plain.train.inputs.squeeze(1), plain.train.targets
    held_out = [int(SHARE * len(images))] * 2
    parts = torch.split(torch.randperm(len(images), generator=generator), [len(images) - sum(held_out), *held_out])
    counts = (lines, -(-lines // 4), -(-lines // 4))
    train, dev, test = (
        _lines(images[part], numbers[part], count, longest, gap, generator)
        for part, count in zip(parts, counts, strict=True)
    )
    series = Series(images.shape[1], train.inputs.values.shape[1])
    transcripts = Transcripts(tuple(map(str, range(10))), longest)
    return Source("digit_lines", series, transcripts, train, lambda: test, plain.scale, lambda: dev)


def _lines(images: Tensor, numbers: Tensor, count: int, longest: int, gap: int, generator: torch.Generator) -> Examples:
    """Lines of these digits (n, height, width), each drawn at random."""
    width = images.shape[2]
    chosen = torch.randint(len(images), (count, longest), generator=generator)
    lengths = torch.randint(1, longest + 1, (count, 1), generator=generator)
    is_there = torch.arange(longest) < lengths
    gaps = torch.randint(gap + 1, (count, longest), generator=generator)
    starts = (gaps + width).cumsum(dim=1) - (gaps + width)
    columns = starts.unsqueeze(2) + torch.arange(width)
    digits_there = images[chosen].transpose(2, 3) * is_there[:, :, None, None]
    values = images.new_zeros(count, longest * (width + gap), images.shape[1])
    values.index_put_((torch.arange(count)[:, None, None], columns), digits_there, accumulate=True)
    ends = starts.gather(1, lengths - 1).squeeze(1) + width
    return Examples(Sequences(values, ends), numbers[chosen].masked_fill(~is_there, IGNORED))
