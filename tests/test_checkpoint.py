"""Checkpoints: what is read is what was saved, or it is refused."""

import json
import os
import pickle
import random
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from conftest import Called
from nntrain.checkpoint import Checkpoint, DamagedError, load, serialise
from nntrain.checkpoints import Checkpoints
from nntrain.durable import write_durably
from nntrain.errors import UserError
from nntrain.migration import FORMAT
from runs import TINY, best, bits, last

Command = Callable[..., Called]
Write = Callable[..., Path]

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2)
SPECIAL = (0.0, -0.0, 1.5, -2.5, float("inf"), float("-inf"), float("nan"))


def a_checkpoint() -> Checkpoint:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "model.weight": torch.randn(7, 5, generator=generator),
        "model.steps": torch.tensor(3),
        "random.python": torch.arange(20),
    }
    return Checkpoint(tensors, {"config": {"seed": 0, "name": "äöü"}, "position": {"stage": 0, "step": 3}})


def forged(facts: str, tensors: dict[str, Tensor] | None = None) -> bytes:
    """A file with a right checksum, whatever it says."""
    zeros = "0" * 64
    content = safetensors.torch.save(tensors or {"a": torch.zeros(2)}, {"nntrain": facts, "checksum": zeros})
    return content.replace(zeros.encode(), sha256(content).hexdigest().encode(), 1)


def saved(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "some.safetensors"
    path.write_bytes(content)
    return path


def round_trip(tmp_path: Path, tensors: dict[str, Tensor]) -> Checkpoint:
    return load(saved(tmp_path, serialise(Checkpoint(tensors, {}))))


# --- What is saved is read.


@pytest.mark.parametrize("dtype", (*INTEGERS, *FLOATS, torch.bool, torch.complex64), ids=str)
@pytest.mark.parametrize("shape", [(), (7,), (0,), (7, 1), (1, 7, 1)], ids=str)
def test_a_tensor_of_every_type_and_shape_comes_back(
    dtype: torch.dtype, shape: tuple[int, ...], tmp_path: Path
) -> None:
    values = SPECIAL if dtype in FLOATS or dtype == torch.complex64 else (0, 1, 1, 0, 117, 3, 2)
    count = torch.Size(shape).numel()
    tensors = {"a.b": torch.tensor(values[:count], dtype=torch.float64).to(dtype).reshape(shape)}
    read = round_trip(tmp_path, tensors)
    assert read.tensors["a.b"].dtype == dtype
    assert read.tensors["a.b"].shape == shape
    assert torch.equal(*(t.contiguous().reshape(-1).view(torch.uint8) for t in (read.tensors["a.b"], tensors["a.b"])))


def test_parts_of_larger_tensors_and_turned_ones_come_back(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    tensors = {"turned": whole.T, "row": whole[1], "column": whole[:, 2], "every other": whole[::2, ::2]}
    read = round_trip(tmp_path, tensors).tensors
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


def test_weights_that_two_layers_share_come_back(tmp_path: Path) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    read = round_trip(tmp_path, {"encoder.weight": weight, "decoder.weight": weight, "transposed": weight.T}).tensors
    assert torch.equal(read["encoder.weight"], weight)
    assert torch.equal(read["decoder.weight"], weight)
    assert torch.equal(read["transposed"], weight.T)


def test_parameters_that_need_gradients_come_back_without(tmp_path: Path) -> None:
    read = round_trip(tmp_path, {"a": torch.nn.Parameter(torch.ones(2))})
    assert not read.tensors["a"].requires_grad


def test_facts_come_back(tmp_path: Path) -> None:
    facts: dict[str, Any] = {
        "config": {"name": 'a "checksum":"b" \\ ü \n', "list": [1, 2.5, None, True]},
        "numbers": [0.1, 1e-300, 2**60, float("inf"), -0.0],
        "checksum": "0" * 64,
    }
    read = load(saved(tmp_path, serialise(Checkpoint({'"checksum":"': torch.ones(1)}, facts))))
    assert {name: read.facts[name] for name in facts} == facts
    assert list(read.tensors) == ['"checksum":"']


def test_a_part_has_the_names_below_its_prefix() -> None:
    tensors = {"model.a": torch.zeros(1), "model.b.c": torch.ones(1), "models.d": torch.ones(2), "model": torch.ones(3)}
    part = Checkpoint(tensors, {}).part("model")
    assert list(part) == ["a", "b.c"]
    assert part["b.c"] is tensors["model.b.c"]


def test_a_checkpoint_is_a_file_that_safetensors_reads(command: Command, write: Write) -> None:
    run = Path(command("fit", write(TINY), "--json").json["run"])
    path = run / "checkpoints" / "last.safetensors"
    assert {name: t.shape for name, t in safetensors.torch.load_file(path).items()} == {
        name: t.shape for name, t in last(run).tensors.items()
    }


def test_a_model_is_measured_as_in_the_run_that_made_it(command: Command, write: Write) -> None:
    summary = command("fit", write(TINY), "--json").json
    folder = Path(summary["run"]) / "checkpoints"
    for path, expected in (("last", summary["dev"]), ("best", summary["best"]["metrics"])):
        assert command("eval", folder / f"{path}.safetensors", "--json").json["metrics"] == expected
    assert best(Path(summary["run"])).facts["position"]["step"] == summary["best"]["step"]


# --- What is damaged is found.


def test_one_flipped_bit_is_found_wherever_it_is(tmp_path: Path) -> None:
    content, chance = serialise(a_checkpoint()), random.Random(0)
    places = [*range(64), *(chance.randrange(8 * len(content)) for _ in range(200))]  # the first 8 bytes are a length
    for place in places:
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(DamagedError):
            load(saved(tmp_path, bytes(flipped)))


def test_a_file_cut_short_or_with_more_at_its_end_is_found(tmp_path: Path) -> None:
    content, chance = serialise(a_checkpoint()), random.Random(1)
    for size in (*range(12), len(content) - 1, *(chance.randrange(len(content)) for _ in range(60))):
        with pytest.raises(DamagedError):
            load(saved(tmp_path, content[:size]))
    for more in (b"\0", b" ", content):
        with pytest.raises(DamagedError):
            load(saved(tmp_path, content + more))


def test_the_checksum_is_the_crc32_of_the_file_with_its_own_digits_as_zeros(tmp_path: Path) -> None:
    content = serialise(a_checkpoint())
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    digits = header["__metadata__"]["checksum"]
    assert f"{zlib.crc32(content.replace(digits.encode(), b'0' * 8, 1)):08x}" == digits
    assert load(saved(tmp_path, content)).facts["format"] == FORMAT == 3


def test_a_hundred_flipped_bits_and_cuts_are_found_and_the_state_before_is_used(tmp_path: Path) -> None:
    """Anywhere in a real state: its header, its tensors, its checksum."""
    checkpoints, chance, content = Checkpoints(tmp_path), random.Random(3), serialise(a_checkpoint())
    before = serialise(at(7))
    damaged = [content[: chance.randrange(len(content))] for _ in range(100)]
    for _ in range(100):
        place = chance.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        damaged.append(bytes(flipped))
    for broken in damaged:
        checkpoints.last.write_bytes(broken)
        checkpoints.previous.write_bytes(before)
        newest, complaints = checkpoints.newest()
        assert newest is not None and newest.facts["position"]["step"] == 7
        assert len(complaints) == 1 and str(checkpoints.last) in complaints[0]


def test_two_exchanged_tensors_are_found(tmp_path: Path) -> None:
    content = serialise(Checkpoint({"a": torch.zeros(2), "b": torch.ones(2)}, {}))
    with pytest.raises(DamagedError):
        load(saved(tmp_path, content.replace(b'"a":', b'"c":').replace(b'"b":', b'"a":').replace(b'"c":', b'"b":')))


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.path),))


