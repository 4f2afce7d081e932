"""Images side by side, each above its target, as a PNG file."""

import io
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from nntrain.batch import Batch, each
from nntrain.overlays import with_targets
from nntrain.specs import ClassAndBox, Classes, Located, Mask, Targets

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

COLUMNS = 8
SMALLEST = 80  # pixels: smaller images are enlarged, so that they can be seen and labelled
LINE = 14  # pixels for a line of a label
GAP = 4
PAPER = (215, 215, 215)  # neither as dark nor as bright as images are
MOST_NAMED = 4  # classes of a mask
LEAST_SHARE = 0.005  # of a class that a mixed example is said to be of


class Drawn(NamedTuple):
    """A PNG file and its size in pixels."""

    png: bytes
    width: int
    height: int


def grid(batch: Batch, targets: Targets) -> Drawn:
    """A batch of images, each channel drawn from its smallest number in the batch, dark, to its largest.

    Masks are laid over them in colours, boxes as frames; of many objects with their names.
    """
    images = batch.inputs[:, : 3 if batch.inputs.shape[1] >= 3 else 1].float().cpu()
    low, high = (limit(images, dim=(0, 2, 3), keepdim=True) for limit in (torch.amin, torch.amax))
    shares = (images - low) / torch.where(high > low, high - low, 1.0)
    here = each(lambda part: part.cpu(), batch.targets)
    labels = [label(each(itemgetter(i), here), targets) for i in range(batch.examples)]
    return sheet(with_targets(shares, here, targets), labels)


def sheet(
    images: Tensor,
    labels: Sequence[Sequence[str]] = (),
    colours: Sequence[str] = (),
    columns: int = COLUMNS,
) -> Drawn:
    """Images (n, 1 or 3, height, width) from 0 to 1, each above the lines of its label, in its colour, else black."""
    from PIL import Image, ImageDraw, ImageFont

    pixels = _bytes(images).numpy()
    factor = -(-SMALLEST // min(pixels.shape[1:3]))
    height, width = (factor * size for size in pixels.shape[1:3])
    cell = (width + GAP, height + max(map(len, labels), default=0) * LINE + GAP)
    columns = min(columns, len(pixels))
    paper = Image.new("RGB", (columns * cell[0] + GAP, -(-len(pixels) // columns) * cell[1] + GAP), PAPER)
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(LINE - 3)
    for i, image in enumerate(pixels):
        left, top = (GAP + number * size for number, size in zip((i % columns, i // columns), cell, strict=True))
        paper.paste(Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST), (left, top))
        for number, line in enumerate(labels[i] if labels else ()):
            colour = colours[i] if colours else "black"
            pen.text((left, top + height + number * LINE), _cut(line, pen, font, width), colour, font)
    return _file(paper)


def drawn(pixels: Tensor) -> Drawn:
    """A single picture (1 or 3, height, width) from 0 to 1, pixel by pixel."""
    from PIL import Image

    return _file(Image.fromarray(_bytes(pixels.unsqueeze(0)).numpy()[0]))


def label(target: Any, targets: Targets) -> list[str]:
    """What an example is: its class, the classes that it is mixed of with their shares, or its values; in lines.

    Of a mask, the classes that it shows, the largest first, but for the first, which is not coloured.
    """
    if isinstance(targets, ClassAndBox):
        return [targets.names[int(target[0])]]
    if isinstance(targets, Located):  # whose names are in the picture
        return []
    if isinstance(targets, Mask):
        areas = torch.bincount(target[target > 0], minlength=len(targets))
        return [targets.names[c] for c in areas.argsort(descending=True).tolist() if areas[c]][:MOST_NAMED]
    if not isinstance(targets, Classes):
        return [" ".join(f"{number:.3g}" for number in target.flatten().tolist())]
    if not target.is_floating_point():
        return [targets.names[int(target)]]
    shares, classes = target.topk(min(2, len(targets)))
    pairs = zip(shares.tolist(), classes.tolist(), strict=True)
    return [f"{share:.0%} {targets.names[c]}" for share, c in pairs if share > LEAST_SHARE]


def _cut(text: str, pen: "ImageDraw", font: Any, width: int) -> str:
    """As much of a text as fits below an image."""
    while text and pen.textlength(text, font) > width:
        text = text[:-1]
    return text


def _bytes(images: Tensor) -> Tensor:
    """Red, green and blue from 0 to 255 (batch, height, width, 3)."""
    levels = (images.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    return levels.expand(-1, 3, -1, -1).movedim(1, -1).contiguous()


def _file(picture: Any) -> Drawn:
    content = io.BytesIO()
    picture.save(content, "PNG", compress_level=1)
    return Drawn(content.getvalue(), *picture.size)
