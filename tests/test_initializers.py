"""Initializers: the moments and structure of what they fill in, and the rules of a config."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from every_model import Instance, instances
from nntrain.batch import IGNORED
from nntrain.checkpoint import load
from nntrain.data.tensor_split import TensorSplit
from nntrain.errors import UnfitError
from nntrain.initializers import OnBiases, OnMatrices, OnParameters
from nntrain.initializers.class_frequencies import ClassFrequencies
from nntrain.initializers.constant import constant, zeros
from nntrain.initializers.random import normal, truncated_normal, uniform
from nntrain.initializers.scaled import (
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
)
from nntrain.initializers.structured import ForgetGate, Identity, orthogonal, sparse
from nntrain.models.lstm import SquashedLSTM
from nntrain.specs import LabelSet, Tags
from runs import only_run, records

Command = Callable[..., Any]
INPUTS, OUTPUTS = 300, 200


def filled(rule: Any, module: nn.Module | None = None, name: str = "weight", **settings: Any) -> Tensor:
    torch.manual_seed(0)
    module = module or nn.Linear(INPUTS, OUTPUTS)
    within = {"match": f"^{name}$"}
    (OnMatrices if module.get_parameter(name).dim() > 1 else OnParameters)(lambda: rule(**settings), **within)(module)
    return module.get_parameter(name).detach()


@pytest.mark.parametrize(
    ("rule", "settings", "deviation"),
    [
        (uniform, {"limit": 0.3}, 0.3 / math.sqrt(3)),
        (normal, {"deviation": 0.2}, 0.2),
        (glorot_uniform, {"gain": 2.0}, 2 * math.sqrt(2 / (INPUTS + OUTPUTS))),
        (glorot_normal, {}, math.sqrt(2 / (INPUTS + OUTPUTS))),
        (he_uniform, {}, math.sqrt(2 / INPUTS)),
        (he_normal, {"slope": 0.5}, math.sqrt(2 / 1.25 / INPUTS)),
        (lecun_normal, {}, math.sqrt(1 / INPUTS)),
        (lecun_uniform, {}, math.sqrt(1 / INPUTS)),
    ],
)
def test_moments(rule: Any, settings: dict[str, Any], deviation: float) -> None:
    w = filled(rule, **settings)
    assert float(w.std()) == pytest.approx(deviation, rel=0.02)
    assert abs(float(w.mean())) < 4 * deviation / math.sqrt(w.numel())


@pytest.mark.parametrize("rule", [uniform, glorot_uniform, he_uniform, lecun_uniform])
def test_even_spread_ends_at_its_limit(rule: Any) -> None:
    w = filled(rule)
    assert float(w.abs().max()) == pytest.approx(math.sqrt(3) * float(w.std()), rel=0.02)


def test_a_normal_has_its_mean() -> None:
    assert float(filled(normal, mean=0.5, deviation=0.1).mean()) == pytest.approx(0.5, abs=0.002)


def test_the_far_ones_of_a_truncated_normal_are_left_out() -> None:
    w = filled(truncated_normal, deviation=0.1, most=2.0)
    assert float(w.abs().max()) <= 0.2
    # The variance of a normal cut at 2 deviations: 1 - 4 phi(2) / (2 Phi(2) - 1).
    density, inside = math.exp(-2) / math.sqrt(2 * math.pi), math.erf(math.sqrt(2))
    assert float(w.var()) == pytest.approx(0.01 * (1 - 4 * density / inside), rel=0.03)


def test_filter_banks_count_channels_times_window() -> None:
    w = filled(he_normal, nn.Conv2d(30, 40, 5))
    assert float(w.std()) == pytest.approx(math.sqrt(2 / (30 * 25)), rel=0.02)


def test_one_number_for_all() -> None:
    assert filled(zeros, name="bias").eq(0).all()
    assert filled(constant, value=-0.3).eq(-0.3).all()


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (30, 30)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    w = filled(orthogonal, nn.Linear(*shape), gain=1.5).double()
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    torch.testing.assert_close(product, 2.25 * torch.eye(len(product)).double(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("incoming", "expected"), [(15, 15), (0.1, 30), (1, 1), (0.0001, 1), (1000, INPUTS)])
def test_each_unit_has_its_number_of_incoming_weights(incoming: int | float, expected: int) -> None:
    w = filled(sparse, incoming=incoming, deviation=2.0)
    assert (w != 0).sum(dim=1).eq(expected).all()
    assert float(w[w != 0].std()) == pytest.approx(2.0, rel=0.15)
    assert len({tuple(row.nonzero().flatten().tolist()) for row in w}) > 100 or expected in (1, INPUTS)


def test_every_gate_gets_an_identity() -> None:
    lstm = nn.LSTM(3, 5)
    before = lstm.weight_ih_l0.detach().clone()
    Identity(scale=0.5)(lstm)
    torch.testing.assert_close(lstm.weight_hh_l0.detach(), 0.5 * torch.eye(5).repeat(4, 1))
    assert torch.equal(lstm.weight_ih_l0, before)


@pytest.mark.parametrize("layer", [nn.RNN(3, 8), nn.GRU(3, 8)])
def test_other_cells_have_no_forget_gate(layer: nn.Module) -> None:
    with pytest.raises(UnfitError, match="bias_ih_l0 is no bias of an LSTM"):
        ForgetGate()(layer)


@pytest.mark.parametrize("instance", [i for i in instances() if i.name == "lstm" and "Series" in str(i)], ids=str)
def test_every_lstm_has_forget_gates(instance: Instance) -> None:
    model = instance.make()
    ForgetGate(value=7.0)(model)
    sevens = sum(int(p.eq(7).sum()) for p in model.parameters())
    layers = [m for m in model.modules() if isinstance(m, nn.LSTM | SquashedLSTM)]
    assert sevens == sum(layer.hidden_size for layer in layers) > 0


def test_the_forget_gates_bias_and_no_other() -> None:
    lstm = nn.LSTM(3, 5)
    torch.manual_seed(0)
    before, other = lstm.bias_ih_l0.detach().clone(), lstm.bias_hh_l0.detach().clone()
    ForgetGate(value=2.0)(lstm)
    assert torch.equal(lstm.bias_hh_l0, other)
    assert lstm.bias_ih_l0[5:10].eq(2).all()
    assert torch.equal(lstm.bias_ih_l0[:5], before[:5]) and torch.equal(lstm.bias_ih_l0[10:], before[10:])


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            Identity(match="weight$"),
            r"weight is of shape \(6, 4\), but only square matrices, one or several below",
        ),
        (Identity(), "'weight_hh' matches no parameter; there are weight, bias"),
        (ForgetGate(match="weight$"), "weight is no bias of an LSTM, which has four for each unit"),
        (OnMatrices(he_normal, match="bias$"), "'bias\\$' matches no matrix; there are weight"),
        (OnBiases(zeros, match="conv"), "'conv' matches no parameter; there are weight, bias"),
    ],
)
def test_what_does_not_fit_is_refused(rule: Any, message: str) -> None:
    with pytest.raises(UnfitError, match=message) as error:
        rule(nn.Linear(4, 6))
    assert error.value.path == ("match",)


CONFIG = """
data: iris
model: {type: mlp, hidden: [8]}
init:
  - {type: he_normal, match: "layers.*weight$"}
  - {type: constant, value: 0.25, match: "bias$"}