def with_header(header: bytes, size: int | None = None) -> bytes:
    return (len(header) if size is None else size).to_bytes(8, "little") + header


NO_CHECKPOINTS = {
    "empty": b"",
    "a byte": b"{",
    "text": b"seed: 0\ndata: digits\n" * 10,
    "zeros": bytes(1000),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    "header of 2^60 bytes": with_header(b"{}", 2**60),
    "header of 2^64 - 1 bytes": with_header(b"{}", 2**64 - 1),
    "header beyond the end": with_header(b"{}", 3),
    "no JSON": with_header(b"{'a': 1}"),
    "JSON nested too deeply": with_header(b"[" * 200_000),
    "a long number": with_header(b"1" * 100_000),
    "not UTF-8": with_header(b'{"\xff": 1}'),
    "a list": with_header(b"[1, 2]"),
    "null": with_header(b"null"),
    "no metadata": with_header(b"{}"),
    "metadata a list": with_header(b'{"__metadata__": []}'),
    "metadata without facts": with_header(json.dumps({"__metadata__": {"checksum": "0" * 64}}).encode()),
    "a number as checksum": with_header(b'{"__metadata__": {"checksum": 1, "nntrain": "{}"}}'),
    "a list as checksum": with_header(json.dumps({"__metadata__": {"checksum": ["0"] * 64, "nntrain": "{}"}}).encode()),
    "safetensors of others": safetensors.torch.save({"a": torch.zeros(3)}, {"format": "pt"}),
    "facts that are no JSON": forged("nonsense"),
    "facts nested too deeply": forged("[" * 100_000),
    "facts a list": forged("[]"),
    "facts null": forged("null"),
    "facts empty": forged("{}"),
    "nothing but a format": forged(json.dumps({"format": FORMAT})),
    "a config that is no mapping": forged(json.dumps({"format": FORMAT, "config": [1]})),
    "a config without sections": forged(json.dumps({"format": FORMAT, "config": {}})),
    "another format": forged(json.dumps({"format": FORMAT + 1, "config": {}})),
}


