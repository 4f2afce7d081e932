"""The transformer: published sizes, what it takes and refuses, what may change nothing."""

from typing import Any

import pytest
import torch
from made import made, transformer
from torch import Tensor

from nntrain.batch import Pair, Sequences
from nntrain.errors import MismatchError, RunError, UnfitError
from nntrain.network import Network, parameter_count
from nntrain.specs import Classes, Image, Pairs, Series, Tags, Tokens, Values

LETTERS = tuple("abcdefg")
TOKENS, SERIES = Tokens(LETTERS, 9), Series(3, 9)
TWO, NUMBERS, TAGS = Classes(("no", "yes")), Values(("x", "y", "z")), Tags(("noun", "verb"), 9)
PAIRS = Pairs(LETTERS, tuple("ABCDE"), 9, 6)
FORMS = ("encoder", "decoder", "lecture")
POSITIONS = ("learned", "sinusoidal", "rotary", "none")


def example(inputs: Tokens | Series, batch: int = 4, lengths: list[int] | None = None) -> Sequences:
    torch.manual_seed(1)
    tokens, numbers = torch.randint(len(LETTERS), (batch, 9)), torch.randn(batch, 9, 3)
    return Sequences(
        tokens if isinstance(inputs, Tokens) else numbers, None if lengths is None else torch.tensor(lengths)
    )


def changed_after(x: Sequences, start: int) -> Sequences:
    """The sequences with other values from a position on."""
    values = x.values.clone()
    values[:, start:] = (values[:, start:] + 1) % len(LETTERS)
    return x._replace(values=values)


def test_bert_base_has_its_published_size() -> None:
    vocabulary = ("[SEP]", *map(str, range(30_521)))
    form = {"type": "encoder", "norm": "after", "readout": "first", "pooler": True, "separator": "[SEP]"}
    with torch.device("meta"):
        net = transformer(
            Tokens(vocabulary, 128, "piece"), TWO, form, width=768, heads=12, layers=12,
            positions={"type": "learned", "longest": 512},
        )  # fmt: skip
    assert parameter_count(net.body) == 109_482_240


def test_gpt2_small_has_its_published_size() -> None:
    tokens = Tokens(tuple(map(str, range(50_257))), 1024, "piece")
    with torch.device("meta"):
        net = transformer(tokens, tokens, "decoder", width=768, heads=12, layers=12)
    assert parameter_count(net) == 124_439_808


def test_the_original_base_transformer_has_its_published_size() -> None:
    """65 million (table 3 of the paper), with one vocabulary of 37,000 for both, and no norm but the layers'."""
    pairs = Pairs(tuple(map(str, range(37_000))), tuple(map(str, range(37_000))), 100, 100)
    with torch.device("meta"):
        net = transformer(
            pairs, Tokens(pairs.target, 100), "encoder_decoder", width=512, heads=8, layers=6, positions="sinusoidal"
        )
    encoder, decoder = (
        6 * (4 * 512 * 513 + 2048 * 1025 + 512 + 2 * 1024),
        6 * (8 * 512 * 513 + 2048 * 1025 + 512 + 3 * 1024),
    )
    assert parameter_count(net) == encoder + decoder + 2 * 37_000 * 512 + 2 * 1024
    assert encoder + decoder + 37_000 * 512 == pytest.approx(65e6, rel=0.04)


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("inputs", [TOKENS, SERIES])
@pytest.mark.parametrize(("targets", "shape"), [(TWO, (4, 2)), (NUMBERS, (4, 3)), (TAGS, (4, 9, 2))])
def test_outputs_are_of_the_targets_shape(inputs: Any, targets: Any, shape: Any, form: str, positions: str) -> None:
    net = transformer(inputs, targets, form, positions=positions)
    assert net(example(inputs, lengths=[9, 1, 5, 8])).shape == shape


