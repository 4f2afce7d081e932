"""A tiny config of every way in which batches are made of examples that lie in files, and the files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

Write = Callable[..., Path]
EVERY_CHANGE = "flip, shift, rotate, affine, elastic, crop, erase, colour, noise, auto_augment, trivial_augment"
TRANSFORMER = "model: {type: transformer, width: 8, heads: 2, layers: 1}"
CNN = "model: {type: cnn, blocks: [{type: convolution, channels: 2}]}"
UNET = "model: {type: unet, width: 4, depth: 1, norm: none}"


def _series(model: str, more: str = "") -> str:
    return f"data: {{type: sequence_table, path: series.csv, id: id, target: kind, {more}}}\n{model}"


def _texts(model: str, more: str = "") -> str:
    return f"data: {{type: text_table, path: texts.csv, tokenizer: word, {more}}}\n{model}"


def _pictures(keep: str, more: str = "") -> str:
    return f"data: {{type: image_folder, path: pictures, keep: {keep}, {more}}}\n{CNN}"


def _graphs(model: str) -> str:
    tables = "path: graphs.csv, nodes: nodes.csv, edges: edges.csv"
    return f"data: {{type: graph_table, {tables}}}\nmodel: {{type: gnn, hidden: [4], {model}}}"


STREAMS = {
    "series": _series("model: {type: lstm, hidden: 4, bidirectional: true, layers: 2}"),
    "series by length": _series(CNN, "sampler: by_length"),
    "series mixed": _series(TRANSFORMER, "augment: [noise, time_masking], mix: mixup"),
    "texts": _texts(TRANSFORMER, "sampler: by_length"),
    "texts changed": _texts("model: {type: gru, hidden: 4}", "augment: [drop_tokens]"),
    "texts by windows": _texts("model: {type: text_cnn, channels: 4}", "sampler: balanced"),
    "texts as bags": _texts("model: linear"),
    "words with tags": "data: {type: word_tags, path: tags.txt}\nmodel: {type: lstm, hidden: 4}",
    "pairs": "data: {type: parallel_text, source: a.txt, target: b.txt, tokenizer: word}\n"
    "model: {type: transformer, form: encoder_decoder, width: 8, heads: 2, layers: 1}",
    "graphs": _graphs("layer: gin, norm: batch, readout: max"),
    "graphs with attention": _graphs("layer: {type: gat, heads: 2}"),
    "nodes": "data: karate_club\nmodel: {type: gnn, layer: gcn, hidden: [4]}",
    "neighbours": "data: karate_club\nmodel: {type: gnn, layer: sage, hidden: [4]}",
    "files": _pictures("{type: files, workers: 2}"),
    "files on disk": _pictures("disk", "augment: [rand_augment], mix: cutmix"),
    "files in memory": _pictures("memory", f"sampler: balanced, augment: [{EVERY_CHANGE}]"),
    "masks": f"data: {{type: mask_folder, path: masked, keep: {{type: files, workers: 0}}}}\n{UNET}",
    "masks on disk": f"data: {{type: mask_folder, path: masked, keep: disk, augment: [flip]}}\n{UNET}",
}


def write_examples(write: Write, folder: Path) -> None:
    """Writes what the configs read: 60 examples of three to seven steps, words, nodes."""
    lengths = [3 + n % 5 for n in range(60)]
    steps = [f"{n},{n % 3 + t / 10},{n % 2}" for n, length in enumerate(lengths) for t in range(length)]
    write("\n".join(["id,value,kind", *steps]), "series.csv")
    texts = [[f"w{(n + t) % 7}" for t in range(length)] for n, length in enumerate(lengths)]
    write("\n".join(["text,label", *(f"{' '.join(text)},{n % 2}" for n, text in enumerate(texts))]), "texts.csv")
    for name in ("a.txt", "b.txt"):
        write("\n".join(map(" ".join, texts)), name)
    write("\n\n".join("\n".join(f"{word} T{word[1]}" for word in text) for text in texts), "tags.txt")
    _write_graphs(write, lengths)
    _write_pictures(folder)


def _write_graphs(write: Write, sizes: Sequence[int]) -> None:
    nodes = [(n, node) for n, size in enumerate(sizes) for node in range(size)]
    write("\n".join(["graph,label", *(f"{n},{n % 2}" for n in range(len(sizes)))]), "graphs.csv")
    write("\n".join(["graph,id,size", *(f"{n},{node},{node % 3}" for n, node in nodes)]), "nodes.csv")
    write("\n".join(["graph,source,target", *(f"{n},{node - 1},{node}" for n, node in nodes if node)]), "edges.csv")


def _write_pictures(folder: Path) -> None:
    generator = np.random.default_rng(0)
    for n in range(60):
        pixels = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        mask = Image.fromarray(generator.integers(0, 2, (8, 8), dtype=np.uint8))
        for image, path in ((pixels, f"pictures/{n % 2}"), (pixels, "masked/images"), (mask, "masked/masks")):
            (folder / path).mkdir(parents=True, exist_ok=True)
            image.save(folder / path / f"{n}.png")