@pytest.mark.parametrize("content", NO_CHECKPOINTS.values(), ids=NO_CHECKPOINTS)
def test_what_is_no_checkpoint_is_refused(content: bytes, command: Command, tmp_path: Path) -> None:
    path = saved(tmp_path, content)
    refused = command("eval", path)
    assert refused.status == 2, refused.err
    assert str(path) in refused.err
    assert refused.out == ""


def test_no_pickle_is_ever_read(command: Command, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    path = saved(tmp_path, pickle.dumps(Trap(trap)))
    assert command("eval", path).status == 2
    torch.save({"model": Trap(trap)}, path)
    assert command("eval", path).status == 2
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Trap(trap)))
    assert command("eval", path).status == 2
    path.write_bytes(forged(pickle.dumps(Trap(trap), protocol=0).decode("ascii")))
    assert command("eval", path).status == 2
    assert not trap.exists()


def test_another_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"in format {FORMAT + 1}; .* reads formats up to {FORMAT}"):
        load(saved(tmp_path, NO_CHECKPOINTS["another format"]))


def test_weights_of_another_network_are_refused(command: Command, write: Write, tmp_path: Path) -> None:
    run = Path(command("fit", write(TINY), "--json").json["run"])
    checkpoint = best(run)
    checkpoint.tensors["model.head.weight"] = torch.zeros(3, 9)
    refused = command("eval", saved(tmp_path, serialise(checkpoint)))
    assert refused.status == 2
    assert "head.weight" in refused.err


