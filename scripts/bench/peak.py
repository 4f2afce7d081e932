"""How much of a GPU's arithmetic a training uses: multiplications and additions a second over those that it can do."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from loops import Work
from torch.utils.flop_counter import FlopCounterMode

# Multiplications and additions a second, in 10^12, of dense products of bfloat16 summed in float32, by the name that
# CUDA gives the device; the first that is in it counts. From NVIDIA's data sheets, whose figures "with sparsity" are
# twice as high: H200 (2024), H100 (2023), A100 (2021), A30 (2021), A10 (2021), L40S (2023), L4 (2023), B200 (2024);
# and its white papers on the architectures Ada (version 2.1, appendix A) and Ampere GA102 (version 2.1, appendix A).
PEAKS = {
    "B200": 2250.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "A100": 312.0,
    "A30": 165.0,
    "A10": 125.0,
    "L40S": 362.0,
    "L4": 121.0,
    "RTX 4090": 165.2,
    "RTX 3090": 71.0,
}


def peak(device: str) -> float | None:
    """Multiplications and additions a second by a device's name; None where nothing is known of it."""
    known = next((terra for name, terra in PEAKS.items() if name in device), None)
    return None if known is None else known * 1e12


def flops(work: Work) -> float:
    """Multiplications and additions of an example's forward and backward pass, counted on shapes alone.

    Of attention all are counted, though kernels for causal masks leave out half of them.
    """
    (inputs, targets), _ = work.data()
    with torch.device("meta"):
        model = work.model()
    x, y = inputs[:2].to("meta"), targets[:2].to("meta")
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(model(x), y).backward()
    return counter.get_total_flops() / len(x)


def share(examples_per_second: float, flops_per_example: float, device: str) -> float | None:
    """The share of the peak that is reached (MFU); None where the peak is not known.

    Source: Chowdhery et al., PaLM: Scaling language modeling with Pathways, 2022, arXiv:2204.02311, appendix B.
    """
    most = peak(device)
    return None if most is None else examples_per_second * flops_per_example / most


def table(shares: Mapping[str, Sequence[float]], device: str) -> list[str]:
    """The lines of a table of shares, of the loop and of nntrain; none where there are none."""
    if not shares:
        return []
    rows = [f"| {work} | {loop:.1%} | {ours:.1%} |" for work, (loop, ours) in shares.items()]
    what = "multiplications and additions of forward and backward pass over those that it could do in the time"
    head = f"Share of the peak of {device} in bfloat16 (MFU): {what} (peak.py)."
    return ["", head, "", "| work | loop | nntrain |", "| --- | ---: | ---: |", *rows]
