"""Detectors: what they put out and learn, by all of them; the formulas of the small one."""

import math
from operator import itemgetter

import pytest
import torch
from made import component, made
from torch import nn

from nntrain.batch import IGNORED, Batch, Detections, Objects, each
from nntrain.data.scenes import SHAPES, scenes
from nntrain.errors import UnfitError
from nntrain.layers import trace_example
from nntrain.models.center_net import CenterNet, Maps, _focal, _peaks, _places, _radius
from nntrain.network import network_for
from nntrain.specs import Boxes, Image, Instances

SIZE = 32
IMAGE = Image(3, SIZE, SIZE)
SMALL = {"channels": 8, "backbone": {"type": "resnet", "width": 4}}
TERMS = {
    "center_net": ("classification", "box", "offset"),
    "faster_rcnn": ("objectness", "region", "classification", "box"),
    "fcos": ("classification", "box", "centerness"),
    "mask_rcnn": ("objectness", "region", "classification", "box", "mask"),
    "retinanet": ("classification", "box"),
}
each_detector = pytest.mark.parametrize("name", TERMS)


def detector(name: str, seed: int = 0, inputs: Image = IMAGE) -> nn.Module:
    torch.manual_seed(seed)
    own = {} if name == "center_net" else {"min_size": 32, **({"channels": 64} if name == "fcos" else {})}
    spec = (Instances if name == "mask_rcnn" else Boxes)(SHAPES, 3)
    model = network_for(component("model", {"type": name, **SMALL, **own}), inputs, spec)
    if name in ("fcos", "retinanet"):
        model.network.score_thresh = 0.0  # untrained they are sure of nothing
    return model


def examples(count: int = 5) -> Batch:
    made_up = scenes(count, SIZE, [1, 3], 0.3, 0.1, 0)
    sizes = torch.full((count, 2), SIZE)
    crowds = torch.zeros_like(made_up.is_there)
    return Batch(made_up.pictures, Objects(made_up.boxes, made_up.shapes, crowds, sizes, made_up.masks))


@each_detector
def test_what_is_found_lies_in_the_picture_and_is_sorted_by_its_score(name: str) -> None:
    found: Detections = detector(name).eval()(examples().inputs)
    count = found.labels.shape[1]
    assert found.boxes.shape == (5, count, 4) and found.scores.shape == (5, count)
    there = found.are_there
    assert there.any() and bool(((found.boxes[there] >= 0) & (found.boxes[there] <= SIZE)).all())
    assert found.labels[there].max() < len(SHAPES)
    assert bool((found.scores[:, 1:] <= found.scores[:, :-1]).all())
    assert (found.masks is not None) == (name == "mask_rcnn")
    if found.masks is not None:
        assert found.masks.shape == (5, count, SIZE, SIZE) and found.masks.dtype == torch.bool


@each_detector
def test_the_terms_are_finite_and_reach_every_parameter(name: str) -> None:
    model, batch = detector(name).train(), examples()
    losses = model.losses(batch.inputs, batch.targets)
    assert tuple(sorted(losses)) == tuple(sorted(TERMS[name])) == tuple(sorted(model.terms))
    sum(losses.values()).backward()
    assert all(math.isfinite(float(loss.detach())) for loss in losses.values())
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


