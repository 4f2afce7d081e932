"""The quick form of scripts/soak: real kills at random moments, and the same command again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_runs_end_like_straight_ones(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "scripts" / "soak.py",
            *["--trials", "1", "--cycles", "6", "--only", "pictures", "--table", "table.md"],
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    table = (tmp_path / "table.md").read_text()
    assert "| pictures, 2 workers | 1 | 1 |" in table and "| all | 2 | 2 |" in table
    assert "killed and resumed 6 times: ended alike" in table
