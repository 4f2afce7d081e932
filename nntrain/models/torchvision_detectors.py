"""The detectors of torchvision, for pictures of any size and without published weights."""

from typing import Annotated, Any

from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from nntrain.batch import IGNORED, Detections, Objects
from nntrain.errors import UnfitError
from nntrain.models.feature_pyramid import SMALL, pyramid
from nntrain.registry import model
from nntrain.settings import Count, Model, Share
from nntrain.specs import Boxes, Image, Instances

SCORE = 0.05  # below it nothing is told of
RATIOS = (0.5, 1.0, 2.0)  # of the heights of anchors to their widths
LIKELY = 0.5  # how likely a pixel is an object's, for it to be in its mask
GROUPS = 32  # of maps, that fcos normalises together
TERMS = {
    "loss_objectness": "objectness",
    "loss_rpn_box_reg": "region",
    "loss_classifier": "classification",
    "classification": "classification",
    "loss_box_reg": "box",
    "bbox_regression": "box",
    "bbox_ctrness": "centerness",
    "loss_mask": "mask",
}
Side = Annotated[int, Ge(32)]


class TorchvisionDetector(nn.Module):
    """A detector of torchvision in the form that tasks know.

    terms: the names of its losses; `first` is what the network calls the first class
    """

    def __init__(self, network: nn.Module, terms: tuple[str, ...], first: int) -> None:
        super().__init__()
        self.network = network
        self.terms = terms
        self._first = first

    def forward(self, images: Tensor) -> Detections:
        found = self.network(list(images))
        masks = [each["masks"][:, 0] > LIKELY for each in found] if "masks" in found[0] else None
        return Detections(
            _padded([each["boxes"] for each in found], 0),
            _padded([each["labels"] - self._first for each in found], IGNORED),
            _padded([each["scores"] for each in found], 0),
            None if masks is None else _padded(masks, False),
        )

    def losses(self, images: Tensor, objects: Objects) -> dict[str, Tensor]:
        """The sum over the pictures of each term, in training."""
        found: dict[str, Tensor] = self.network(list(images), self._listed(objects))
        return {TERMS[name]: value * len(images) for name, value in found.items()}

    def _listed(self, objects: Objects) -> list[dict[str, Tensor]]:
        """The objects of each picture, as torchvision has them: without crowds."""
        are_single = objects.are_there & ~objects.crowds
        pictures = []
        for i, single in enumerate(are_single):
            one = {"boxes": objects.boxes[i][single], "labels": objects.labels[i][single] + self._first}
            pictures.append(one if objects.masks is None else {**one, "masks": objects.masks[i][single].byte()})
        return pictures


def _padded(parts: list[Tensor], value: float) -> Tensor:
    return pad_sequence(parts, batch_first=True, padding_value=value)


@model("faster_rcnn")
def faster_rcnn(
    inputs: Image,
    outputs: Boxes,
    *,
    backbone: Model = SMALL,
    channels: Count = 64,
    hidden: Count = 128,
    min_size: Side = 96,
    smallest: Share = 0.08,
) -> TorchvisionDetector:
    """Faster R-CNN: a small network proposes regions that may hold an object, another says what is in each, and where.

    L = objectness + region (of the proposals, 256 drawn of each picture) + classification + box (of 128 regions)

    Takes images (batch, channels, height, width). Its losses are means over what is drawn of a batch, not sums over
    pictures. Exact, and slow.
    Source: Ren, He, Girshick, Sun, Faster R-CNN, 2015, arXiv:1506.01497; on a pyramid: Lin et al. 2016,
    arXiv:1612.03144; torchvision.models.detection.FasterRCNN.

    Settings:
        backbone: the resnet below, with stem: imagenet
        channels: the maps of each level of the pyramid
        hidden: the width of the two layers that look at a region
        min_size: pixels of the shorter side that pictures are scaled to
        smallest: the side of the smallest anchors, as a share of min_size; those of each level are twice as large
    """
    from torchvision.models.detection.faster_rcnn import FasterRCNN

    base = pyramid(inputs, backbone, channels)
    network = FasterRCNN(base, **_of_regions(inputs, outputs, channels, hidden, min_size, smallest))
    return TorchvisionDetector(network, ("objectness", "region", "classification", "box"), first=1)