@each_detector
def test_a_picture_is_seen_alike_in_any_batch(name: str) -> None:
    model, inputs = detector(name).eval(), examples().inputs
    whole, alone = model(inputs), [model(picture[None]) for picture in inputs]
    for i, one in enumerate(alone):
        count = int(one.are_there.sum())
        assert count == int(whole.are_there[i].sum())
        torch.testing.assert_close(whole.scores[i, :count], one.scores[0, :count], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(whole.boxes[i, :count], one.boxes[0, :count], rtol=1e-3, atol=1e-2)


@each_detector
def test_pictures_without_objects_and_with_crowds_alone_can_be_learned_from(name: str) -> None:
    model, batch = detector(name).train(), examples()
    none = torch.full_like(batch.targets.labels, IGNORED)
    empty = batch.targets._replace(labels=none, boxes=torch.zeros_like(batch.targets.boxes))
    crowded = batch.targets._replace(crowds=torch.ones_like(batch.targets.crowds))
    for objects in (empty, crowded):
        torch.manual_seed(0)
        with torch.no_grad():
            losses = model.losses(batch.inputs, objects)
        assert all(math.isfinite(float(loss)) for loss in losses.values())
        assert float(losses["box"]) == 0


@each_detector
def test_noise_that_is_drawn_comes_from_the_generator(name: str) -> None:
    batch = examples()
    found = []
    for _ in range(2):
        model = detector(name, seed=3).train()
        torch.manual_seed(5)
        found.append(torch.stack(list(model.losses(batch.inputs, batch.targets).values())))
    assert torch.equal(*found)


@each_detector
def test_the_layers_are_seen_in_a_trace(name: str) -> None:
    model, inputs = detector(name), examples().inputs
    layers = trace_example(model, inputs[:1], inputs[:1].repeat(2, 1, 1, 1))
    assert len(layers) > 20 and sum(layer.multiply_adds for layer in layers) > 1e5


@each_detector
def test_other_channels_and_shapes(name: str) -> None:
    model = detector(name, inputs=Image(1, 32, 64)).eval()
    found = model(torch.rand(2, 1, 32, 64))
    assert float(found.boxes[..., 0::2].max()) <= 64 and float(found.boxes[..., 1::2].max()) <= 32


@each_detector
def test_a_pyramid_needs_the_stages_of_a_resnet(name: str) -> None:
    for backbone in ("lenet", {"type": "resnet", "stem": "cifar", "depth": 8}):
        chosen = component("model", {"type": name, "backbone": backbone})
        with pytest.raises(UnfitError, match="four stages of a resnet"):
            network_for(chosen, IMAGE, (Instances if name == "mask_rcnn" else Boxes)(SHAPES, 3))


def test_the_layers_of_fcos_have_groups_of_maps() -> None:
    with pytest.raises(UnfitError, match="a multiple of 32") as caught:
        network_for(component("model", {"type": "fcos", "channels": 40}), IMAGE, Boxes(SHAPES, 3))
    assert caught.value.path[-1] == "channels"


def small() -> CenterNet:
    return made("model", {"type": "center_net", **SMALL}, IMAGE, Boxes(("a", "b"), 3))


def test_center_net_finds_the_objects_whose_maps_it_puts_out() -> None:
    boxes = torch.tensor([[[4.0, 6, 14, 12], [20.0, 18, 30, 30], [0.0, 0, 0, 0]]])
    labels = torch.tensor([[0, 1, IGNORED]])
    objects = Objects(boxes, labels, torch.zeros(1, 3, dtype=torch.bool), torch.full((1, 2), SIZE))
    places = _places(boxes, torch.Size((8, 8)))
    maps = Maps(torch.logit(_peaks(objects, places, torch.Size((1, 2, 8, 8))), 1e-6), *torch.zeros(2, 1, 2, 8, 8))
    for i in range(2):
        row, column = places.cells[0, i]
        maps.sizes[0, :, row, column] = places.sizes[0, i]
        maps.offsets[0, :, row, column] = places.middles[0, i] - places.cells[0, i].flip(-1)
    found = small()._found(maps)
    sure = found.scores[0] > 0.99
    order = found.labels[0][sure].argsort()
    assert found.labels[0][sure][order].tolist() == [0, 1]
    torch.testing.assert_close(found.boxes[0][sure][order], boxes[0, :2])


def test_the_peaks_of_center_net_are_bells_around_the_middles() -> None:
    boxes = torch.tensor([[[8.0, 8, 24, 24], [0.0, 0, 8, 8]]])  # middles in the cells (4, 4) and (1, 1)
    objects = Objects(boxes, torch.tensor([[1, 1]]), torch.zeros(1, 2, dtype=torch.bool), torch.full((1, 2), SIZE))
    places = _places(boxes, torch.Size((8, 8)))
    peaks = _peaks(objects, places, torch.Size((1, 2, 8, 8)))[0]
    assert float(peaks[0].max()) == 0
    for row, column in ((4, 4), (4, 6), (1, 1), (2, 2), (7, 0)):
        expected = 0.0
        for (r, c), side in (((4, 4), 4.0), ((1, 1), 2.0)):
            radius = (1 - math.sqrt(0.7)) * side / 2  # (s - 2 r)^2 = 0.7 s^2
            sigma = (2 * radius + 1) / 6
            expected = max(expected, math.exp(-((row - r) ** 2 + (column - c) ** 2) / (2 * sigma**2)))
        assert float(peaks[1, row, column]) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_the_radius_of_a_peak_leaves_an_overlap_of_0_7() -> None:
    sizes = torch.tensor([[10.0, 10.0], [3.0, 12.0]])
    radius = _radius(sizes)[:, None]
    torch.testing.assert_close((sizes - 2 * radius).prod(dim=1), 0.7 * sizes.prod(dim=1))


def test_the_focal_loss_of_center_net() -> None:
    logits, peaks = torch.tensor([0.3, -1.2, 2.0]), torch.tensor([1.0, 0.6, 0.0])
    p = logits.sigmoid()
    expected = -((1 - p[0]) ** 2 * p[0].log() + 0.4**4 * p[1] ** 2 * (1 - p[1]).log() + p[2] ** 2 * (1 - p[2]).log())
    torch.testing.assert_close(_focal(logits, peaks), expected)


def test_the_losses_of_center_net_are_sums_over_pictures() -> None:
    model, batch = small().eval(), examples()
    objects = batch.targets._replace(labels=batch.targets.labels.clamp(max=1))
    whole = model.losses(batch.inputs, objects)
    ones = [slice(i, i + 1) for i in range(5)]
    alone = [model.losses(batch.inputs[one], each(itemgetter(one), objects)) for one in ones]
    for term, value in whole.items():
        torch.testing.assert_close(value, sum(one[term] for one in alone))


def test_center_net_learns_what_is_in_a_few_pictures() -> None:
    model, batch = detector("center_net").train(), examples(8)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        (sum(model.losses(batch.inputs, batch.targets).values()) / 8).backward()
        optimizer.step()
    metric = made("metric", "map_50", Boxes(SHAPES, 3))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the mean over what follows
                module.reset_running_stats()
        model._maps(batch.inputs)
        assert metric.value(metric.measure(model.eval()(batch.inputs), batch.targets)) > 0.9
