"""Files of somebody who means harm: nothing of them is run, and each is refused in under a second and 200 MB."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import hostile
import pytest

from conftest import ROOT, Called
from runs import TINY, best, instant_disk  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]
SECONDS, MEGABYTES = 1.0, 200

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured by /proc")


def asked(folder: Path, questions: Iterable[list[object]]) -> Iterator[dict[str, Any]]:
    """What nntrain answers, in one process of its own, the first answer being of an honest question."""
    lines = "".join(json.dumps([str(word) for word in question]) + "\n" for question in questions)
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "hostile.py"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        input=lines,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    yield from map(json.loads, done.stdout.splitlines())


def written(folder: Path, files: Iterable[tuple[str, bytes]], suffix: str) -> list[Path]:
    folder.mkdir()
    paths = []
    for name, content in files:
        paths.append(folder / f"{name}{suffix}")
        paths[-1].write_bytes(content)
    return paths


def check(folder: Path, questions: list[list[object]], trap: Path, statuses: tuple[int, ...] = (2,)) -> None:
    """The first question is an honest one, after which everything is imported."""
    first, *answers = asked(folder, questions)
    assert first["status"] == 0, first
    assert len(answers) == len(questions) - 1
    assert not trap.exists()
    for answer in answers:
        assert answer["status"] in statuses, answer
        assert "Traceback" not in answer["said"] and "internal error" not in answer["said"], answer
        assert answer["MB"] < MEGABYTES, answer
        assert answer["seconds"] < SECONDS, answer


def test_checkpoints(command: Command, write: Write, tmp_path: Path) -> None:
    run = Path(command("fit", write(TINY), "--json").json["run"])
    trap = tmp_path / "sprung"
    facts = {**best(run).facts}
    files = written(tmp_path / "checkpoints", hostile.checkpoints(trap, facts), ".safetensors")
    sparse = tmp_path / "checkpoints" / "a sparse file of 1 TB.safetensors"
    sparse.write_bytes(files[-1].read_bytes())
    os.truncate(sparse, 1 << 40)
    assert len(files) > 30
    questions: list[list[object]] = [["eval", run]]
    for file in (*files, sparse):
        questions += [["eval", file], ["predict", file, "--split", "dev"]]
    for file in files:  # as what another network is to learn from
        questions.append(["check", tmp_path / "my.yaml", f"task={{type: distillation, teacher: '{file}'}}"])
    check(tmp_path, questions, trap)


def test_a_hostile_last_checkpoint_is_set_aside(command: Command, write: Write, tmp_path: Path) -> None:
    run = Path(command("fit", write(TINY), "--json").json["run"])
    trap = tmp_path / "sprung"
    (run / "summary.json").unlink()
    for _, content in list(hostile.checkpoints(trap, best(run).facts))[:12]:
        (run / "checkpoints" / "last.safetensors").write_bytes(content)
        resumed = command("fit", "--resume", run)
        assert resumed.status in (0, 2) and "Traceback" not in resumed.err
        assert not trap.exists()
        (run / "summary.json").unlink(missing_ok=True)


def test_configs(write: Write, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    honest = write(TINY)
    questions: list[list[object]] = [["check", honest]]
    files = written(tmp_path / "configs", hostile.configs(trap), ".yaml")
    files.append(tmp_path / "a file of 1 TB.yaml")
    files[-1].write_bytes(b"data: iris")
    os.truncate(files[-1], 1 << 40)
    for file in files:
        questions += [["check", file], ["fit", file]]
    check(tmp_path, questions, trap)
    assert not (tmp_path / "runs").exists()


def test_tables(write: Write, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    write("x,y\n" + "".join(f"{i * i % 17},{2 * i}\n" for i in range(60)), "honest.csv")
    config = write("data: {type: table, path: honest.csv, target: y}\nmodel: linear\n")
    questions: list[list[object]] = [["check", config]]
    files = written(tmp_path / "t", hostile.tables(trap), ".csv")
    files += written(tmp_path / "packed", hostile.packed_tables(), ".csv.gz")
    questions += [["check", config, f"data.path={file}"] for file in files]
    check(tmp_path, questions, trap)


def test_pictures(command: Command, write: Write, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    config = write("data: digits\nmodel: linear\ntrainer: {length: 20 steps}\n")
    run = Path(command("fit", config, "--json").json["run"])
    questions: list[list[object]] = [["predict", run, "--split", "dev", "--out", tmp_path / "out.jsonl"]]
    questions += [["predict", run, file] for file in written(tmp_path / "p", hostile.pictures(trap), ".png")]
    check(tmp_path, questions, trap, statuses=(1, 2))


def test_plugins_of_a_checkpoint_are_run_only_where_that_is_allowed(
    command: Command, write: Write, tmp_path: Path
) -> None:
    trap = tmp_path / "sprung"
    write(f"import os\nos.makedirs({str(trap)!r}, exist_ok=True)\n", "mine.py")
    write(
        "from nntrain.models.linear import Linear\nfrom nntrain.registry import model\n"
        f"open({str(trap)!r}, 'a').close()\n\n\n"
        '@model("own")\nclass Own(Linear):\n    """Its own."""\n',
        "mine.py",
    )
    fitted = command("fit", write("plugins: [mine.py]\ndata: iris\nmodel: own\n"), "--json")
    run = Path(fitted.json["run"])
    assert f"running the code of {tmp_path / 'mine.py'}" in fitted.err
    longer = command("fit", "--resume", run, "trainer.length=40 epochs")
    assert longer.status == 0 and f"running the code of {tmp_path / 'mine.py'}" in longer.err
    trap.unlink()
    for arguments in (["eval", run], ["predict", run, "--split", "dev"]):
        refused = command(*arguments)
        assert refused.status == 2
        assert "--allow-plugins" in refused.err and "mine.py" in refused.err
        allowed = command(*arguments, "--allow-plugins")
        assert allowed.status == 0
        assert f"running the code of {tmp_path / 'mine.py'}" in allowed.err
    assert not trap.exists()  # it had been imported by fit, in this process


def test_tensorboard_listens_on_this_machine_alone(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: called.append(arguments))
    assert command("board", tmp_path).status == 0
    (arguments,) = called
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1"
    assert "--bind_all" not in arguments
