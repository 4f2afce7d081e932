"""What the README shows is what happens."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from conftest import ROOT
from nntrain.measure import trained

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(first: str) -> str:
    """The README's block whose first line is the given one."""
    blocks = [fenced.partition("\n")[2] for fenced in README.split("\n```")[1::2]]
    return next(text + "\n" for text in blocks if text.startswith(first))


def test_the_model_in_one_file_trains(command: Callable[..., Any], write: Callable[..., Path]) -> None:
    write(block("# my_model.py"), "my_model.py")
    write(block("# my.yaml"))
    fitted = command("fit", "my.yaml", "--json").json
    assert fitted["model"]["type"] == "maxout"
    assert fitted["dev"]["error_rate"] < 0.1


def test_a_typo_in_the_new_models_settings_is_pointed_at(
    command: Callable[..., Any], write: Callable[..., Path]
) -> None:
    write(block("# my_model.py"), "my_model.py")
    write(block("# my.yaml").replace("pieces: 4", "peices: 4"))
    refused = command("check", "my.yaml")
    assert refused.status == 2
    assert "my.yaml:4:23: model.peices: unknown setting of maxout; did you mean 'pieces'?" in refused.err


def test_the_task_in_one_file_learns_a_quantile(command: Callable[..., Any], write: Callable[..., Path]) -> None:
    written = block("# my_task.py")
    assert len(written.splitlines()) < 40
    write(written, "my_task.py")
    write(block("# quantile.yaml"), "quantile.yaml")
    run = command("fit", "quantile.yaml", "--json").json["run"]
    rows = command("predict", run, "--split", "train", "--allow-plugins").out.splitlines()
    found = torch.tensor([json.loads(row)["outputs"] for row in rows])
    _, parts = trained(Path(run), [], True, print)
    targets = torch.cat([batch.targets for batch in parts.data.split("train").in_order()])
    assert (targets < found).float().mean().item() == pytest.approx(0.9, abs=0.05)


def test_the_tests_that_the_table_of_troubles_names_are_there() -> None:
    table = README.partition("## When something goes wrong")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(test_\w+(?:\.py)?)`", table))
    files = list((ROOT / "tests").rglob("test_*.py"))
    there = {path.name for path in files}
    there |= {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)}
    assert len(named) > 25
    assert named <= there


def test_the_config_explained_is_the_one_that_is_shipped() -> None:
    shipped = (ROOT / "configs" / "lenet_fashion_mnist.yaml").read_text(encoding="utf-8")
    explained = block("# configs/lenet_fashion_mnist.yaml")
    assert yaml.safe_load(explained) == yaml.safe_load(shipped)


def test_the_mistakes_shown_are_those_that_are_found(command: Callable[..., Any], write: Callable[..., Path]) -> None:
    shown = block("my.yaml:3:3: model.hiden")
    write("data: digits\nmodel:\n  hiden: [128, 64]\n  type: mlp\noptimizer: {type: adam, lr: three}\n")
    assert command("check", "my.yaml").err == shown


def test_the_finding_shown_is_the_one_that_is_found(command: Callable[..., Any], write: Callable[..., Path]) -> None:
    shown = block("alarm: inputs reach")
    write("data: {type: wine, standardize: false}\nmodel: mlp\n")
    assert shown in command("check", "my.yaml").out


@pytest.mark.parametrize("path", re.findall(r"\]\(((?!https?:)[^)#]+)\)", README))
def test_a_link_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()
