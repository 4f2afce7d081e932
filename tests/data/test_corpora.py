"""Tiny Shakespeare and the standard library's source text."""

import io
from hashlib import sha256
from pathlib import Path

import pytest

from nntrain.data import public_files, standard_library, tiny_shakespeare
from nntrain.data.text import Corpus
from nntrain.errors import UnfitError, UserError


@pytest.fixture(autouse=True)
def _no_other_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the web answers, by URL; nothing else is found."""
    pages: dict[str, bytes] = {}

    def answer(url: str, timeout: float) -> io.BytesIO:
        if url not in pages:
            raise OSError("no route to host")
        return io.BytesIO(pages[url])

    monkeypatch.setattr(public_files, "urlopen", answer)
    return pages


def text_of(corpus: Corpus) -> str:
    return corpus.train + corpus.dev


def put(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A text in place of Tiny Shakespeare's, with its checksum."""
    path = folder / "tinyshakespeare" / "input.txt"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    expect(text, monkeypatch)
    return path


def expect(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_shakespeare, "GIT_ID", public_files.git_id_of(text.encode()))


def test_a_text_that_is_there_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "data", "To be, or not", monkeypatch)
    assert text_of(tiny_shakespeare.tiny_shakespeare(root=str(tmp_path / "data"))) == "To be, or not"
    monkeypatch.setenv("NNTRAIN_DATA", str(tmp_path / "data"))
    assert text_of(tiny_shakespeare.tiny_shakespeare()) == "To be, or not"


def test_a_folder_without_the_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnfitError, match=r"holds no tinyshakespeare with the files of tiny_shakespeare") as error:
        tiny_shakespeare.tiny_shakespeare(root=str(tmp_path))
    assert error.value.path == ("root",)


def test_another_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "To be, or not", monkeypatch)
    path.write_text("To be, or")
    with pytest.raises(UserError, match="not the text of tiny_shakespeare; remove it") as error:
        tiny_shakespeare.tiny_shakespeare(root=str(tmp_path))
    assert str(path) in str(error.value)


def test_a_download_is_announced_and_kept(
    web: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expect("To be, or not", monkeypatch)
    web[f"{tiny_shakespeare.URL}/input.txt"] = b"To be, or not"
    assert text_of(tiny_shakespeare.tiny_shakespeare()) == "To be, or not"
    kept = tmp_path / "cache" / "nntrain" / "data" / "tinyshakespeare" / "input.txt"
    assert capsys.readouterr().err == f"downloading tiny_shakespeare (1.1 MB) to {kept.parents[1]}\n"
    assert [path.name for path in kept.parent.iterdir()] == ["input.txt"]
    web.clear()
    assert text_of(tiny_shakespeare.tiny_shakespeare()) == "To be, or not"


@pytest.mark.parametrize("answer", [None, b"<html>404</html>"])
def test_a_download_that_fails_leaves_nothing(web: dict[str, bytes], tmp_path: Path, answer: bytes | None) -> None:
    if answer is not None:
        web[f"{tiny_shakespeare.URL}/input.txt"] = answer
    with pytest.raises(
        UserError, match=r"could not be downloaded.*put the folder tinyshakespeare under .*NNTRAIN_DATA"
    ):
        tiny_shakespeare.tiny_shakespeare()
    assert not list(tmp_path.rglob("*.*"))


def test_the_real_text_has_its_size(shared_data: Path) -> None:
    corpus = tiny_shakespeare.tiny_shakespeare(root=str(shared_data))
    assert (len(corpus.train), len(corpus.dev)) == (1_003_854, 111_540)
    assert len(set(corpus.train)) == len(set(text_of(corpus))) == 65


def test_the_standard_library_is_always_there_and_the_same() -> None:
    text = text_of(standard_library.standard_library(size=100_000))
    assert len(text) == 100_000
    assert text == text_of(standard_library.standard_library(size=200_000))[:100_000]
    assert "def " in text and "import " in text


def test_the_standard_library_is_read_in_a_fixed_order_without_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path)})
    monkeypatch.setattr(standard_library, "LONGEST", 10)
    with pytest.raises(UserError, match="holds no source text"):
        standard_library.standard_library()
    for name in ("b/two.py", "test/x.py", "b/tests/x.py", "a.py", "site-packages/x.py", "c.txt", "b/one.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    order = sorted(("a.py", "b/one.py", "b/two.py"), key=lambda name: sha256(name.encode()).hexdigest())
    text = "".join(f"# {name}\n"[:10] for name in order)
    assert text_of(standard_library.standard_library()) == text
    assert text_of(standard_library.standard_library(size=13)) == text[:13]
