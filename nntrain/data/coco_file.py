"""Files of the form that COCO's annotations have: pictures, categories, and the objects in the pictures, as JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from nntrain.data.class_folders import Part
from nntrain.data.objects import Annotated, Found
from nntrain.errors import UnfitError

BEYOND = 1.0  # pixels that a box may reach beyond its picture by rounding; it is cut there
IDS = ("id", "image_id", "category_id")
LISTS = {"images": ("id", "file_name", "height", "width"), "categories": ("id", "name"), "annotations": ("id",)}
Entry = dict[str, Any]


class FaultyError(Exception):
    """An annotation that is wrong, in words."""


@dataclass(frozen=True)
class Reading:
    """The pictures of a file with their objects, and what is wrong with those that were left out, a sentence each."""

    pictures: Sequence[Annotated]
    faults: Sequence[str]


class CocoFile:
    """A file, read; UnfitError, with the setting that names it, where it is not of this form."""

    def __init__(self, path: Path, setting: str) -> None:
        self.path = path
        self._setting = setting
        found = self._loaded()
        self._images, self._categories, self._annotations = (self._list(found, name) for name in LISTS)
        for image in self._images:
            if not all(isinstance(image[side], int) and image[side] > 0 for side in ("height", "width")):
                sides = f"{image['height']} and {image['width']}"
                raise self._wrong(f"image {image['id']}: expected height and width in pixels, found {sides}")

    def names(self) -> tuple[str, ...]:
        """The categories, in the order of their ids."""
        names = tuple(str(entry["name"]) for entry in sorted(self._categories, key=lambda entry: entry["id"]))
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None or not names:
            raise self._wrong(f"two categories are called '{twice}'" if names else "it has no categories")
        return names

    def read(self, folder: Path, part: Part, names: Sequence[str], with_masks: bool) -> Reading:
        """Every picture of the file, in its order, with the objects in it; `names` are those of the classes."""
        numbers = {name: number for number, name in enumerate(names)}
        labels = {entry["id"]: numbers.get(str(entry["name"])) for entry in self._categories}
        pictures = {
            image["id"]: Annotated(folder / str(image["file_name"]), image["height"], image["width"], part)
            for image in self._images
        }
        if len(pictures) < len(self._images):
            raise self._wrong("two images have the same id")
        faults = [
            f"image {key}: there is no file {one.file}" for key, one in pictures.items() if not one.file.is_file()
        ]
        for annotation in self._annotations:
            try:
                picture = pictures.get(annotation.get("image_id"))
                if picture is None:
                    raise FaultyError(f"there is no image {annotation.get('image_id')}")
                picture.objects.append(_found(annotation, picture, labels, with_masks))
            except FaultyError as error:
                faults.append(f"annotation {annotation['id']}: {error}")
        return Reading([one for one in pictures.values() if one.file.is_file()], [f"{self.path}: {f}" for f in faults])

    def _loaded(self) -> Any:
        try:
            return json.loads(self.path.read_bytes())
        except OSError as error:
            raise self._wrong(f"it cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise self._wrong(f"it is no JSON: {error}") from None

    def _list(self, found: Any, name: str) -> list[Entry]:
        entries = found.get(name) if isinstance(found, dict) else None
        needed = LISTS[name]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self._wrong(f"expected a list '{name}' of entries with {', '.join(needed)}")
        for i, entry in enumerate(entries):
            missing = next((key for key in needed if key not in entry), None)
            if missing is not None:
                raise self._wrong(f"{name}[{i}] has no '{missing}'")
            odd = next((key for key in IDS if not isinstance(entry.get(key, 0), int | str)), None)
            if odd is not None:
                raise self._wrong(f"{name}[{i}]: expected a number or text as '{odd}'")
        return entries

    def _wrong(self, reason: str) -> UnfitError:
        return UnfitError(f"{self.path}: {reason}", self._setting)


def _found(annotation: Entry, picture: Annotated, labels: Mapping[Any, int | None], with_masks: bool) -> Found:
    """The object that an annotation describes; FaultyError."""
    category = annotation.get("category_id")
    label = labels.get(category)
    if label is None:
        known = "is not one of the training set's" if category in labels else "is not one of the file's"
        raise FaultyError(f"the category {category} {known}")
    outline = annotation.get("segmentation")
    if with_masks:
        _check_outline(outline, picture)
    return Found(label, _box(annotation.get("bbox"), picture), bool(annotation.get("iscrowd", 0)), outline)


def _box(box: Any, picture: Annotated) -> tuple[float, float, float, float]:
    """The edges of a box that is given by its corner, width and height."""
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(number) for number in box):
        raise FaultyError(f"expected bbox as [left, top, width, height], found {box}")
    left, top, width, height = box
    if width <= 0 or height <= 0:
        raise FaultyError(f"the box {box} has no area")
    right, bottom = left + width, top + height
    edges = max(left, 0), max(top, 0), min(right, picture.width), min(bottom, picture.height)
    reach = max(-left, -top, right - picture.width, bottom - picture.height)
    if reach > BEYOND or edges[0] >= edges[2] or edges[1] >= edges[3]:
        where = f"{picture.file.name} of {picture.width}x{picture.height} pixels (width x height)"
        raise FaultyError(f"the box {box} is not inside of {where}")
    return edges


def _check_outline(outline: Any, picture: Annotated) -> None:
    """FaultyError for what is neither polygons nor run lengths of the picture's size."""
    if isinstance(outline, list) and outline and all(_is_polygon(part) for part in outline):
        return
    if isinstance(outline, dict) and isinstance(outline.get("counts"), list | str):
        if outline.get("size") == [picture.height, picture.width]:
            return
        raise FaultyError(f"the mask is of {outline.get('size')}, the image of {[picture.height, picture.width]}")
    raise FaultyError("expected segmentation as polygons [[x, y, x, y, x, y, ...]] or {size, counts}")


def _is_polygon(part: Any) -> bool:
    return isinstance(part, list) and len(part) >= 6 and len(part) % 2 == 0 and all(_is_number(n) for n in part)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and value == value  # noqa: PLR0124


def all_of(readings: Iterator[Reading]) -> Reading:
    """Several readings, one behind the other."""
    every = list(readings)
    return Reading([p for one in every for p in one.pictures], [f for one in every for f in one.faults])