def test_a_language_model_has_logits_at_every_position() -> None:
    assert transformer(TOKENS, TOKENS, "decoder")(example(TOKENS)).shape == (4, 9, 7)


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("inputs", [TOKENS, SERIES])
@pytest.mark.parametrize("targets", [TWO, TAGS])
def test_padding_changes_nothing(inputs: Any, targets: Any, form: str, positions: str) -> None:
    """Neither what stands in it, nor that it is there at all, changes outputs where there is none."""
    net, x = transformer(inputs, targets, form, positions=positions).eval(), example(inputs, lengths=[5, 5, 5, 5])
    outputs = net(x)
    others, without = net(changed_after(x, 5)), net(Sequences(x.values[:, :5]))
    if targets is TAGS:
        outputs, others = outputs[:, :5], others[:, :5]
    torch.testing.assert_close(outputs, others, rtol=0, atol=0)
    torch.testing.assert_close(outputs, without)


@pytest.mark.parametrize("form", FORMS)
def test_each_sequence_of_a_batch_has_padding_of_its_own(form: str) -> None:
    net, x = transformer(TOKENS, TWO, form), example(TOKENS, lengths=[9, 1, 5, 8])
    alone = [net(Sequences(x.values[i : i + 1, :length])) for i, length in enumerate(x.lengths.tolist())]
    torch.testing.assert_close(net(x), torch.cat(alone))


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("positions", POSITIONS)
def test_a_decoder_does_not_see_the_future(positions: str, norm: str) -> None:
    net, x = transformer(TOKENS, TOKENS, {"type": "decoder", "norm": norm}, positions=positions), example(TOKENS)
    outputs, others = net(x), net(changed_after(x, 5))
    torch.testing.assert_close(outputs[:, :5], others[:, :5], rtol=0, atol=0)
    assert (outputs[:, 5:] != others[:, 5:]).any(dim=-1).all()


@pytest.mark.parametrize("form", ["encoder", "lecture"])
def test_an_encoder_sees_the_future(form: str) -> None:
    net, x = transformer(TOKENS, TAGS, form), example(TOKENS)
    assert (net(x)[:, :5] != net(changed_after(x, 5))[:, :5]).any(dim=-1).all()


@pytest.mark.parametrize("form", ["encoder", "lecture"])
def test_without_positions_an_encoder_sees_a_set(form: str) -> None:
    x = example(TOKENS)
    turned = Sequences(x.values.flip(1))
    blind = transformer(TOKENS, TWO, form, positions="none")
    torch.testing.assert_close(blind(x), blind(turned))
    for positions in ("learned", "sinusoidal", "rotary"):
        seeing = transformer(TOKENS, TWO, form, positions=positions)
        assert not torch.allclose(seeing(x), seeing(turned), atol=1e-6), positions


@pytest.mark.parametrize("form", [*FORMS, "encoder_decoder"])
def test_dropout_acts_in_training_only(form: str) -> None:
    net, x = with_pairs(form, dropout=0.2)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


def with_pairs(form: str, **settings: Any) -> tuple[Network, Any]:
    """A network of this form, and inputs that it takes."""
    if form != "encoder_decoder":
        return transformer(TOKENS, TWO, form, **settings), example(TOKENS)
    target = Sequences(torch.randint(5, (4, 6)))
    return transformer(PAIRS, Tokens(PAIRS.target, 6), form, **settings), Pair(example(TOKENS), target)


@pytest.mark.parametrize("form", [*FORMS, "encoder_decoder"])
def test_every_parameter_has_a_part_in_the_outputs(form: str) -> None:
    net, x = with_pairs(form, feedforward=7)
    names, parameters = zip(*net.named_parameters(), strict=True)
    gradients = torch.autograd.grad(net(x).square().sum(), parameters, allow_unused=True)
    assert [name for name, gradient in zip(names, gradients, strict=True) if gradient is None] == []


def test_settings_set_the_sizes() -> None:
    body = transformer(TOKENS, TWO, "encoder", width=12, heads=3, layers=5, feedforward=7, activation="relu").body
    assert (body.features, len(body.stack.layers)) == (12, 5)
    assert body.stack.layers[0].feedforward.up.weight.shape == (7, 12)
    assert isinstance(body.stack.layers[0].feedforward.activation, torch.nn.ReLU)
    assert transformer(TOKENS, TWO, "encoder").body.stack.layers[0].feedforward.up.weight.shape == (64, 16)