@model("mask_rcnn")
def mask_rcnn(
    inputs: Image,
    outputs: Instances,
    *,
    backbone: Model = SMALL,
    channels: Count = 64,
    hidden: Count = 128,
    min_size: Side = 96,
    smallest: Share = 0.08,
) -> TorchvisionDetector:
    """Mask R-CNN: Faster R-CNN, and a third network that draws the mask of what is in each region.

    L = objectness + region + classification + box + mask (28x28 pixels of each region that holds an object)

    Takes images (batch, channels, height, width). Its losses are means over what is drawn of a batch, not sums over
    pictures.
    Source: He, Gkioxari, Dollar, Girshick, Mask R-CNN, 2017, arXiv:1703.06870;
    torchvision.models.detection.MaskRCNN.

    Settings:
        backbone: the resnet below, with stem: imagenet
        channels: the maps of each level of the pyramid, and of the layers that draw masks
        hidden: the width of the two layers that look at a region
        min_size: pixels of the shorter side that pictures are scaled to
        smallest: the side of the smallest anchors, as a share of min_size; those of each level are twice as large
    """
    from torchvision.models.detection.mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor

    base = pyramid(inputs, backbone, channels)
    network = MaskRCNN(
        base,
        **_of_regions(inputs, outputs, channels, hidden, min_size, smallest),
        mask_roi_pool=_window(14, min_size),
        mask_head=MaskRCNNHeads(channels, (channels,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(channels, channels, len(outputs) + 1),
    )
    return TorchvisionDetector(network, ("objectness", "region", "classification", "box", "mask"), first=1)


@model("retinanet")
def retinanet(
    inputs: Image,
    outputs: Boxes,
    *,
    backbone: Model = SMALL,
    channels: Count = 64,
    min_size: Side = 96,
    smallest: Share = 0.08,
) -> TorchvisionDetector:
    """RetinaNet: says of nine anchors at every place of a pyramid what each holds, and where, in one pass.

    L = classification (focal loss of all anchors) + box (of those that hold an object)

    Takes images (batch, channels, height, width). Its losses are divided by the anchors of each picture that hold
    an object.
    Source: Lin, Goyal, Girshick, He, Dollar, Focal loss for dense object detection, 2017, arXiv:1708.02002;
    torchvision.models.detection.RetinaNet.

    Settings:
        backbone: the resnet below, with stem: imagenet
        channels: the maps of each level of the pyramid, and of the heads' layers
        min_size: pixels of the shorter side that pictures are scaled to
        smallest: the side of the smallest anchors, as a share of min_size; those of each level are twice as large
    """
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.retinanet import RetinaNet

    sizes = [tuple(round(side * 2 ** (i / 3)) for i in range(3)) for side in _sides(smallest, min_size)]
    anchors = AnchorGenerator(tuple(sizes), (RATIOS,) * len(sizes))
    base = pyramid(inputs, backbone, channels)
    network = RetinaNet(
        base, len(outputs), anchor_generator=anchors, score_thresh=SCORE, **_as_they_are(inputs, min_size)
    )
    return TorchvisionDetector(network, ("classification", "box"), first=0)


@model("fcos")
def fcos(
    inputs: Image,
    outputs: Boxes,
    *,
    backbone: Model = SMALL,
    channels: Count = 64,
    min_size: Side = 96,
    smallest: Share = 0.08,
) -> TorchvisionDetector:
    """FCOS: says of every place of a pyramid what object it is in, and how far that object's edges are away.

    L = classification (focal loss of all places) + box + centerness (of places inside of an object)

    Takes images (batch, channels, height, width). Its losses are divided by the places of a batch that are in an
    object.
    Source: Tian, Shen, Chen, He, FCOS: fully convolutional one-stage object detection, 2019, arXiv:1904.01355;
    torchvision.models.detection.FCOS.

    Settings:
        backbone: the resnet below, with stem: imagenet
        channels: the maps of each level of the pyramid, and of the heads' layers, a multiple of 32 from 64 on
        min_size: pixels of the shorter side that pictures are scaled to
        smallest: the size of what the lowest level finds, as a share of min_size; at each level it is twice as large
    """
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.fcos import FCOS

    if channels % GROUPS or channels == GROUPS:
        message = f"its layers normalise {GROUPS} groups of two maps or more: expected a multiple of {GROUPS}, from"
        raise UnfitError(f"{message} {2 * GROUPS} on, found {channels}", "channels")
    sizes = tuple((side,) for side in _sides(smallest, min_size))
    base = pyramid(inputs, backbone, channels)
    anchors = AnchorGenerator(sizes, ((1.0,),) * len(sizes))  # one at each place
    network = FCOS(base, len(outputs), anchor_generator=anchors, score_thresh=SCORE, **_as_they_are(inputs, min_size))
    return TorchvisionDetector(network, ("classification", "box", "centerness"), first=0)


def _of_regions(
    inputs: Image, outputs: Boxes | Instances, channels: int, hidden: int, min_size: int, smallest: float
) -> dict[str, Any]:
    """What the two networks on regions have in common."""
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

    sizes = tuple((side,) for side in _sides(smallest, min_size))
    return {
        **_as_they_are(inputs, min_size),
        "rpn_anchor_generator": AnchorGenerator(sizes, (RATIOS,) * len(sizes)),
        "rpn_pre_nms_top_n_train": 400,
        "rpn_pre_nms_top_n_test": 200,
        "rpn_post_nms_top_n_train": 200,
        "rpn_post_nms_top_n_test": 100,
        "box_batch_size_per_image": 128,
        "box_score_thresh": SCORE,
        "box_roi_pool": _window(7, min_size),
        "box_head": TwoMLPHead(channels * 7 * 7, hidden),
        "box_predictor": FastRCNNPredictor(hidden, len(outputs) + 1),
    }


def _as_they_are(inputs: Image, min_size: int) -> dict[str, Any]:
    """Pictures come prepared, and are only scaled."""
    longest = round(min_size * max(inputs.shape[1:]) / min(inputs.shape[1:]))
    zeros = [0.0] * inputs.channels
    return {"min_size": min_size, "max_size": longest, "image_mean": zeros, "image_std": [1.0] * inputs.channels}


def _sides(smallest: float, min_size: int) -> list[int]:
    """The sides of the anchors of each level of a pyramid."""
    return [round(smallest * min_size * 2**i) for i in range(5)]


def _window(size: int, min_size: int) -> nn.Module:
    """What cuts regions out of a pyramid; the levels are chosen as for pictures of the usual 800 pixels."""
    from torchvision.ops import MultiScaleRoIAlign

    scale = max(1, round(224 * min_size / 800))
    return MultiScaleRoIAlign(["0", "1", "2", "3"], size, sampling_ratio=2, canonical_scale=scale)
