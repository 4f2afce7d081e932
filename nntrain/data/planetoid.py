"""Citation networks: papers that cite each other, the words in them, and what they are about."""

import pickle
from io import BytesIO
from pathlib import Path
from pickletools import genops
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nntrain.data.nodes import LabelledGraph, OnNodes
from nntrain.data.public_files import found_or_downloaded
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.sparse import Sparse
from nntrain.specs import Classes

COMMIT = "af6abf468a772cc055bec88c52e4d6f51b7c37e3"
URL = f"https://raw.githubusercontent.com/kimiyoung/planetoid/{COMMIT}/data"
KINDS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
MOST_STEPS = 500_000  # of a pickle; the published ones take less than half
DEV_NODES = 500  # those after the training nodes


@data("cora", within=OnNodes)
def cora(*, normalize: bool = True, root: PathText | None = None) -> LabelledGraph:
    """2,708 papers on machine learning, 1,433 words, 10,556 directed citations, 7 classes: the public split.

    140 papers for training, 500 for the dev set, 1,000 for testing; the network sees all papers and citations.
    Source: Yang, Cohen, Salakhutdinov, Revisiting semi-supervised learning with graph embeddings, 2016,
    arXiv:1603.08861.

    Settings:
        normalize: whether the features of each paper are divided by their sum
        root: the folder that holds Planetoid/Cora/raw; left out, $NNTRAIN_DATA, else it is downloaded (0.6 MB)
    """
    classes = (
        *("theory", "reinforcement learning", "genetic algorithms", "neural networks"),
        *("probabilistic methods", "case-based", "rule learning"),
    )
    ids = (
        *("c4a91d008245403e7f26aa616b437191509793c0", "6e856d777401ee15dc8619db76c97d0a40ba2d60"),
        *("44d53b1fece343538e45592caac521d73c6f98d6", "58e30ef120d3553cfaac33ff28c6b5436dbef661"),
        *("da1734ab670b5c8ecee78a9c30b35566df916f4b", "04fbd0b083d09341fcf16b395c642329637f0542"),
        *("4d3bf85dfc8b1c105a2c995597a1b3eed6947925", "ded8092db4cd767a367eebe09003b954a5316f24"),
    )
    return _graph("cora", "Cora", "0.6 MB", ids, Classes(classes), normalize, root)


@data("citeseer", within=OnNodes)
def citeseer(*, normalize: bool = True, root: PathText | None = None) -> LabelledGraph:
    """3,327 papers on computing, 3,703 words, 9,104 directed citations, 6 classes: the public split.

    120 papers for training, 500 for the dev set, 1,000 for testing; the network sees all papers and citations.
    Source: Yang, Cohen, Salakhutdinov, Revisiting semi-supervised learning with graph embeddings, 2016,
    arXiv:1603.08861.

    Settings:
        normalize: whether the features of each paper are divided by their sum
        root: the folder that holds Planetoid/CiteSeer/raw; left out, $NNTRAIN_DATA, else it is downloaded (1 MB)
    """
    classes = (
        *("artificial intelligence", "machine learning", "information retrieval"),
        *("databases", "agents", "human-computer interaction"),
    )
    ids = (
        *("f094104a66f2689ffbd01085fe6a856689e9db9e", "b2aff18aa1fc6f4f5e8c64db7643b59b24e42584"),
        *("592091071ac35b78599c722d0e60b1c655711728", "e857ac49b611da98e101a068cf4855350274f68a"),
        *("3795f79df0cd1123f4478b77c148a5fbacc4cefb", "7503f81a0b6ac1cc21cb5a97073542a6b1dfe99c"),
        *("a01dca663d0103c130f525017a4a9c313037e286", "62d9e3d5ed53c66b069125af98529d76c70d9b3e"),
    )
    return _graph("citeseer", "CiteSeer", "1 MB", ids, Classes(classes), normalize, root)


@data("pubmed", within=OnNodes)
def pubmed(*, normalize: bool = True, root: PathText | None = None) -> LabelledGraph:
    """19,717 papers on diabetes, 500 words, 88,648 directed citations, 3 classes: the public split.

    60 papers for training, 500 for the dev set, 1,000 for testing; the network sees all papers and citations.
    Source: Yang, Cohen, Salakhutdinov, Revisiting semi-supervised learning with graph embeddings, 2016,
    arXiv:1603.08861.

    Settings:
        normalize: whether the features of each paper are divided by their sum
        root: the folder that holds Planetoid/PubMed/raw; left out, $NNTRAIN_DATA, else it is downloaded (9 MB)
    """
    ids = (
        *("16c0eca8d2b3297014ff80327416f9332eda10d7", "eee4f3c988fde0da87a9ec7b01ca5e7863c1b1f1"),
        *("3b86bccf08111c37c632a9dd8ab63db25ea76361", "e86670576c85340eeb2271b3c918bfa89322b2cf"),
        *("225a0bb9bb6430e3925d04688daf6a0da964c07a", "4c8bcdc80882dd225fe4dd4fafd723baa616ac97"),
        *("76eb87e628a6b9d43fc31ea42c8c6c8f3e52b404", "41f6befcb7750cc4858cb852f2b349a9598cb2f4"),
    )
    return _graph("pubmed", "PubMed", "9 MB", ids, Classes(("experimental", "type 1", "type 2")), normalize, root)