trainer: {length: 1 step}
optimizer: {type: sgd, lr: 1.0e-30}
"""


def test_rules_of_a_config_fill_in_what_training_starts_from(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    write(CONFIG)
    assert command("fit", "my.yaml").status == 0
    tensors = load(only_run(tmp_path / "runs") / "checkpoints" / "last.safetensors").tensors
    assert tensors["model.head.bias"].eq(0.25).all()
    assert tensors["model.body.layers.0.linear.bias"].eq(0.25).all()
    assert float(tensors["model.body.layers.0.linear.weight"].std()) == pytest.approx(math.sqrt(2 / 4), rel=0.4)


def test_a_rule_that_matches_nothing_is_pointed_at(command: Command, write: Callable[..., Path]) -> None:
    write(CONFIG.replace("layers.*weight$", "conv"))
    refused = command("check", "my.yaml")
    assert refused.status == 2
    assert (
        "my.yaml:5:30: init.0.match: 'conv' matches no parameter; there are body.layers.0.linear.weight" in refused.err
    )


# --- Class frequencies.


def head_of(
    command: Command, write: Callable[..., Path], tmp_path: Path, config: str, *overrides: str
) -> tuple[Tensor, Path]:
    write(config)
    called = command("fit", "my.yaml", *overrides)
    assert called.status == 0, called.err
    run = only_run(tmp_path / "runs")
    return load(run / "checkpoints" / "last.safetensors").tensors["model.head.bias"], run


RARE = """
data: {type: csv_like, batch_size: all}
plugins: [rare.py]
model: linear
init:
  - {type: zeros, match: "head.weight"}
  - class_frequencies
