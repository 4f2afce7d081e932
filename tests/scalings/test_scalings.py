"""Scalings against scikit-learn, in data sets, and in checkpoints."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import made
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from torch import Tensor

from nntrain.batch import Sequences
from nntrain.data import preparation
from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.preparation import Preparation
from nntrain.errors import MismatchError, UnfitError
from nntrain.specs import Classes, Image, Series, Vector
from runs import best, only_run

Command = Callable[..., Any]
CPU = torch.device("cpu")
TWINS = {
    "standard": StandardScaler(),
    "min_max": MinMaxScaler(),
    "robust": RobustScaler(),
    "whitening": make_pipeline(StandardScaler(), PCA(whiten=True, svd_solver="full")),
}


def table() -> Source:
    """Correlated features of three scales, one of them constant in no part, after them a group of flags."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(200, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 50.0, 0.01]) + 7
    numbers[:, 1] += 30 * numbers[:, 0]
    flags = torch.eye(3)[torch.randint(3, (200,), generator=generator)]
    inputs = torch.cat((numbers, flags), dim=1)
    return Source("table", Vector(6, (3,)), Classes(("a", "b")), Examples(inputs, torch.arange(200) % 2))


def component(settings: Any) -> Any:
    """A scaling as a config gives it to a data set."""
    from nntrain.reader import Reader
    from nntrain.registry import Registry

    found = Reader(Registry()).component("scaling", settings, ("data", "standardize"))
    assert found is not None
    return found


def inputs(data: InMemory, name: str) -> Tensor:
    split = data.split(name)
    assert split is not None
    return split.inputs


@pytest.mark.parametrize("name", TWINS)
def test_numbers_are_scaled_by_the_training_set_as_scikit_learn_does_it_and_flags_are_not(name: str) -> None:
    plain, data = InMemory(table, CPU, None, standardize=False), InMemory(table, CPU, None, standardize=component(name))
    twin = TWINS[name].fit(inputs(plain, "train")[:, :3].double())
    for part in ("train", "dev", "test"):
        expected = torch.from_numpy(twin.transform(inputs(plain, part)[:, :3].double())).float()
        found = inputs(data, part)
        if name == "whitening":  # the sign of a component is free, and its variance over n - 1 there
            expected *= (expected * found[:, :3]).sum(dim=0).sign() * (140 / 139) ** 0.5
        torch.testing.assert_close(found[:, :3], expected, rtol=1e-3, atol=1e-4)
        assert torch.equal(found[:, 3:], inputs(plain, part)[:, 3:])


def test_true_means_standard() -> None:
    short, long = (InMemory(table, CPU, None, standardize=setting) for setting in (True, component("standard")))
    assert torch.equal(short.train.inputs, long.train.inputs)


def test_whitened_features_are_uncorrelated_and_of_variance_1() -> None:
    data = InMemory(table, CPU, None, standardize=component({"type": "whitening", "components": 2}))
    assert data.inputs == Vector(5, (3,))
    white = data.train.inputs[:, :2].double()
    torch.testing.assert_close(white.T @ white / len(white), torch.eye(2, dtype=torch.float64), rtol=0, atol=1e-4)
    again = InMemory(table, CPU, data.learned, standardize=component({"type": "whitening", "components": 2}))
    assert torch.equal(inputs(again, "dev"), inputs(data, "dev"))


def test_components_that_are_not_there_are_left_out_or_refused() -> None:
    def doubled() -> Source:
        numbers = table().train.inputs[:, :2]
        both = torch.cat((numbers, 3 * numbers), dim=1)
        return Source("doubled", Vector(4), Classes(("a", "b")), Examples(both, torch.arange(200) % 2))

    assert InMemory(doubled, CPU, None, standardize=component("whitening")).inputs == Vector(2)
    with pytest.raises(UnfitError, match="has 2 that are not 0, found 3") as error:
        InMemory(doubled, CPU, None, standardize=component({"type": "whitening", "components": 3}))
    assert error.value.path == ("standardize", "components")


