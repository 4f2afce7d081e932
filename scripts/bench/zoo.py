"""The configs of `scripts/bench/preflight`: healthy ones, and faults to plant in some of them."""

from typing import Any

Config = dict[str, Any]


def _mlp(data: str, optimizer: Config | None = None, **model: Any) -> Config:
    settings = {"hidden": [64], **model}
    return {"data": data, "model": {"type": "mlp", **settings}, "optimizer": optimizer or {"type": "adam", "lr": 0.01}}


def _linear(data: Any, **optimizer: Any) -> Config:
    return {"data": data, "model": "linear", "optimizer": {"type": "sgd", **optimizer}}


def _changed(source: str, change: str) -> Config:
    return {"type": "planted", "source": source, "change": change}


HEALTHY: dict[str, Config] = {
    "mlp_digits": {"shipped": "mlp_digits"},
    "linear_diabetes": {"shipped": "linear_diabetes"},
    "lenet_mnist": {"shipped": "lenet_mnist"},
    "lenet_fashion_mnist": {"shipped": "lenet_fashion_mnist"},
    "mlp_iris": _mlp("iris"),
    "mlp_wine": _mlp("wine"),
    "mlp_breast_cancer": _mlp("breast_cancer"),
    "mlp_diabetes": _mlp("diabetes"),
    "linear_iris": _linear("iris", lr=0.1),
    "linear_wine": _linear({"type": "wine", "batch_size": "all"}, lr=0.1, momentum=0.9),
    "linear_digits": _linear("digits", lr=0.1),
    "linear_breast_cancer": _linear("breast_cancer", lr=0.03),
    "mlp_digits_defaults": {"data": "digits", "model": "mlp"},
    "mlp_digits_sgd": _mlp("digits", {"type": "sgd", "lr": 0.01, "momentum": 0.9, "nesterov": True}),
    "mlp_digits_fast": _mlp("digits", {"type": "sgd", "lr": 0.2}),
    "mlp_digits_slow": _mlp("digits", {"type": "adam", "lr": 0.0003}),
    "mlp_digits_tanh": _mlp("digits", activation="tanh"),
    "mlp_digits_batch_norm": _mlp("digits", norm="batch", hidden=[64, 64]),
    "mlp_digits_dropout": _mlp("digits", dropout=0.5, hidden=[256, 256]),
    "mlp_digits_deep": _mlp("digits", {"type": "adam", "lr": 0.001}, hidden=[64] * 6),
    "mlp_digits_wide": _mlp("digits", {"type": "adam", "lr": 0.001}, hidden=[1024]),
    "mlp_digits_raw": {**_mlp("digits"), "data": {"type": "digits", "standardize": False}},
    "mlp_digits_batches_of_8": {
        **_mlp("digits", {"type": "adam", "lr": 0.001}),
        "data": {"type": "digits", "batch_size": 8},
    },
    "mlp_digits_smoothed": {**_mlp("digits"), "task": {"type": "classification", "label_smoothing": 0.1}},
    "mlp_digits_clipped": {**_mlp("digits"), "trainer": {"clip": 1.0}},
    "mlp_digits_decayed": {**_mlp("digits"), "regularizers": [{"type": "l2", "weight": 0.001}]},
    "mlp_imbalanced": _mlp(_changed("breast_cancer", "imbalanced")),  # type: ignore[arg-type]
    "mlp_heavy_tail": _mlp(_changed("wine", "heavy_tail")),  # type: ignore[arg-type]
    "mlp_outlier": _mlp(_changed("breast_cancer", "one_outlier")),  # type: ignore[arg-type]
    "mlp_no_dev": {**_mlp("wine"), "data": {"type": "wine", "split": {"dev": 0}}},
    # Of components that come later; those that are not in the registry are said to be missing.
    "cnn_digits": {"shipped": "cnn_digits"},
    "cnn_moving_shapes": {"shipped": "cnn3d_moving_shapes"},
    "resnet_digits": {"shipped": "resnet_digits"},
    "lstm_adding": {"shipped": "lstm_adding"},
    "lstm_digits": {"data": "sequential_digits", "model": "lstm", "optimizer": {"type": "adam", "lr": 0.005}},
    "gru_digits": {"shipped": "gru_digits"},
    "gru_number_names": {"shipped": "gru_number_names"},
    "transformer_reversal": {"shipped": "transformer_reversal"},
    "gpt_standard_library": {"shipped": "gpt_standard_library"},
    "gcn_cora": {"shipped": "gcn_cora"},
    "gat_cora": {"shipped": "gat_cora"},
    "gin_mutag": {"shipped": "gin_mutag"},
}

