"""Checkpoints of earlier formats: a sample of each is gone on with and measured by today's nntrain."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_checkpoint import forged, saved

from conftest import ROOT, Called
from nntrain.checkpoint import DamagedError, load
from nntrain.migration import FORMAT, MIGRATIONS, migrated
from runs import last, records, summary_of

Command = Callable[..., Called]
Write = Callable[..., Path]
SAMPLES = ROOT / "tests" / "samples"


@pytest.mark.parametrize("written", sorted(MIGRATIONS))
def test_a_run_of_an_earlier_format_goes_on_to_the_end_of_todays(
    written: int, command: Command, tmp_path: Path
) -> None:
    """Each sample is a run of 30 steps, stopped after 16, with batch normalisation, adam and an average."""
    run = tmp_path / "run"
    shutil.copytree(SAMPLES / f"format-{written}", run)
    whole = Path(command("fit", run / "config.yaml", "--json").json["run"])
    best = command("eval", run, "--json").json["metrics"]
    assert best == pytest.approx(records(whole)[0]["dev"], rel=1e-3)
    resumed = command("fit", "--resume", run)
    assert resumed.status == 0, resumed.err
    assert "at step 16" in resumed.err
    one, other = (summary_of(each)["dev"] for each in (run, whole))
    assert one == pytest.approx(other, rel=1e-3)
    for mine, theirs in zip(records(run), records(whole), strict=True):
        assert mine["train"]["objective"] == pytest.approx(theirs["train"]["objective"], rel=1e-3)
    assert last(run).facts["format"] == FORMAT


@pytest.mark.parametrize("written", sorted(MIGRATIONS))
def test_a_flipped_bit_of_an_earlier_format_is_found(written: int, tmp_path: Path) -> None:
    content = (SAMPLES / f"format-{written}" / "checkpoints" / "best.safetensors").read_bytes()
    chance = random.Random(written)
    for place in (chance.randrange(8 * len(content)) for _ in range(50)):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(DamagedError):
            load(saved(tmp_path, bytes(flipped)))


def test_what_the_steps_measured_has_the_same_mean_in_format_2() -> None:
    tensors = migrated({"meter.model": torch.tensor([6.0, 30.0, 3.0]), "a": torch.ones(1)}, 1)
    assert tensors["meter.model"].mean(dim=0)[1:].tolist() == [2.0, 10.0]
    assert len(tensors["meter.model"]) == 3
    assert migrated({"meter.model": torch.zeros(3)}, 1)["meter.model"].shape == (0,)


@pytest.mark.parametrize("meter", [torch.tensor(1.0), torch.zeros(2), torch.tensor([0.0, 0.0, 1e18])], ids=str)
def test_what_does_not_fit_its_format_is_damaged(meter: torch.Tensor, tmp_path: Path) -> None:
    with pytest.raises(DamagedError):
        load(saved(tmp_path, forged('{"format": 1}', {"meter.model": meter})))
