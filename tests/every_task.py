"""A tiny config of every task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

TRAINER = "trainer: {length: 12 steps, evaluate: 4 steps, save: 3 steps, log: 2 steps, preflight: false}\n"
TEACHER = "a_teacher"  # stands for the path of a checkpoint

TASKS = {
    "autoencoding": """
data: {type: digits, batch_size: 200, standardize: false}
model: {type: autoencoder, code: 2, layers: {type: dense, hidden: [8]}}
task: {type: autoencoding, loss: binary_cross_entropy, sparsity: 0.01}
""",
    "classification": """
data: {type: digits, batch_size: 200}
model: {type: mlp, hidden: [8]}
task: {type: classification, class_weights: balanced, label_smoothing: 0.1, loss: focal}
metrics: [auroc, average_precision, f1, precision, recall, calibration_error, top_k_error]
""",
    "contrastive": """
data: {type: digits, batch_size: 200, standardize: false}
model: {type: mlp, hidden: [8]}
task: {type: contrastive, size: 4, views: [{type: shift, pixels: 1}, noise]}
""",
    "denoising": """
data: {type: digits, batch_size: 200, standardize: false}
model: {type: autoencoder, code: 4, layers: {type: dense, hidden: [8]}}
task: {type: denoising, masked: 0.2, loss: absolute}
""",
    "detection": """
data: {type: many_shapes, examples: 60, size: 24, batch_size: 12}
model: {type: center_net, channels: 4, backbone: {type: resnet, width: 4, norm: {type: group, groups: 2}}}
task: {type: detection, threshold: 0.1}
""",
    "distillation": f"""
data: {{type: digits, batch_size: 200, split: {{train: 600}}}}
model: {{type: mlp, hidden: [8]}}
task: {{type: distillation, teacher: {TEACHER}, temperature: 3, hard: 0.2}}
""",
    "gan": """
data: {type: ring, examples: 200}
model: {type: gan, noise: 2, networks: {type: dense, hidden: [8]}}
task: {type: gan, noise: 0.1}
optimizer: {discriminator: {type: adam, lr: 0.01}, generator: {type: sgd, lr: 0.05}}
""",
    "instance_segmentation": """
data: {type: many_shapes, examples: 36, size: 24, batch_size: 6}
model: {type: mask_rcnn, channels: 4, hidden: 4, min_size: 32, backbone: {type: resnet, width: 4}}
task: {type: instance_segmentation, threshold: 0.1}
""",
    "language_model": """
data: {type: standard_library, batch_size: 4, block: 16}
model: {type: transformer, form: decoder, width: 8, heads: 2, layers: 1}
task: {type: language_model, label_smoothing: 0.1}
trainer: {length: 12 steps, evaluate: 6 steps, save: 3 steps, log: 2 steps, preflight: false}
""",
    "link_prediction": """
data: {type: links, graph: karate_club, dev: 0.2, test: 0.2, batch_size: 20}
model: {type: gnn, hidden: [8], dropout: 0.1}
task: {type: link_prediction, size: 4}
""",
    "masked_language_model": """
data: {type: standard_library, size: 20000, batch_size: 8, block: 16}
model: {type: transformer, width: 8, heads: 2, layers: 1}
task: {type: masked_language_model, label_smoothing: 0.1}
metrics: [unigram_perplexity, error_rate, exact_match]
""",
    "multi_task": """
data: {type: digit_facts, batch_size: 200}
model: {type: mlp, hidden: [8], norm: batch}
task:
  type: multi_task
  heads:
    parity: {task: {type: classification, class_weights: balanced}, weight: 0.5, metrics: [auroc]}
    grey: {task: {type: regression, loss: huber}}
""",
    "multilabel": """
data: {type: topics, examples: 300, batch_size: 50}
model: {type: mlp, hidden: [8]}
task: {type: multilabel, positive_weights: balanced}
metrics: [auroc, precision, recall, calibration_error]
""",
    "perceptron": """
