"""Labels that are not quite sure."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED


def smoothed(targets: Tensor, classes: int, share: float) -> Tensor:
    """Distributions (..., classes) that are `share` uniform and for the rest as the targets say.

    t' = (1 - share) t + share / classes

    Targets are class numbers (...), whose rows are all 0 where they are IGNORED, or distributions already. Without
    a share they are as they were.
    Source: Szegedy et al., Rethinking the Inception architecture for computer vision, 2016, arXiv:1512.00567.
    """
    if share == 0:
        return targets
    if targets.is_floating_point():
        return targets * (1 - share) + share / classes
    is_label = targets != IGNORED
    one_hot = F.one_hot(targets * is_label, classes).to(torch.get_default_dtype())
    return (one_hot * (1 - share) + share / classes) * is_label.unsqueeze(-1)
