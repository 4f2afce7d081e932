"""Pictures with the objects in them drawn over."""

import torch
from torch import Tensor

from nntrain.batch import Detections, Objects

LEAST = 192  # pixels of the shorter side that pictures are enlarged to, so that boxes and words can be seen
COLOURS = ("red", "lime", "deepskyblue", "yellow", "magenta", "cyan", "orange", "white")  # of the classes, in turn
SEEN_THROUGH = 0.35  # of a mask's colour


def outlined(images: Tensor, objects: Objects | Detections, drawn: Tensor, names: tuple[str, ...]) -> Tensor:
    """Images (n, 1 or 3, height, width) from 0 to 1, enlarged, in colours, with the objects that are to be `drawn`.

    A box and its class in a colour, the score behind it where there is one, and its mask.
    """
    factor = -(-LEAST // min(images.shape[-2:]))
    levels = (images.float().cpu().clamp(0, 1) * 255).to(torch.uint8).expand(-1, 3, -1, -1)
    large = levels.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)
    return torch.stack([_drawn(picture, objects, i, drawn[i], names, factor) for i, picture in enumerate(large)]) / 255


def _drawn(
    picture: Tensor, objects: Objects | Detections, i: int, drawn: Tensor, names: tuple[str, ...], factor: int
) -> Tensor:
    from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

    labels = objects.labels[i][drawn].tolist()
    if not labels:
        return picture
    colours = [COLOURS[label % len(COLOURS)] for label in labels]
    words = [names[label] for label in labels]
    if isinstance(objects, Detections):
        words = [f"{word} {score:.0%}" for word, score in zip(words, objects.scores[i][drawn].tolist(), strict=True)]
    if objects.masks is not None:
        masks = objects.masks[i][drawn].cpu().bool()
        masks = masks.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)
        picture = draw_segmentation_masks(picture, masks, SEEN_THROUGH, colours)
    boxes = (objects.boxes[i][drawn].float().cpu() * factor).round()
    is_flat = boxes[:, 2:] < boxes[:, :2]  # as an untrained network may find them
    boxes[:, 2:] = torch.where(is_flat, boxes[:, :2], boxes[:, 2:])
    return draw_bounding_boxes(picture, boxes, words, colours)
