"""Tasks without labels, and tasks with several objectives, from a config to its parts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nntrain.assemble import assemble
from nntrain.config import ConfigError, Document, load
from nntrain.parts import Parts

Write = Callable[..., Path]
GAN = """
data: {{type: ring, examples: 100}}
model: {{type: gan, noise: 2, networks: {{type: dense, hidden: [4]}}}}
task: gan
optimizer: {optimizer}
trainer: {{length: 4 steps}}
"""


def parts_of(path: Path, *overrides: str) -> Parts:
    return assemble(document(path, *overrides))


def document(path: Path, *overrides: str) -> Document:
    found = load(path, overrides)
    found.data.setdefault("name", "my")
    return found


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        parts_of(path)
    return str(error.value)


def test_each_objective_has_its_optimizer(write: Write) -> None:
    path = write(GAN.format(optimizer="{discriminator: {type: adam, lr: 0.5}, generator: {type: sgd, momentum: 0.9}}"))
    parts = parts_of(path)
    rules = {name: optimizer.rule for name, optimizer in parts.optimizers.items()}
    assert [type(rule).__name__ for rule in rules.values()] == ["Adam", "SGD"]
    assert rules["discriminator"].lr == 0.5
    assert parts.plain["optimizer"]["generator"] == {
        "type": "sgd", "lr": 0.01, "momentum": 0.9, "momentum_form": "torch", "nesterov": False, "weight_decay": 0.0,
        "decoupled": False, "groups": [],
    }  # fmt: skip
    assert parts_of(path, "optimizer.generator.lr=0.25").optimizers["generator"].rule.lr == 0.25
    own = sum(p.numel() for p in parts.model.get_submodule("generator").parameters())
    assert sum(p.numel() for p in parts.optimizers["generator"].parameters) == own


def test_one_optimizer_serves_all_objectives(write: Write) -> None:
    parts = parts_of(write(GAN.format(optimizer="{type: sgd, lr: 0.125}")))
    assert [optimizer.rule.lr for optimizer in parts.optimizers.values()] == [0.125, 0.125]


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("{discriminator: {type: adam}, generater: {type: adam}}",
         "optimizer.generater: the task has no objective 'generater'; did you mean 'generator'?"),
        ("{discriminator: {type: adam}}", "optimizer: names no optimizer for the objective 'generator'"),
        ("{discriminator: {type: adam}, generator: {type: adam, momentum: 0.9}}",
         "optimizer.generator.momentum: unknown setting of adam"),
        ("{discriminator: {type: adan}, generator: {type: adam}}",
         "optimizer.discriminator.type: unknown optimizer 'adan'; did you mean 'adam'?"),
    ],
)  # fmt: skip
def test_mistakes_in_one_of_several_optimizers_are_pointed_at(write: Write, optimizer: str, message: str) -> None:
    assert message in refusal(write(GAN.format(optimizer=optimizer)))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ("data: digits\nmodel: lenet\ntask: autoencoding", "lenet does not make reconstructions of images"),
        ("data: digits\nmodel: {type: mlp}\ntask: gan", "models that take images and make samples: gan"),
        ("data: digits\nmodel: autoencoder", "autoencoder takes reconstructions (task: autoencoding)"),
        ("data: digits\nmodel: rbm\ntask: gan", "rbm takes densities (task: rbm)"),
        ("data: digits\nmodel: autoencoder\ntask: autoencoding\nmetrics: [accuracy]", "accuracy takes classes"),
        ("data: iris\nmodel: {type: gan, networks: dcgan}\ntask: gan", "dcgan takes images"),
        ("data: digits\nmodel: {type: gan, networks: {type: dcgan, channels: [2, 2, 2, 2]}}\ntask: gan",
         "model.networks.channels: 4 layers take images whose sides are multiples of 16; found 8x8"),
        ("data: bars_and_stripes\nmodel: {type: rbm, hidden: 20}\ntask: rbm\nmetrics: [log_likelihood]",
         "it is there up to 16 hidden units"),
    ],
)  # fmt: skip
def test_models_and_metrics_that_do_not_fit_the_task(write: Write, sections: str, message: str) -> None:
    assert message in refusal(write(sections + "\n"))


@pytest.mark.parametrize("sections", ["task: {type: gan, los: 1}", "task: {type: gan, noise: much}"])
def test_a_mistake_in_a_task_makes_no_other_task_of_it(write: Write, sections: str) -> None:
    """Whose objectives the optimizers would not be for."""
    whole = GAN.format(optimizer="{discriminator: {type: adam}, generator: {type: adam}}")
    said = refusal(write(whole.replace("task: gan", sections)))
    assert "task." in said and "optimizer" not in said


def test_a_loss_that_does_not_fit_is_the_only_mistake(write: Write) -> None:
    said = refusal(
        write("""
data: {type: standard_library, size: 20000, block: 16}
model: {type: transformer, width: 8, heads: 2, layers: 1}
task: {type: masked_language_model, loss: giou}
""")
    )
    assert "task.loss: giou takes boxes" in said and "form" not in said


@pytest.mark.parametrize("metrics", ["[]", "[log_likelihood, pseudo_likelihood]"])
def test_a_run_without_a_loss_to_show(write: Write, command: Callable[..., Any], metrics: str) -> None:
    write(f"""
data: bars_and_stripes
model: {{type: rbm, hidden: 3}}
task: rbm
metrics: {metrics}
trainer: {{length: 3 steps, evaluate: 1 step}}
""")
    assert command("check", "my.yaml").status == 0
    summary = command("fit", "my.yaml", "--json").json
    assert summary["best"]["metric"] == "dev/reconstruction_error" and "loss" not in summary["dev"]
    assert command("eval", summary["run"], "--json").json["metrics"] == pytest.approx(summary["best"]["metrics"])