@pytest.mark.parametrize(
    ("settings", "arguments", "said", "path"),
    [
        ({"width": 10, "heads": 3}, (TOKENS, TWO), "width of 10 cannot be shared out between 3 heads", ("heads",)),
        ({}, (TOKENS, TOKENS), "encoder looks ahead.*write form: decoder", ("form",)),
        ({"form": "lecture"}, (TOKENS, TOKENS), "lecture looks ahead.*write form: decoder", ("form",)),
        ({"form": {"type": "decoder", "tied": True}}, (TOKENS, TWO), "no weights can be tied", ("form", "tied")),
        ({"form": {"type": "encoder", "pooler": True}}, (TOKENS, TAGS), "no readout", ("form", "pooler")),
        ({"form": {"type": "encoder", "readout": "mean"}}, (TOKENS, TAGS), "no readout", ("form", "readout")),
        ({"form": {"type": "encoder", "separator": "|"}}, (TOKENS, TWO), "no token '|'", ("form", "separator")),
        ({"form": {"type": "encoder", "separator": "|"}}, (SERIES, TWO), "no separator", ("form", "separator")),
        ({"positions": {"type": "learned", "longest": 8}}, (TOKENS, TWO), "write at least 9", ("positions", "longest")),
        ({"positions": "rotary", "width": 6, "heads": 2}, (TOKENS, TWO), "a head has 3, an odd", ("positions",)),
        ({"positions": "sinusoidal", "width": 9, "heads": 3}, (TOKENS, TWO), "even width.*not 9", ("positions",)),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(settings: Any, arguments: Any, said: str, path: tuple[str, ...]) -> None:
    with pytest.raises(UnfitError, match=said.replace("|", r"\|")) as error:
        made("model", {"type": "transformer", **settings}, *arguments)
    assert error.value.path == ("model", *path)


@pytest.mark.parametrize(
    ("settings", "arguments", "said"),
    [
        ({}, (Image(1, 8, 8), TWO), "transformer takes tokens or series.*or pairs of sequences, not images"),
        ({"form": "encoder"}, (PAIRS, Tokens(PAIRS.target, 6)), "forms that take pairs of sequences: encoder_decoder"),
        ({"form": "encoder_decoder"}, (TOKENS, TOKENS), "encoder_decoder takes pairs.*forms that take tokens: decoder"),
    ],
)
def test_data_of_another_kind_is_refused(settings: Any, arguments: Any, said: str) -> None:
    with pytest.raises(MismatchError, match=said):
        made("model", {"type": "transformer", **settings}, *arguments)


def test_sequences_longer_than_the_learned_positions_are_refused() -> None:
    net = transformer(TOKENS, TWO, "encoder", positions={"type": "learned", "longest": 12})
    net(Sequences(torch.zeros(2, 12, dtype=torch.long)))
    with pytest.raises(RunError, match="a sequence of 13 is longer than the 12 learned positions"):
        net(Sequences(torch.zeros(2, 13, dtype=torch.long)))


@pytest.mark.parametrize("form", [*FORMS, "encoder_decoder"])
def test_derivatives_against_differences(form: str) -> None:
    torch.manual_seed(0)
    net, x = with_pairs(form, width=4, layers=1, positions="rotary" if form == "lecture" else "learned")
    net = net.double()
    names, parameters = zip(*net.named_parameters(), strict=True)

    def outputs(*parameters: Tensor) -> Tensor:
        return torch.func.functional_call(net, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(outputs, parameters, fast_mode=True)


@pytest.mark.parametrize("form", [*FORMS, "encoder_decoder"])
@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
def test_bfloat16_is_near(form: str, positions: str) -> None:
    torch.manual_seed(0)
    net, x = with_pairs(form, positions=positions)
    with torch.autocast("cpu", torch.bfloat16):
        near = net(x)
    assert torch.isfinite(near).all()
    torch.testing.assert_close(near.float(), net(x), rtol=0.05, atol=0.05)
