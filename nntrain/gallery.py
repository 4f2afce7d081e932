"""A picture of training examples as a network gets them: augmented, mixed."""

from nntrain.data.augmented import Augmented
from nntrain.device import python_state, restore_python
from nntrain.grid import grid
from nntrain.parts import Parts
from nntrain.samples import Picture
from nntrain.specs import Image
from nntrain.trial import first_batch

MOST = 32  # examples


def augmented_examples(parts: Parts, *position: int) -> Picture | None:
    """The first batch that a run sees, at a position of its generators; None for data that is not augmented images.

    The generators are left as they were.
    """
    data = parts.data
    if not isinstance(data.inputs, Image) or not isinstance(data.train, Augmented):
        return None
    noise, python = parts.device.noise(), python_state()
    parts.device.seed(parts.seed, *position)
    batch = first_batch(data, parts.order)
    parts.device.repeat(noise)
    restore_python(python)
    return Picture("examples/augmented", grid(batch.first(MOST), data.targets))
