"""The user's own pictures with masks: a folder of each, whose files have the same names."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le, Len

from nntrain.data import Learned
from nntrain.data.image_files import scaled
from nntrain.data.image_folder import Size, common_size
from nntrain.data.image_set import FromPictures, Listing
from nntrain.data.mask_files import MOST, Codes, held, packed, spoken
from nntrain.data.mask_pairs import Measured, Names, pairs, readable
from nntrain.errors import UnfitError
from nntrain.registry import data
from nntrain.settings import Auto, PathText, Whole
from nntrain.specs import Image, Mask
from nntrain.storages import Pictures

Byte = Annotated[int, Ge(0), Le(255)]
Colour = Annotated[list[Byte], Len(3, 3)]
Code = Whole | Colour


@data("mask_folder", within=FromPictures)
class MaskFolder:
    """Your own pictures with masks: folders images and masks, whose files are called alike (images/7.jpg, masks/7.png).

    Folders train, dev (or val, valid) and test above those two make official parts. A mask is as large as its
    picture, and stored without loss (PNG, TIFF, BMP, GIF). What its pixels show is told by their number, a palette's
    or a grey, or by their colour. Both are scaled to the size, as a whole.

    Source: the layout of most published sets, such as that of Cordts et al., The Cityscapes dataset, 2016,
    arXiv:1604.01685.

    Settings:
        path: the folder
        images: the name of the folder of pictures
        masks: the name of the folder of masks
        ending: what a mask's name has after its picture's, such as _mask
        classes: the number or the colour [red, green, blue] of each class by its name; auto takes what occurs in the
            training part's masks, in order
        ignored: the number or colour of pixels that count nothing; auto for 255 where masks hold numbers, null for
            none
        size: height and width; auto is the pictures' own where all are alike, else a square whose side is the
            median of their shorter sides, at most 224
        channels: 1 for grey, 3 for colours; auto is 3 where any picture has colours
    """

    def __init__(
        self,
        *,
        path: PathText,
        images: str = "images",
        masks: str = "masks",
        ending: str = "",
        classes: dict[str, Code] | Auto = "auto",
        ignored: Code | Auto | None = "auto",
        size: Size | Auto = "auto",
        channels: Literal[1, 3] | Auto = "auto",
    ) -> None:
        self._path = Path(path)
        self._names = Names(images, masks, ending)
        self._classes = classes
        self._ignored = ignored
        self._size = size
        self._channels = channels

    def listing(self, stored: Learned | None) -> Listing:
        found, broken = readable(list(pairs(self._path, self._names)))
        if stored is None:
            size = common_size([one.size for one in found], self._size, self._channels)
            codes, described = self._codes(found)
        else:
            assert isinstance(stored.inputs, Image) and isinstance(stored.targets, Mask)
            size, codes, described = stored.inputs, Codes.recalled(stored.facts), stored.targets
        return Listing(
            "mask_folder",
            [one.pair.picture for one in found],
            Pictures([one.pair.mask for one in found], Image(1, size.height, size.width), codes),
            described,
            [one.pair.part for one in found],
            size,
            broken,
            scaled,
            asdict(codes),
        )

    def _codes(self, found: Sequence[Measured]) -> tuple[Codes, Mask]:
        """What stands for the classes, and what they are called."""
        are_colours = self._are_colours(found)
        ignored = self._ignored_code(are_colours)
        in_masks = held([one.pair.mask for one in found], are_colours)
        of_training = {
            code for one, codes in zip(found, in_masks, strict=True) if one.pair.part == "train" for code in codes
        }
        named = self._named(are_colours, of_training - {ignored}, ignored)
        codes = Codes(tuple(named.values()), are_colours, ignored)
        for one, there in zip(found, in_masks, strict=True):
            strange = there - {*named.values(), ignored}
            if strange:
                holds = f"{one.pair.mask} holds {spoken(min(strange), are_colours)}"
                known = ", ".join(spoken(code, are_colours).removeprefix("the ") for code in named.values())
                raise UnfitError(f"{holds}, which stands for none of the classes ({known}); name it", "classes")
        return codes, Mask(tuple(named))

    def _are_colours(self, found: Sequence[Measured]) -> bool:
        """Whether classes are told by colours: where masks have some, or the settings name such."""
        if self._classes == "auto":
            return any(one.head.is_coloured for one in found)
        kinds = {isinstance(code, list) for code in self._classes.values()}
        if len(kinds) != 1:
            raise UnfitError("expected a number for each class, or a colour for each", "classes")
        return kinds.pop()

    def _ignored_code(self, are_colours: bool) -> int | None:
        if self._ignored == "auto":
            is_class = self._classes != "auto" and 255 in self._classes.values()
            return None if are_colours or is_class else 255
        if self._ignored is not None and isinstance(self._ignored, list) != are_colours:
            kind = "colours: [red, green, blue]" if are_colours else "numbers"
            raise UnfitError(f"these masks hold {kind}", "ignored")
        return packed(self._ignored) if isinstance(self._ignored, list) else self._ignored

    def _named(self, are_colours: bool, found: set[int], ignored: int | None) -> dict[str, int]:
        """The code of each class by its name: of those that the settings name, else of all that were found."""
        if self._classes != "auto":
            named = {name: packed(code) if isinstance(code, list) else code for name, code in self._classes.items()}
            if len({*named.values(), ignored}) <= len(named):
                raise UnfitError("expected a code of its own for each class, and none that is ignored", "classes")
        else:
            named = {f"#{code:06x}" if are_colours else str(code): code for code in sorted(found)}
        if len(named) < 2:
            only = f"only {spoken(next(iter(named.values())), are_colours)}" if named else "nothing"
            beside = f" beside {spoken(ignored, are_colours)}, which counts nothing" if ignored is not None else ""
            more = "; write ignored: null if that is a class, too" if ignored is not None else ""
            raise UnfitError(f"the training masks hold {only}{beside}{more}; two classes are needed", "classes")
        if len(named) > MOST:
            kind = "colours" if are_colours else "numbers"
            most = f"more than {MOST} classes; are they photographs, or were they stored with a loss?"
            raise UnfitError(f"the training masks hold {len(named):,} different {kind}, {most}", "path")
        return named