@pytest.mark.parametrize("name", ["standard", "min_max", "robust"])
def test_a_constant_feature_becomes_0(name: str) -> None:
    values = torch.stack((torch.full((50,), 3.3), torch.arange(50.0)), dim=1)
    scaling = made("scaling", name, Vector(2))
    learned = preparation.learn(scaling, values, Vector(2), 1.0)
    assert Preparation(scaling, Vector(2), learned)(values)[:, 0].abs().max() < 1e-6


def test_pixels_are_scaled_by_channel_from_0_to_1() -> None:
    pixels = torch.randint(20, 200, (40, 2, 3, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    scaling = made("scaling", "min_max", Image(2, 3, 3))
    learned = preparation.learn(scaling, pixels, Image(2, 3, 3), 1 / 255)
    scaled = Preparation(scaling, Image(2, 3, 3), learned)(pixels, 1 / 255)
    assert scaled.amin(dim=(0, 2, 3)).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert scaled.amax(dim=(0, 2, 3)).tolist() == pytest.approx([1, 1], abs=1e-6)


def test_padding_neither_teaches_nor_is_scaled() -> None:
    values = torch.arange(1.0, 13.0).view(2, 3, 2)
    series, spec = Sequences(values, torch.tensor([3, 1])), Series(2, 3)
    scaling = made("scaling", "robust", spec)
    learned = preparation.learn(scaling, series, spec, 1.0)
    assert learned["median"].tolist() == np.median([[1, 2], [3, 4], [5, 6], [7, 8]], axis=0).tolist()
    scaled = Preparation(scaling, spec, learned)(series)
    assert scaled.values[1, 1:].abs().max() == 0


def test_many_digits_are_kept_where_the_numbers_are_double() -> None:
    seconds = 1.6e9 + torch.arange(100.0, dtype=torch.float64)[:, None]
    scaling = made("scaling", "standard", Vector(1))
    learned = preparation.learn(scaling, seconds, Vector(1), 1.0)
    scaled = Preparation(scaling, Vector(1), learned)(seconds)
    assert scaled.dtype == torch.float32
    assert len(scaled.unique()) == 100


def test_a_scaling_that_cannot_take_the_inputs_is_refused() -> None:
    with pytest.raises(MismatchError, match="whitening takes vectors"):
        component("whitening")(Image(1, 4, 4))


def test_flags_alone_are_not_scaled() -> None:
    def flags() -> Source:
        return Source("flags", Vector(2, (2,)), Classes(("a", "b")), Examples(torch.eye(2).repeat(50, 1), LABELS))

    assert torch.equal(InMemory(flags, CPU, None).train.inputs.unique(), torch.tensor([0.0, 1.0]))
    with pytest.raises(UnfitError, match="all inputs are flags") as error:
        InMemory(flags, CPU, None, standardize=component("min_max"))
    assert error.value.path == ("standardize",)


LABELS = torch.arange(100) // 2 % 2


def test_it_is_set_in_a_config_and_travels_in_the_checkpoint(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    write("data: {type: iris, standardize: robust}\nmodel: linear\ntrainer: {length: 3 epochs}\n")
    assert command("fit", "my.yaml").status == 0
    run = only_run(tmp_path / "runs")
    assert {name for name in best(run).tensors if name.startswith("data.")} == {"data.median", "data.span"}
    moved = tmp_path / "elsewhere.safetensors"
    shutil.copy(run / "checkpoints" / "best.safetensors", moved)
    assert command("eval", moved, "--json").json["metrics"] == command("eval", run, "--json").json["metrics"]
    refused = command("eval", moved, "data.standardize=min_max")
    assert refused.status == 2
    assert "data.standardize: the checkpoint was trained with" in refused.err and "robust" in refused.err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("min_mx", "unknown scaling 'min_mx'; did you mean 'min_max'?"),
        ("{type: whitening, components: 0}", "expected a whole number at least 1 or null, found 0"),
        ("1.5", "expected true or false, found 1.5"),
    ],
)
def test_a_wrong_setting_is_pointed_at(
    command: Command, write: Callable[..., Path], setting: str, message: str
) -> None:
    write(f"data: {{type: iris, standardize: {setting}}}\nmodel: linear\n")
    refused = command("fit", "my.yaml")
    assert refused.status == 2
    assert message in refused.err