data: {type: separable, batch_size: 40}
model: perceptron
task: perceptron
optimizer: {type: sgd, lr: 1}
""",
    "rbm": """
data: {type: bars_and_stripes, batch_size: 5}
model: {type: rbm, hidden: 4, chains: 6}
task: {type: rbm, steps: 2}
""",
    "regression": """
data: {type: diabetes, batch_size: 64}
model: {type: mlp, hidden: [8]}
task: {type: regression, loss: absolute}
""",
    "sequence_generation": """
data: {type: shape_captions, examples: 60, size: 16, batch_size: 20}
model: {type: rnn_decoder, hidden: 8, encoder: {type: cnn, blocks: [{type: convolution, channels: 2}]}}
task: {type: sequence_generation, label_smoothing: 0.1}
""",
    "seq2seq": """
data: {type: reversal_pairs, length: 3, symbols: 4, examples: 100, sampler: by_length}
model: {type: rnn_encoder_decoder, hidden: 8, attention: bahdanau}
task: {type: seq2seq, label_smoothing: 0.1, written: 5}
metrics: [bleu, bits_per_char]
""",
    "localization": """
data: {type: single_shapes, examples: 100, size: 24, batch_size: 20}
model: {type: cnn, blocks: [{type: convolution, channels: 4, stride: 2}], readout: flatten}
task: {type: localization, box_loss: giou}
""",
    "segmentation": """
data: {type: shapes, examples: 60, size: 24, batch_size: 12}
model: {type: unet, width: 4, depth: 1, norm: none}
task: {type: segmentation, class_weights: balanced, label_smoothing: 0.1}
metrics: [{type: top_k_error, k: 2}]
""",
    "tagging": """
data: {type: copy, length: 4, symbols: 5, examples: 100}
model: {type: lstm, hidden: 8}
task: {type: tagging, loss: dice, label_smoothing: 0.1}
metrics: [f1, calibration_error]
""",
    "transcription": """
data: {type: digit_lines, lines: 60, batch_size: 20}
model: {type: gru, hidden: 8, bidirectional: true}
task: transcription
""",
}
# The loss of these is a sum over examples without random numbers, so that a batch in parts is as the batch.
RANDOM = ("contrastive", "denoising", "gan", "link_prediction", "masked_language_model", "rbm")
SUMS = [name for name in TASKS if name not in RANDOM]
SUMS.remove("instance_segmentation")  # which draws the regions that it learns from


# What there is to see at every evaluation.
SHOWN = {
    "autoencoding": {"reconstructions"},
    "classification": {"hardest"},
    "contrastive": {"views"},
    "denoising": {"reconstructions"},
    "detection": {"objects"},
    "distillation": {"hardest"},
    "gan": {"samples"},
    "instance_segmentation": {"objects"},
    "language_model": {"continuation"},
    "link_prediction": {"hardest"},
    "masked_language_model": {"filled"},
    "multi_task": {"parity/hardest", "grey/hardest"},
    "multilabel": {"hardest"},
    "perceptron": {"hardest"},
    "regression": {"hardest"},
    "rbm": {"weights", "samples"},
    "localization": {"boxes"},
    "segmentation": {"masks"},
    "seq2seq": {"translations"},
    "sequence_generation": {"said"},
    "tagging": {"tags"},
    "transcription": {"transcripts"},
}


def text_of(name: str, teacher: Path) -> str:
    text = TASKS[name].replace(TEACHER, str(teacher))
    return text if "trainer:" in text else text + TRAINER


def train_teacher(write: Callable[..., Path], command: Callable[..., Any]) -> Path:
    """The run of a small classifier of digits, of its own training set and so with another standardisation."""
    write("data: {type: digits, batch_size: 100}\nmodel: {type: mlp, hidden: [8]}\n" + TRAINER, "teacher.yaml")
    fitted = command("fit", "teacher.yaml", "--out", "teachers", "--json")
    assert fitted.status == 0, fitted.err
    return Path(fitted.json["run"])
