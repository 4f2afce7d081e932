"""What a user asks of a trained model: of which examples, and for which answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nntrain import predict
from nntrain.data import Given
from nntrain.data.text import Blocks
from nntrain.data.texts import TextSet
from nntrain.errors import UserError
from nntrain.filling import filled, fills, with_marks
from nntrain.generate import Sampling
from nntrain.parts import Trained
from nntrain.predict import Answer, Complain
from nntrain.writing import Writing, continuation, goes_on


@dataclass(frozen=True)
class Question:
    """The words of the command line: files, or a split, or prompts; a layer; how tokens are drawn."""

    paths: Sequence[str]
    split: str | None
    features: str | None
    prompts: Sequence[str]
    drawing: Mapping[str, float]


def answer_and_given(parts: Trained, question: Question, complain: Complain) -> tuple[Iterable[Given], Answer]:
    """The examples, and what answers them; UserError for what does not go together."""
    if question.split and (question.paths or question.prompts):
        raise UserError(f"--split {question.split} takes the place of files and prompts; give one of them")
    is_text = goes_on(parts) and bool(question.paths or question.prompts) and question.features is None
    for name in () if is_text else question.drawing:
        option = f"--{name.replace('_', '-')}"
        raise UserError(f"{option} is for language models that go on with a --prompt or a file; leave it out")
    if question.prompts and not isinstance(parts.data, Blocks | TextSet):
        raise UserError("--prompt is for models of texts as they are written; leave it out")
    if question.features is None and fills(parts) and (question.paths or question.prompts):
        texts = with_marks(parts, question.paths, question.prompts)
        return predict.readable(texts, complain), filled(parts)
    given = _given(parts, question, complain)
    if question.features is not None:
        return given, predict.features(parts, question.features)
    if is_text:
        return given, continuation(parts, _writing(question.drawing))
    return given, predict.judgement(parts)


def _given(parts: Trained, question: Question, complain: Complain) -> Iterable[Given]:
    if question.paths or question.prompts:
        return predict.of_files(parts, question.paths, question.prompts, complain)
    return [predict.of_split(parts, question.split or "dev")]


def _writing(drawing: Mapping[str, float]) -> Writing:
    sampling = {name: drawing[name] for name in ("temperature", "top_k", "top_p") if name in drawing}
    others = {name: int(drawing[name]) for name in ("length", "seed") if name in drawing}
    return Writing(sampling=Sampling(**sampling), **others)  # type: ignore[arg-type]
