"""Masks written as the lengths of their runs, column by column (RLE), as COCO's files have them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

RunLengths = dict[str, Any]  # "size": [height, width], "counts": text


def encoded(masks: Tensor) -> list[RunLengths]:
    """Each of some masks (n, height, width), True where something is."""
    from pycocotools import mask

    columns = np.asfortranarray(masks.permute(1, 2, 0).to(torch.uint8).numpy())
    found = mask.encode(columns) if len(masks) else []
    return [{"size": list(one["size"]), "counts": one["counts"].decode("ascii")} for one in found]
