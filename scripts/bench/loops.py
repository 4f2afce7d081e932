"""The loops that nntrain is measured against: plain torch, written out by hand, and as fast as that gets.

What makes them fast: the whole set as tensors, batches gathered into a kept buffer, sums kept as tensors and read at
an evaluation, fused Adam called as a function (building the class imports torch._dynamo, a second or two).
Run as a program: `python loops.py WORK STEPS EVALUATE_EVERY [DEVICE]` prints one JSON object.
"""

import gzip
import json
import os
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.adam import adam

GPT2_TOKENS = 50257
EVALUATED = 10_000  # training examples, at most, that an evaluation looks at
Examples = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Work:
    """A network and what it is trained on; `whole` where every step sees the whole set, as on one graph."""

    data: Callable[[], tuple[Examples, Examples]]  # for training and for evaluation
    model: Callable[[], nn.Module]
    batch_size: int
    lr: float = 1e-3
    clip: float | None = None
    evaluation_batch: int = 1000
    bf16: bool = False  # products in bfloat16, as torch's autocast chooses


def digits() -> tuple[Examples, Examples]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    inputs, targets = torch.from_numpy(x).float().div(16), torch.from_numpy(y)
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    train, dev = order[539:], order[:270]
    mean, deviation = inputs[train].mean(0), inputs[train].std(0).clamp(min=1e-6)
    inputs = (inputs - mean) / deviation
    return (inputs[train], targets[train]), (inputs[dev], targets[dev])


def fashion() -> tuple[Examples, Examples]:
    return _idx("FashionMNIST")


def mnist_rows() -> tuple[Examples, Examples]:
    train, dev = _idx("MNIST", standardize=False)
    return (train[0].view(-1, 28, 28), train[1]), (dev[0].view(-1, 28, 28), dev[1])


def _idx(name: str, standardize: bool = True) -> tuple[Examples, Examples]:
    folder = Path(os.environ["NNTRAIN_DATA"]) / name / "raw"
    pixels = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    x, y = torch.tensor(pixels).view(-1, 1, 28, 28).float().div_(255), torch.tensor(labels).long()
    if standardize:
        x = (x - x[6000:].mean()) / x[6000:].std()
    return (x[6000:], y[6000:]), (x[:6000], y[:6000])


def shakespeare(block: int = 64) -> tuple[Examples, Examples]:
    text = (Path(os.environ["NNTRAIN_DATA"]) / "tinyshakespeare" / "input.txt").read_text()
    alphabet = {character: i for i, character in enumerate(sorted(set(text)))}
    tokens = torch.tensor([alphabet[character] for character in text])
    end = int(0.9 * len(tokens))
    return _blocks(tokens[:end], block), _blocks(tokens[end:], block)


def _blocks(tokens: Tensor, block: int) -> Examples:
    count = (len(tokens) - 1) // block
    return tokens[: count * block].view(count, block), tokens[1 : count * block + 1].view(count, block)


def noise_pictures(examples: int = 240) -> tuple[Examples, Examples]:
    """As many pictures of noise as the step of a large network needs."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(examples, 3, 224, 224, generator=generator)
    y = torch.randint(10, (examples,), generator=generator)
    return (x, y), (x[:8], y[:8])


def noise_tokens(examples: int = 256, block: int = 1024) -> tuple[Examples, Examples]:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(GPT2_TOKENS, (examples, block + 1), generator=generator)
    x, y = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
    return (x, y), (x[:8], y[:8])


def mlp(sizes: Sequence[int]) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


class RowReader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, 128, batch_first=True)
        self.head = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_feedforward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feedforward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        batch, time, width = x.shape
        qkv = self.qkv(self.before_attention(x)).view(batch, time, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, time, width))
        return x + self.feedforward(self.before_feedforward(x))


class GPT(nn.Module):
    def __init__(
        self, vocabulary: int = 65, width: int = 128, heads: int = 4, layers: int = 4, block: int = 64
    ) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(block, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)

    def tied(self) -> "GPT":
        """With the embedding's weights in the head, without a bias there."""
        self.head.weight, self.head.bias = self.tokens.weight, None
        return self

    def forward(self, x: Tensor) -> Tensor:
        places = self.places.weight[: x.shape[1]]
        return self.head(self.norm(self.blocks(self.tokens(x) + places))).transpose(1, 2)


def resnet50() -> nn.Module:
    from torchvision.models import resnet50

    return resnet50(num_classes=10)