def test_a_missing_file_is_said_to_be_missing(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("nothing.safetensors", "empty"):
        refused = command("eval", tmp_path / name)
        assert refused.status == 2
        assert name in refused.err


# --- A file is whole or not there.


class Killed(BaseException):
    """Stands for a signal that no process outlives."""


FULL = OSError(28, "No space left on device")


def stopped_at(number: int, monkeypatch: pytest.MonkeyPatch, error: BaseException = FULL) -> None:
    """Fails at the given operation of a durable write, as a kill or a full disk would."""
    operations = iter(range(100))

    def failing(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*positional: Any, **named: Any) -> Any:
            if next(operations) == number:
                raise error
            return function(*positional, **named)

        return call

    monkeypatch.setattr(Path, "open", failing(Path.open))
    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    monkeypatch.setattr(os, "replace", failing(os.replace))


def test_an_interrupted_write_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for number in range(4):
        path = tmp_path / f"{number}.json"
        path.write_bytes(b"old")
        with monkeypatch.context() as patch:
            stopped_at(number, patch)
            with pytest.raises(OSError, match="No space"):
                write_durably(path, b"new and longer")
        found.append(path.read_bytes())
    assert found == [b"old", b"old", b"old", b"new and longer"]  # open, flush, rename; then flush of the folder


def test_a_file_is_flushed_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, object]] = []
    path = tmp_path / "some.json"

    def flush(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        done.append(("flush", "folder" if os.path.samestat(os.fstat(descriptor), tmp_path.stat()) else size))

    def replace(source: Path, target: Path, move: Callable[..., None] = os.replace) -> None:
        done.append(("rename", target))
        move(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", replace)
    write_durably(path, b"content")
    assert done == [("flush", 7), ("rename", path), ("flush", "folder")]
    assert [p.name for p in tmp_path.iterdir()] == ["some.json"]


# --- The checkpoints of a run.


def at(step: int) -> Checkpoint:
    return Checkpoint({"model.weight": torch.full((3,), float(step))}, {"position": {"stage": 0, "step": step}})


def step_of(path: Path) -> int:
    return load(path).facts["position"]["step"]


def test_the_last_state_and_the_one_before_it_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2, 3):
        checkpoints.save_last(at(step))
    assert (step_of(checkpoints.last), step_of(checkpoints.previous)) == (3, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.safetensors", "previous.safetensors"]


def test_a_better_model_becomes_the_best_with_the_next_state(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.set_aside_best(at(1))
    checkpoints.save_last(at(2))
    assert step_of(checkpoints.best) == 1
    checkpoints.set_aside_best(at(3))
    assert step_of(checkpoints.best) == 1
    checkpoints.newest()  # what a resumption begins with: the state of step 2 does not know of step 3
    checkpoints.save_last(at(4))
    assert step_of(checkpoints.best) == 1


def test_the_newest_whole_state_is_found(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.newest() == (None, [])
    checkpoints.save_last(at(1))
    checkpoints.save_last(at(2))
    newest, complaints = checkpoints.newest()
    assert newest is not None
    assert (newest.facts["position"]["step"], complaints) == (2, [])
    checkpoints.last.write_bytes(checkpoints.last.read_bytes()[:-1])
    newest, complaints = checkpoints.newest()
    assert newest is not None
    assert bits(newest) == bits(at(1))
    assert len(complaints) == 1
    assert str(checkpoints.last) in complaints[0]
    assert not checkpoints.last.exists()
    checkpoints.save_last(at(3))
    assert (step_of(checkpoints.last), step_of(checkpoints.previous)) == (3, 1)


def test_as_many_states_are_kept_as_are_wanted(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in range(1, 8):
        checkpoints.save_last(at(step), keep=4)
    assert [step_of(path) for path in checkpoints.states()] == [7, 6, 5, 4]
    names = ["last", "previous", "step-00000004", "step-00000005"]
    assert sorted(path.stem for path in tmp_path.iterdir()) == names
    checkpoints.save_last(at(8), keep=3)
    assert [step_of(path) for path in checkpoints.states()] == [8, 7, 6]
    checkpoints.save_last(at(9), keep=2)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["last", "previous"]


def test_a_state_is_named_by_the_steps_of_all_stages(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for stage, step, past in ((0, 5, 0), (1, 2, 7), (1, 4, 7), (1, 6, 7)):
        facts = {"position": {"stage": stage, "step": step}, "past": {"steps": past}}
        checkpoints.save_last(Checkpoint({"a": torch.zeros(1)}, facts), keep=4)
    names = ["last", "previous", "step-00000005", "step-00000009"]
    assert sorted(path.stem for path in tmp_path.iterdir()) == names


def test_the_newest_of_many_whole_states_is_found(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in range(1, 6):
        checkpoints.save_last(at(step), keep=4)
    for path in (checkpoints.last, checkpoints.previous):
        path.write_bytes(path.read_bytes()[:-1])
    newest, complaints = checkpoints.newest()
    assert newest is not None and newest.facts["position"]["step"] == 3
    assert len(complaints) == 2 and all("the checkpoint before it is used" in complaint for complaint in complaints)
    for step in (4, 5):
        checkpoints.save_last(at(step), keep=4)
    assert [step_of(path) for path in checkpoints.states()] == [5, 4, 3, 2]


@pytest.mark.parametrize("keep", [2, 3, 5])
def test_a_save_that_is_killed_anywhere_leaves_the_state_before_it(
    keep: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it the same number of states is there again, and nothing else."""
    for number in range(12):
        checkpoints = Checkpoints(tmp_path / str(number))
        checkpoints.last.parent.mkdir()
        for step in range(1, 7):
            checkpoints.save_last(at(step), keep)
        with monkeypatch.context() as patch, suppress(Killed):
            stopped_at(number, patch, Killed())
            checkpoints.save_last(at(7), keep)
        newest, complaints = checkpoints.newest()
        assert newest is not None and complaints == []
        reached = newest.facts["position"]["step"]
        assert reached in (6, 7)
        for step in range(reached + 1, 9):
            checkpoints.save_last(at(step), keep)
        assert [step_of(path) for path in checkpoints.states()] == list(range(8, 8 - keep, -1))
        assert len(list(checkpoints.last.parent.iterdir())) == keep


def test_a_write_that_fails_gives_its_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", refuse_with_a_full_disk)
    with pytest.raises(OSError, match="No space"):
        write_durably(tmp_path / "some.json", b"content")
    assert list(tmp_path.iterdir()) == []


def refuse_with_a_full_disk(descriptor: int) -> None:
    raise FULL


def test_a_save_that_fails_keeps_the_state_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        checkpoints = Checkpoints(tmp_path / str(number))
        checkpoints.last.parent.mkdir()
        checkpoints.save_last(at(1))
        checkpoints.set_aside_best(at(1))
        checkpoints.save_last(at(2))
        checkpoints.set_aside_best(at(3))
        with monkeypatch.context() as patch:
            stopped_at(number, patch)
            with pytest.raises(OSError, match="No space"):
                checkpoints.save_last(at(4))
        newest, complaints = checkpoints.newest()
        assert newest is not None
        assert (newest.facts["position"]["step"], complaints) == (2 if number < 8 else 4, [])
        known = 1 if number < 8 else 3  # the best that the newest state knows of
        checkpoints.settle_best({"stage": 0, "step": known})
        assert step_of(checkpoints.best) == known
