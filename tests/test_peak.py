"""The share of a GPU's arithmetic peak that scripts/bench/speed shows, by hand."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

ROOT = Path(__file__).parent.parent
BENCH = ROOT / "scripts" / "bench"


@pytest.fixture
def peak(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCH)
    import peak

    return peak


def test_products_of_a_network_are_counted_forward_and_backward(peak: Any) -> None:
    """2 n m an example forward and for the weights' gradient, and for the gradient of all inputs but the first."""
    from loops import Work, mlp

    examples = torch.randn(12, 7), torch.randint(3, (12,))
    work = Work(lambda: (examples, examples), lambda: mlp([7, 5, 3]), 4)
    assert peak.flops(work) == 2 * (2 * 7 * 5) + 3 * (2 * 5 * 3)


def test_a_gpt_2_small_takes_six_times_its_weights_and_its_attention_a_token(peak: Any) -> None:
    """6 N + 12 L H Q T of PaLM's appendix B, N without the embeddings that are only looked up."""
    from loops import GPT, GPT2_TOKENS, Work

    def tokens() -> Any:
        x = torch.zeros(2, 1024, dtype=torch.long)
        return (x, x), (x, x)

    def network() -> GPT:
        return GPT(GPT2_TOKENS, 768, 12, 12, 1024).tied()

    with torch.device("meta"):
        parameters = sum(p.numel() for p in network().parameters())
    assert parameters == 124_439_808
    products = 12 * 12 * 768**2 + 768 * GPT2_TOKENS
    found = peak.flops(Work(tokens, network, 2)) / 1024
    assert found == pytest.approx(6 * products + 12 * 12 * 768 * 1024, rel=0.05)


def test_the_share_is_what_is_done_over_what_could_be(peak: Any) -> None:
    assert peak.share(100.0, 989e9, "NVIDIA H100 80GB HBM3") == pytest.approx(0.1)
    assert peak.share(100.0, 989e9, "NVIDIA H100 PCIe") == pytest.approx(98.9 / 756)
    assert peak.share(100.0, 1e9, "some other device") is None
    assert peak.peak("NVIDIA A100-SXM4-80GB") == 312e12 and peak.peak("NVIDIA A10") == 125e12
    assert peak.peak("NVIDIA L4") == 121e12 and peak.peak("NVIDIA L40S") == 362e12
    lines = peak.table({"gpt2_small": [0.4, 0.45]}, "NVIDIA H100 PCIe")
    assert "| gpt2_small | 40.0% | 45.0% |" in lines and peak.table({}, "x") == []


def test_each_work_of_a_gpu_has_its_loop(peak: Any) -> None:
    from loops import WORKS

    for path in (BENCH / "works" / "cuda").glob("*.yaml"):
        config = yaml.safe_load(path.read_text())
        assert WORKS[path.stem].bf16 and config["trainer"]["precision"] == "bf16"
        assert WORKS[path.stem].batch_size == config["data"]["batch_size"]


def test_its_configs_train(command: Any, tmp_path: Path) -> None:
    """Much smaller, on whatever device there is."""
    small = ["trainer.length=2 steps", "trainer.evaluate=1 steps", "data.batch_size=2", "data.examples=4"]
    gpt = ["data.block=8", "data.vocabulary=11", "model.width=8", "model.heads=2", "model.layers=1"]
    for name, settings in {"gpt2_small": gpt, "resnet50_bf16": ["model.depth=18", "model.width=4"]}.items():
        done = command("fit", BENCH / "works" / "cuda" / f"{name}.yaml", *small, *settings, "--json")
        assert done.status == 0, done.err
        assert done.json["status"] == "finished"
