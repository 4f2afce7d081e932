"""Made examples, as a trained classifier sees them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nntrain.metrics import samples
from nntrain.metrics.samples import RarestClass, SamplePrecision, SampleRecall, Sureness
from nntrain.specs import Samples, Vector
from runs import instant_disk  # noqa: F401

POINTS = Samples(Vector(2))


@pytest.fixture
def classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose logits are its inputs."""
    monkeypatch.setattr(samples, "Teacher", lambda place, learned: lambda inputs: inputs)


def measured(kind: Any, made: Tensor, real: Tensor) -> float:
    metric = kind(POINTS, classifier="somewhere")
    halves = [metric.measure(made[part], real[part]) for part in (slice(0, 7), slice(7, None))]
    whole = metric.value(metric.measure(made, real))
    assert metric.value(halves[0] + halves[1]) == pytest.approx(whole)
    return whole


@pytest.mark.usefixtures("classifier")
def test_sureness_is_the_mean_of_the_largest_probabilities() -> None:
    made = torch.tensor([[0.0, 0.0]] * 5 + [[0.0, math.log(3)]] * 5)
    assert measured(Sureness, made, made) == pytest.approx((0.5 + 0.75) / 2)


@pytest.mark.usefixtures("classifier")
def test_the_rarest_class_is_that_which_is_found_least() -> None:
    made = torch.tensor([[1.0, 0.0]] * 8 + [[0.0, 1.0]] * 2)
    assert measured(RarestClass, made, made) == pytest.approx(0.2)
    assert measured(RarestClass, made[:8], made[:8]) == 0


@pytest.mark.usefixtures("classifier")
def test_precision_is_low_for_what_looks_like_nothing_and_recall_for_what_is_left_out() -> None:
    torch.manual_seed(0)
    near, far = torch.randn(60, 2), 50 + torch.randn(60, 2)
    both = torch.stack((near, far), dim=1).flatten(0, 1)
    made_near = torch.randn(120, 2)
    assert measured(SamplePrecision, made_near, both) > 0.9 and measured(SampleRecall, made_near, both) < 0.55
    assert measured(SamplePrecision, both, near.repeat(2, 1)[torch.randperm(120)]) < 0.55
    assert measured(SampleRecall, both, torch.randn(120, 2)) > 0.9
    assert measured(SamplePrecision, both, both) == measured(SampleRecall, both, both) == 1


GAN = """
data: {type: digits, batch_size: 200, standardize: false}
model: {type: gan, noise: 2, networks: {type: dense, hidden: [8]}}
task: gan
trainer: {length: 2 steps, preflight: false}
"""
CLASSIFIER = """
data: {type: digits, batch_size: 200}
model: {type: mlp, hidden: [8]}
trainer: {length: 2 steps, preflight: false}
"""


def test_metrics_name_the_classifier_that_they_measure_by(
    command: Callable[..., Any], write: Callable[..., Path]
) -> None:
    run = command("fit", write(CLASSIFIER, "classifier.yaml"), "--json").json["run"]
    names = ("sureness", "rarest_class", "sample_precision", "sample_recall")
    metrics = f"metrics=[{', '.join(f'{{type: {name}, classifier: {run}}}' for name in names)}]"
    fitted = command("fit", write(GAN), metrics, "--json")
    assert fitted.status == 0, fitted.err
    assert set(names) < set(fitted.json["dev"]) and all(0 <= fitted.json["dev"][name] <= 1 for name in names)
    refused = command("check", "my.yaml", "metrics=[{type: sureness, classifier: nowhere}]")
    assert refused.status == 2 and "metrics.0.classifier: there is no checkpoint" in refused.err
