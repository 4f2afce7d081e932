"""What a run does before its first step."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nntrain.garbage import not_looked_for
from nntrain.registry import Registry

COMMAND = """
import sys
from nntrain import cli
try:
    cli.main()
except SystemExit as ended:
    assert not ended.code, ended
print("imported", *sys.modules)
"""
# Each takes from a tenth of a second to seconds to import.
NEEDLESS = {
    *("sklearn", "scipy", "pandas", "torchvision", "torchvision.transforms", "torch_geometric", "torchmetrics"),
    *("torch._dynamo", "torch._inductor", "torch.utils.tensorboard", "sympy", "networkx", "triton", "matplotlib"),
    *("tokenizers", "sacrebleu", "pycocotools", "pyarrow", "tensorflow", "rich.markdown", "IPython"),
}


def imported(folder: Path, *arguments: str) -> set[str]:
    """What is imported where the command is given in a folder."""
    command = [sys.executable, "-c", COMMAND, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_a_run_and_its_evaluation_import_only_what_the_config_needs(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("data: digits\nmodel: mlp\noptimizer: adam\ntrainer: {length: 2 steps}\n")
    found = imported(tmp_path, "fit", "my.yaml")
    assert {"imported", "torch", "tensorboard", "nntrain.models.mlp"} <= found
    assert sorted(NEEDLESS & found) == []
    files = {kind: {entry.path.stem for entry in Registry().entries(kind)} for kind in ("model", "optimizer", "task")}
    used = {kind: {name for name in stems if f"nntrain.{kind}s.{name}" in found} for kind, stems in files.items()}
    assert used == {"model": {"mlp"}, "optimizer": {"adam"}, "task": {"classification"}}

    (run,) = tmp_path.glob("runs/*/*")
    found = imported(tmp_path, "eval", str(run), "--json")
    assert {"imported", "torch", "nntrain.models.mlp"} <= found
    assert sorted((NEEDLESS | {"tensorboard"}) & found) == []


@pytest.mark.parametrize("is_on", [True, False])
def test_garbage_is_looked_for_as_before_once_all_is_made(is_on: bool) -> None:
    was_on = gc.isenabled()
    try:
        (gc.enable if is_on else gc.disable)()
        with pytest.raises(ZeroDivisionError), not_looked_for():
            assert not gc.isenabled()
            raise ZeroDivisionError
        assert gc.isenabled() == is_on
    finally:
        (gc.enable if was_on else gc.disable)()


def test_no_garbage_is_kept_where_torch_is_there_already() -> None:
    before = gc.get_freeze_count()
    assert "torch" in sys.modules and torch
    with not_looked_for():
        cycle: list[object] = []
        cycle.append(cycle)
    assert gc.get_freeze_count() == before
