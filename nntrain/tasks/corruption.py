"""Noise on inputs that are to be found again without it."""

import torch
from torch import Tensor

MULTIPLIER = 0x9E3779B1  # odd, near 2^32 over the golden ratio (Knuth, The Art of Computer Programming, 6.4)
PATTERNS = 256  # of noise that evaluation knows: enough to be different for neighbouring examples


class Corruption:
    """x' = (x + noise n) m, n normal, m = 0 for the share `masked` of the numbers and else 1."""

    def __init__(self, noise: float, masked: float) -> None:
        self.noise = noise
        self.masked = masked
        self._patterns: tuple[Tensor, Tensor] | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        """The inputs with noise that is drawn anew."""
        return self._corrupted(inputs, torch.randn_like(inputs), torch.rand_like(inputs))

    def always_alike(self, inputs: Tensor) -> Tensor:
        """The inputs with noise that is the same at every evaluation, in whatever batch an example is.

        The example's own bits choose its pattern.
        """
        if self._patterns is None:
            self._patterns = _patterns(inputs[0])
        normal, uniform = (pattern.index_select(0, _numbers(inputs)) for pattern in self._patterns)
        return self._corrupted(inputs, normal, uniform)

    def _corrupted(self, inputs: Tensor, normal: Tensor, uniform: Tensor) -> Tensor:
        noisy = inputs + self.noise * normal if self.noise else inputs
        return noisy * (uniform >= self.masked) if self.masked else noisy


def _numbers(inputs: Tensor) -> Tensor:
    """A pattern's number for each example, by its bits: whole numbers add up to the same in any batch."""
    bits = inputs.float().flatten(1).contiguous().view(torch.int32).long()
    places = 2 * torch.arange(bits.shape[1], device=bits.device) + 1
    mixed = (bits * places).sum(dim=1) * MULTIPLIER  # whose upper bits depend on all
    return (mixed >> 32) % PATTERNS


def _patterns(example: Tensor) -> tuple[Tensor, Tensor]:
    """Normal and uniform numbers (PATTERNS, *shape of an example), drawn without disturbing any other generator."""
    generator = torch.Generator().manual_seed(0)
    shape = (PATTERNS, *example.shape)
    return (
        torch.randn(shape, generator=generator).to(example),
        torch.rand(shape, generator=generator).to(example),
    )