trainer: {length: 1 step, log: 1 step}
optimizer: {type: sgd, lr: 1.0e-30}
"""
RARE_DATA = """
import torch
from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.registry import data
from nntrain.specs import Classes, Vector

@data("csv_like", within=InMemory)
def csv_like():
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    return Source("csv_like", Vector(3), Classes(NAMES), Examples(torch.randn(1000, 3), labels))
"""


def test_the_first_loss_is_the_entropy_of_the_class_frequencies(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    write(RARE_DATA.replace("NAMES", '("a", "b", "c")'), "rare.py")
    bias, run = head_of(command, write, tmp_path, RARE)
    shares = torch.tensor([0.9, 0.09, 0.01])  # of the training set too, which is divided class by class
    torch.testing.assert_close(bias, shares.log(), rtol=0, atol=1e-6)
    entropy = -(shares * shares.log()).sum().item()
    (record,) = records(run)
    assert record["train"]["objective"] == pytest.approx(entropy, rel=1e-5)
    assert entropy < 0.4 < math.log(3)


def test_two_classes_have_their_log_odds(command: Command, write: Callable[..., Path], tmp_path: Path) -> None:
    config = "data: {type: breast_cancer, batch_size: all}\nmodel: linear\ninit: [class_frequencies]\n"
    bias, _ = head_of(command, write, tmp_path, config + "trainer: {length: 1 step}\noptimizer: {type: sgd, lr: 1e-30}")
    assert (bias[1] - bias[0]).item() == pytest.approx(math.log(357 / 212), abs=0.01)
    assert bias.exp().sum().item() == pytest.approx(1)


def test_a_class_without_examples_counts_as_half_of_one(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    write(RARE_DATA.replace("NAMES", '("a", "b", "c", "d")'), "rare.py")
    bias, run = head_of(command, write, tmp_path, RARE, "trainer.preflight=false")
    count = records(run)[0]["examples"]
    assert bias[3].item() == pytest.approx(math.log(0.5 / count))


def test_tags_count_at_every_position_with_a_label() -> None:
    labels = torch.tensor([[0, 0, 1, IGNORED], [0, IGNORED, IGNORED, IGNORED]])
    split = TensorSplit(torch.zeros(2, 4), labels, 2)
    model = nn.Module()
    model.head = nn.Linear(3, 2)
    ClassFrequencies(Tags(("a", "b"), 4), split)(model)
    torch.testing.assert_close(model.head.bias.detach().exp(), torch.tensor([0.75, 0.25]))


def test_sets_of_labels_have_log_odds_each() -> None:
    labels = torch.tensor([[1, 0, 0], [1, 1, IGNORED], [1, 0, 0], [0, 0, 0]])
    model = nn.Module()
    model.head = nn.Linear(3, 3)
    ClassFrequencies(LabelSet(("a", "b", "c")), TensorSplit(torch.zeros(4, 4), labels, 2))(model)
    assert model.head.bias.tolist() == pytest.approx([math.log(3), math.log(1 / 3), math.log(0.5 / 3)])
    assert torch.sigmoid(model.head.bias)[0].item() == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            "data: diabetes\nmodel: linear",
            "class_frequencies takes classes or sets of labels or tags or tokens; diabetes gives one value",
        ),
        ("data: iris\nmodel: {type: mlp, hidden: [3]}\n#layers", "there are 3 classes; match the bias of the layer"),
        ("data: karate_club\nmodel: gnn", "matches no parameter; there are layers.0.conv"),
    ],
)
def test_where_there_are_no_frequencies_or_no_bias_for_them(
    config: str, message: str, command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    match = ', match: "weight$"' if "#layers" in config else ""
    write(f"{config}\ninit: [{{type: class_frequencies{match}}}]\n")
    called = command("fit", "my.yaml")
    assert called.status == 2 and message in called.err
    assert not (tmp_path / "runs").exists()


def test_a_graph_networks_own_outputs_can_be_matched(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    write("data: karate_club\nmodel: gnn\ninit: [{type: class_frequencies, match: outputs.*bias}]\n"
          "trainer: {length: 1 step}\noptimizer: {type: sgd, lr: 1e-30}")  # fmt: skip
    assert command("fit", "my.yaml").status == 0
    bias = load(only_run(tmp_path / "runs") / "checkpoints" / "last.safetensors").tensors["model.outputs.conv.bias"]
    torch.testing.assert_close(bias, torch.full((4,), 0.25).log())