CLASSIFIERS = ("mlp_digits", "mlp_wine", "mlp_breast_cancer", "cnn_digits", "lstm_digits")
NETWORKS = (*CLASSIFIERS, "mlp_diabetes")
DEEP = ("mlp_digits", "mlp_digits_deep", "mlp_wine", "cnn_digits")  # of ReLUs
SEQUENCES = ("transformer_reversal",)


def _data(change: str) -> Config:
    return {"data": {"type": "planted", "change": change, "source": "HEALTHY"}}


def _model(fault: str) -> Config:
    return {"model": {"type": "planted", "fault": fault, "network": "HEALTHY"}}


def _rate(lr: float) -> Config:
    return {"optimizer": {"lr": lr}}


# What is planted, and in which healthy configs; HEALTHY stands for the section of that config.
FAULTS: dict[str, tuple[Config, tuple[str, ...]]] = {
    "dev inputs x3": (_data("dev_times_3"), NETWORKS),
    "dev inputs +2": (_data("dev_plus_2"), NETWORKS),
    "dev inputs x255": (_data("dev_times_255"), NETWORKS),
    "inputs x1000": (_data("all_times_1000"), NETWORKS),
    "inputs +50": (_data("all_plus_50"), NETWORKS),
    "one feature x500": (_data("one_feature_times_500"), ("mlp_wine", "mlp_breast_cancer", "mlp_diabetes")),
    "sorted by label": (_data("sorted"), CLASSIFIERS),
    "feature that is the label": (_data("leak"), NETWORKS),
    "dev set is training set": (_data("dev_is_train"), NETWORKS),
    "a tenth of the dev set is of the training set": (_data("tenth_of_dev_is_train"), NETWORKS),
    "one NaN in training": (_data("nan"), NETWORKS),
    "one infinity in dev": (_data("infinite_dev"), NETWORKS),
    "label too large": (_data("label_too_large"), CLASSIFIERS),
    "label negative in dev": (_data("label_negative"), CLASSIFIERS),
    "class absent from training": (_data("absent_class"), CLASSIFIERS),
    "labels of the example before": (_data("labels_moved"), NETWORKS),
    "softmax before cross-entropy": (_model("softmax"), (*CLASSIFIERS, *SEQUENCES)),
    "ReLU after the last layer": (_model("relu_outputs"), (*CLASSIFIERS, *SEQUENCES)),
    "5 outputs too many": (_model("more_outputs"), CLASSIFIERS),
    "last layer x30": (_model("head_times_30"), (*NETWORKS, *SEQUENCES)),
    "all weights x5": (_model("all_times_5"), (*NETWORKS, *SEQUENCES)),
    "body x100": (_model("saturated"), NETWORKS),
    "body that starts at zero": (_model("zero_body"), NETWORKS),
    "network that starts at zero": (_model("zero_weights"), NETWORKS),
    "frozen body": (_model("frozen_body"), (*NETWORKS, *SEQUENCES)),
    "frozen first tensor": (_model("frozen_first"), NETWORKS),
    "dead ReLUs": (_model("dead_relu"), DEEP),
    "dead ReLUs in the first layer": (_model("dead_first"), DEEP),
    "detached body": (_model("detached"), (*NETWORKS, *SEQUENCES)),
    "layer that is never called": (_model("unused_layer"), (*NETWORKS, *SEQUENCES)),
    "rate 1e-9": (_rate(1e-9), (*NETWORKS, *SEQUENCES)),
    "rate 1e-6": (_rate(1e-6), (*NETWORKS, *SEQUENCES)),
    "rate 10": (_rate(10.0), (*NETWORKS, *SEQUENCES)),
    "ten sigmoid layers": (
        {"model": {"type": "mlp", "hidden": [32] * 10, "activation": "sigmoid"}},
        ("mlp_digits", "mlp_wine"),
    ),
}