WORKS = {
    "mlp_digits": Work(digits, lambda: mlp([64, 128, 64, 10]), 32),
    "mlp_fashion_mnist": Work(fashion, lambda: mlp([784, 256, 128, 10]), 128),
    "lenet_fashion_mnist": Work(fashion, lenet, 128),
    "lstm_mnist_rows": Work(mnist_rows, RowReader, 128, clip=1.0),
    "gpt_shakespeare": Work(shakespeare, GPT, 12, clip=1.0, evaluation_batch=250),
    "resnet50": Work(noise_pictures, resnet50, 8, evaluation_batch=8),
    "resnet50_bf16": Work(
        lambda: noise_pictures(1024),
        lambda: resnet50().to(memory_format=torch.channels_last),
        128,
        evaluation_batch=8,
        bf16=True,
    ),
    "gpt2_small": Work(
        noise_tokens,
        lambda: GPT(GPT2_TOKENS, 768, 12, 12, 1024).tied(),
        16,
        clip=1.0,
        evaluation_batch=8,
        bf16=True,
    ),
}


class FusedAdam:
    """torch's fused kernel, called as a function."""

    def __init__(self, parameters: Sequence[Tensor], lr: float) -> None:
        self.parameters, self.lr = list(parameters), lr
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        adam(
            self.parameters, list(gradients), self.means, self.squares, [], self.steps, foreach=False, fused=True,
            amsgrad=False, beta1=0.9, beta2=0.999, lr=self.lr, weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip


def train(work: Work, steps: int, evaluate_every: int, device: torch.device) -> dict[str, Any]:
    (x, y), dev = work.data()
    x, y, dev = x.to(device), y.to(device), tuple(part.to(device) for part in dev)
    seen = (x[: min(len(dev[1]), EVALUATED)], y[: min(len(dev[1]), EVALUATED)])
    torch.manual_seed(0)
    model = work.model().to(device)
    parameters = list(model.parameters())
    optimizer = FusedAdam(parameters, work.lr)
    inputs = x.new_empty(work.batch_size, *x.shape[1:])
    targets = y.new_empty(work.batch_size, *y.shape[1:])
    per_epoch = len(x) // work.batch_size
    first_counted = min(per_epoch, max(1, steps // 10))
    total_loss = torch.zeros((), device=device)
    curves = []
    for step in range(steps):
        place = step % per_epoch
        if place == 0:
            order = torch.randperm(len(x)).to(device)
        chosen = order[place * work.batch_size : (place + 1) * work.batch_size]
        torch.index_select(x, 0, chosen, out=inputs)
        torch.index_select(y, 0, chosen, out=targets)
        with torch.autocast(device.type, torch.bfloat16, enabled=work.bf16):
            loss = F.cross_entropy(model(inputs), targets)
        gradients = torch.autograd.grad(loss, parameters)
        if work.clip is not None:
            norm = nn.utils.get_total_norm(gradients)
            torch._foreach_mul_(gradients, (work.clip / (norm + 1e-6)).clamp(max=1.0))
        optimizer.step(gradients)
        total_loss += loss.detach()
        if step == 0:
            wait(device)
            first_step_at = time.time()
        if step + 1 == first_counted:
            wait(device)
            began = time.perf_counter()
        if (step + 1) % evaluate_every == 0 or step + 1 == steps:
            curves.append((float(total_loss), measure(model, seen, work), measure(model, dev, work)))
            total_loss.zero_()
    seconds = time.perf_counter() - began
    examples = (steps - first_counted) * work.batch_size
    return {
        "examples_per_second": examples / seconds,
        "first_step_at": first_step_at,
        "parameters": sum(p.numel() for p in parameters),
        "curves": curves,
    }


def wait(device: torch.device) -> None:
    """Until all that was asked of a GPU is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.inference_mode()
def measure(model: nn.Module, examples: Examples, work: Work) -> tuple[float, float]:
    """Mean loss and error rate."""
    model.eval()
    x, y = examples
    loss, wrong = torch.zeros((), device=x.device), torch.zeros((), device=x.device)
    for start in range(0, len(x), work.evaluation_batch):
        with torch.autocast(x.device.type, torch.bfloat16, enabled=work.bf16):
            outputs = model(x[start : start + work.evaluation_batch]).float()
        targets = y[start : start + work.evaluation_batch]
        loss += F.cross_entropy(outputs, targets, reduction="sum")
        wrong += (outputs.argmax(1) != targets).sum()
    model.train()
    return float(loss) / y.numel(), float(wrong) / y.numel()


class GraphConvolutions(nn.Module):
    """Two of them; the products with sparse matrices are torch's, the adjacency symmetric: its own transpose."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.first = nn.Parameter(nn.init.xavier_uniform_(torch.empty(features, 16)))
        self.second = nn.Parameter(nn.init.xavier_uniform_(torch.empty(16, classes)))
        self.first_bias, self.second_bias = nn.Parameter(torch.zeros(16)), nn.Parameter(torch.zeros(classes))

    def forward(self, features: "SparseMatrix", graph: "SparseMatrix") -> Tensor:
        hidden = F.relu(graph @ (features.dropped(0.5, self.training) @ self.first) + self.first_bias)
        return graph @ (F.dropout(hidden, 0.5, self.training) @ self.second) + self.second_bias


class SparseMatrix:
    """A matrix and its transpose by their entries, so that neither direction has to turn it round."""

    def __init__(self, rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> None:
        order = rows.argsort(stable=True)
        rows, columns, self.values = rows[order], columns[order], values[order]
        self.turned = columns.argsort(stable=True)
        self.starts, self.columns = _starts(rows, shape[0]), columns
        self.column_starts, self.rows = _starts(columns, shape[1]), rows[self.turned]
        self.shape = shape

    def dropped(self, share: float, training: bool) -> "SparseMatrix":
        if not training:
            return self
        other = object.__new__(SparseMatrix)
        other.__dict__.update(self.__dict__, values=F.dropout(self.values, share, True))
        return other

    def __matmul__(self, dense: Tensor) -> Tensor:
        return _Times.apply(dense, self)


def _starts(numbers: Tensor, count: int) -> Tensor:
    return torch.cat((torch.zeros(1, dtype=torch.long), torch.bincount(numbers, minlength=count).cumsum(0)))


class _Times(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, dense: Tensor, matrix: SparseMatrix) -> Tensor:
        context.matrix = matrix
        return torch.sparse_csr_tensor(matrix.starts, matrix.columns, matrix.values, matrix.shape) @ dense

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        m = context.matrix
        turned = torch.sparse_csr_tensor(m.column_starts, m.rows, m.values[m.turned], m.shape[::-1])
        return turned @ gradient, None


def cora() -> tuple[SparseMatrix, SparseMatrix, Tensor]:
    """Features, D^-1/2 (A + I) D^-1/2 and labels, from the published files."""
    import scipy.sparse

    folder = Path(os.environ["NNTRAIN_DATA"]) / "Planetoid" / "Cora" / "raw"
    allx, tx, ally, ty, graph = (
        pickle.loads((folder / f"ind.cora.{part}").read_bytes(), encoding="latin1")
        for part in ("allx", "tx", "ally", "ty", "graph")
    )

    test = [int(line) for line in (folder / "ind.cora.test.index").read_text().split()]
    features = scipy.sparse.vstack((allx, tx)).tolil()
    labels = np.vstack((ally, ty))
    features[test], labels[test] = features[sorted(test)], labels[sorted(test)]
    features = features.tocoo()
    pairs = {(a, b) for a, others in graph.items() for b in others if a != b}
    edges = torch.tensor(sorted(pairs | {(b, a) for a, b in pairs} | {(i, i) for i in range(len(labels))})).T
    scale = torch.bincount(edges[0]).float().rsqrt()
    x = SparseMatrix(*(torch.from_numpy(part).long() for part in (features.row, features.col)),
                     torch.from_numpy(features.data).float(), features.shape)  # fmt: skip
    return (
        x,
        SparseMatrix(*edges, scale[edges[0]] * scale[edges[1]], (len(labels), len(labels))),
        torch.tensor(labels.argmax(1)),
    )


def train_on_graph(steps: int, evaluate_every: int, device: torch.device) -> dict[str, Any]:
    features, graph, labels = cora()
    torch.manual_seed(0)
    model = GraphConvolutions(features.shape[1], 7)
    parameters = list(model.parameters())
    optimizer = FusedAdam(parameters, 0.01)
    curves = []
    for step in range(steps):
        loss = F.cross_entropy(model(features, graph)[:140], labels[:140])
        penalty = 2.5e-4 * (model.first.square().sum() + model.first_bias.square().sum())
        optimizer.step(torch.autograd.grad(loss + penalty, parameters))
        if step == 0:
            first_step_at, began = time.time(), time.perf_counter()
        if (step + 1) % evaluate_every == 0 or step + 1 == steps:
            with torch.inference_mode():
                outputs = model.eval()(features, graph)
            model.train()
            parts = [(outputs[a:b], labels[a:b]) for a, b in ((0, 140), (140, 640))]
            curves.append([(float(F.cross_entropy(z, t)), float((z.argmax(1) != t).float().mean())) for z, t in parts])
    seconds = time.perf_counter() - began
    return {
        "examples_per_second": 140 * (steps - 1) / seconds,
        "first_step_at": first_step_at,
        "parameters": sum(p.numel() for p in parameters),
        "curves": curves,
    }


def main() -> None:
    name, steps, evaluate_every, *rest = sys.argv[1:]
    device = torch.device(rest[0] if rest else "cpu")
    if name == "gcn_cora":
        result = train_on_graph(int(steps), int(evaluate_every), device)
    else:
        result = train(WORKS[name], int(steps), int(evaluate_every), device)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
