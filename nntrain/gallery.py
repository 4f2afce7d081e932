"""A picture of training examples as a network gets them: augmented, mixed, with their labels."""

import io
from typing import NamedTuple

import torch
from torch import Tensor

from nntrain.assemble import Parts, first_batch
from nntrain.batch import Batch
from nntrain.data.augmented import Augmented
from nntrain.device import python_state, restore_python
from nntrain.specs import Classes, Image, Targets

MOST = 32  # examples
COLUMNS = 8
SMALLEST = 80  # pixels: smaller images are enlarged, so that they can be seen and labelled
LINE = 14  # pixels for a label
GAP = 4


class Picture(NamedTuple):
    """A PNG file and its size in pixels."""

    png: bytes
    width: int
    height: int


def augmented_examples(parts: Parts, *position: int) -> Picture | None:
    """The first batch that a run sees at a position in it; None for data that is no picture or is not augmented.

    The generators are left as they were.
    """
    data = parts.data
    if (
        not isinstance(data.inputs, Image)
        or data.inputs.channels not in (1, 3)
        or not isinstance(data.train, Augmented)
    ):
        return None
    noise, python = parts.device.noise(), python_state()
    parts.device.seed(parts.seed, *position)
    batch = first_batch(data, parts.order, parts.device)
    parts.device.repeat(noise)
    restore_python(python)
    return drawn(Batch(batch.inputs[:MOST].cpu(), batch.targets[:MOST].cpu()), data.targets)


def drawn(batch: Batch, targets: Targets) -> Picture:
    """Images side by side, from their darkest to their brightest number, each above its label."""
    from PIL import Image as Bitmap
    from PIL import ImageDraw, ImageFont

    pixels = _stretched(batch.inputs)
    factor = -(-SMALLEST // min(pixels.shape[1:3]))
    height, width = (factor * size for size in pixels.shape[1:3])
    cell = (width + GAP, height + LINE + GAP)
    columns = min(COLUMNS, len(pixels))
    grid = Bitmap.new("RGB", (columns * cell[0] + GAP, -(-len(pixels) // columns) * cell[1] + GAP), "white")
    pen, font = ImageDraw.Draw(grid), ImageFont.load_default(LINE - 3)
    for i, image in enumerate(pixels):
        left, top = (GAP + number * size for number, size in zip((i % columns, i // columns), cell, strict=True))
        bitmap = Bitmap.fromarray(image.numpy()).resize((width, height), Bitmap.Resampling.NEAREST)
        grid.paste(bitmap, (left, top))
        pen.text((left, top + height), label(batch.targets[i], targets), fill="black", font=font)
    content = io.BytesIO()
    grid.save(content, "PNG")
    return Picture(content.getvalue(), *grid.size)


def label(target: Tensor, targets: Targets) -> str:
    """What an example is: its class, the classes that it is mixed of with their shares, or its values."""
    if not isinstance(targets, Classes):
        return " ".join(f"{number:.3g}" for number in target.flatten().tolist())
    if not target.is_floating_point():
        return targets.names[int(target)]
    shares, classes = target.topk(min(2, len(targets)))
    pairs = zip(shares.tolist(), classes.tolist(), strict=True)
    return " + ".join(f"{share:.0%} {targets.names[c]}" for share, c in pairs if share > 0.005)


def _stretched(images: Tensor) -> Tensor:
    """Bytes (batch, height, width, 3), each channel from its smallest number in the batch to its largest."""
    low, high = (limit(images, dim=(0, 2, 3), keepdim=True) for limit in (torch.amin, torch.amax))
    shares = (images - low) / torch.where(high > low, high - low, 1.0)
    return (shares * 255).round().to(torch.uint8).expand(-1, 3, -1, -1).movedim(1, -1).contiguous()
