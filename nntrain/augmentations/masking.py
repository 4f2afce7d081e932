"""Stretches of series, and bands of their features, that are hidden."""

import torch
from torch import Tensor

from nntrain.augmentations import whole
from nntrain.batch import Sequences
from nntrain.errors import UnfitError
from nntrain.registry import augmentation
from nntrain.settings import Count, Factor, Whole
from nntrain.specs import Series


@augmentation("time_masking")
class TimeMasking:
    """Hides random stretches of time of each series.

    x'_t = 0 for s <= t < s + w,  w ~ U{0, ..., min(longest, share T)},  s ~ U{0, ..., T - w}

    T is the series' own length without padding. 0 is the mean where inputs are standardised.
    Source: Park et al., SpecAugment, 2019, arXiv:1904.08779.

    Settings:
        masks: how many stretches of each series are hidden; they may lie over each other
        longest: how many steps a stretch has at most
        share: how much of a series a stretch has at most
    """

    def __init__(self, inputs: Series, *, masks: Count = 1, longest: Whole = 20, share: Factor = 0.2) -> None:
        self._masks = masks
        self._longest = longest
        self._share = share

    def __call__(self, series: Sequences) -> Sequences:
        values, lengths = series
        steps = values.shape[1]
        own = values.new_full((len(values),), steps) if lengths is None else lengths
        limits = (own * self._share).floor().clamp(max=self._longest)
        is_hidden = stretches(values, self._masks, limits, own, steps)
        return Sequences(values.masked_fill(is_hidden.unsqueeze(2), 0.0), lengths)


@augmentation("frequency_masking")
class FrequencyMasking:
    """Hides random bands of neighbouring features of each series, such as a spectrum's frequencies.

    x'_tk = 0 for s <= k < s + w,  w ~ U{0, ..., widest},  s ~ U{0, ..., features - w}

    0 is the mean where inputs are standardised.
    Source: Park et al., SpecAugment, 2019, arXiv:1904.08779.

    Settings:
        masks: how many bands of each series are hidden; they may lie over each other
        widest: how many features a band has at most
    """

    def __init__(self, inputs: Series, *, masks: Count = 1, widest: Whole = 8) -> None:
        if widest > inputs.features:
            raise UnfitError(
                f"expected at most the {inputs.features} features that there are, found {widest}", "widest"
            )
        self._masks = masks
        self._widest = widest

    def __call__(self, series: Sequences) -> Sequences:
        values, features = series.values, series.values.shape[2]
        full = values.new_full((len(values),), features)
        is_hidden = stretches(values, self._masks, full.clamp(max=self._widest), full, features)
        return Sequences(values.masked_fill(is_hidden.unsqueeze(1), 0.0), series.lengths)


def stretches(values: Tensor, masks: int, longest: Tensor, whole_length: Tensor, size: int) -> Tensor:
    """True in random stretches of an axis of this size, (batch, size).

    longest: of each example's stretches (batch,); whole_length: how much of the axis is the example's own (batch,)
    """
    width = whole(values, longest[:, None] + 1, masks)
    start = whole(values, whole_length[:, None] - width + 1, masks)
    places = torch.arange(size, device=values.device)
    return ((places >= start[..., None]) & (places < (start + width)[..., None])).any(dim=1)