def _graph(
    name: str, folder: str, size: str, ids: tuple[str, ...], classes: Classes, normalize: bool, root: str | None
) -> LabelledGraph:
    files = {f"ind.{name}.{kind}": git_id for kind, git_id in zip(KINDS, ids, strict=True)}
    raw = found_or_downloaded(name, f"Planetoid/{folder}/raw", files, URL, size, root)
    parts = {kind: _read(raw / f"ind.{name}.{kind}") for kind in ("tx", "allx", "y", "ty", "ally", "graph")}
    try:
        test = np.loadtxt(raw / f"ind.{name}.test.index", dtype=np.int64)
        return _assembled(name, parts, test, classes, normalize)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"{raw}: the files of {name} do not fit together ({error}); fetch them again") from None


def _assembled(
    name: str, parts: dict[str, Any], test: NDArray[np.int64], classes: Classes, normalize: bool
) -> LabelledGraph:
    """The first nodes have their rows in `allx`; that of node test[i] is row i of `tx`.

    Nodes that are in neither are without words, citations and class.
    """
    known, nodes = len(parts["ally"]), int(test.max()) + 1
    labels = np.zeros(nodes, dtype=np.int64)
    labels[:known], labels[test] = parts["ally"].argmax(axis=1), parts["ty"].argmax(axis=1)
    (rows, columns, values), (tested, more_columns, more_values) = (parts[part].entries() for part in ("allx", "tx"))
    entries = (np.concatenate(both) for both in ((rows, test[tested]), (columns, more_columns), (values, more_values)))
    places, words, counts = map(torch.from_numpy, entries)
    if normalize:
        counts = counts / torch.zeros(nodes).index_add_(0, places, counts)[places]
    trained = len(parts["y"])
    numbers = {
        "train": torch.arange(trained),
        "dev": torch.arange(trained, trained + DEV_NODES),
        "test": torch.from_numpy(np.sort(test)),
    }
    features = Sparse.of(places, words, counts, (nodes, parts["allx"].shape[1]))
    return LabelledGraph(name, features, _edges(parts["graph"], nodes), torch.from_numpy(labels), classes, numbers)


def _edges(neighbours: dict[int, list[int]], nodes: int) -> Tensor:
    """The edges (2, edges), each once, without those from a node to itself."""
    sources = np.repeat(list(neighbours), [len(targets) for targets in neighbours.values()])
    targets = np.concatenate(list(neighbours.values())).astype(np.int64)
    if min(sources.min(), targets.min()) < 0 or max(sources.max(), targets.max()) >= nodes:
        raise ValueError(f"a citation of a paper that is none of {nodes}")
    is_loop = sources == targets
    different = np.unique((targets * nodes + sources)[~is_loop])
    return torch.from_numpy(np.stack((different % nodes, different // nodes)))


class _Rows:
    """What a pickle says of a scipy matrix in compressed rows."""

    shape: tuple[int, int]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.shape = state["_shape"]
        self._starts, self._columns, self._values = state["indptr"], state["indices"], state["data"]

    def entries(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Row, column and value of each entry."""
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self._starts))
        columns = self._columns.astype(np.int64)
        if len(rows) != len(columns) or (len(columns) and not 0 <= columns.min() <= columns.max() < self.shape[1]):
            raise ValueError(f"a matrix that is not of shape {self.shape}")
        return rows, columns, self._values.astype(np.float32)


def _new(kind: Any, *_: Any) -> Any:
    """In place of `copyreg._reconstructor`."""
    return kind()


def _allowed() -> dict[tuple[str, str], Any]:
    reconstruct = np.empty(0).__reduce__()[0]
    return {
        ("scipy.sparse.csr", "csr_matrix"): _Rows,
        ("copy_reg", "_reconstructor"): _new,
        ("__builtin__", "object"): object,
        ("__builtin__", "list"): list,
        ("collections", "defaultdict"): lambda *_: {},
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
    }


class _Unpickler(pickle.Unpickler):
    """Makes arrays, dictionaries and matrices in compressed rows, and calls nothing else."""

    allowed = _allowed()

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no such file needs") from None


def _check(content: bytes) -> None:
    """UnpicklingError where a pickle asks for more memory than an honest one, which numbers no more than it holds."""
    for count, (code, argument, _) in enumerate(genops(content)):
        if count > MOST_STEPS or (code.name == "LONG_BINPUT" and (argument or 0) > len(content)):
            raise pickle.UnpicklingError("it holds, or numbers, far more values than such a file")


def _read(path: Path) -> Any:
    """What one of the raw files holds, which are Python 2's pickles."""
    try:
        content = path.read_bytes()
        _check(content)
        return _Unpickler(BytesIO(content), encoding="latin1").load()
    except Exception as error:  # whatever a pickle machine says to a broken or hostile file
        reason = str(error)[:100] or type(error).__name__
        raise UserError(f"{path} is not read: {reason}; fetch it again") from None
