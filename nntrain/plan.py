"""The stages of a run: all of them checked before the first, and each made ready when its turn comes."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from nntrain.assemble import assemble
from nntrain.data.places import WithheldError, downloads
from nntrain.document import ConfigError, Document, Mark, Mistake
from nntrain.parts import Parts
from nntrain.reader import Reader
from nntrain.schema import Problem
from nntrain.sections import read, registry_of
from nntrain.stages import joined, misshapen, rest_of, well_shaped

Weights = Mapping[str, Tensor]  # parameters and buffers of a model, by name
Look = Callable[[Parts], object]
ALL = sys.maxsize  # a stage that no run reaches


@dataclass
class Plan:
    """The stages of a run, each with a whole config of its own.

    `plain` is the run's config with every default filled in. Stages up to the one that a run has `reached` have their
    weights from its checkpoint.
    """

    documents: list[Document]
    plain: dict[str, Any]
    reached: int | None
    _ready: Parts | None = None  # of the only stage, where there is one

    def __len__(self) -> int:
        return len(self.documents)

    def parts(self, stage: int, before: Weights | None = None) -> Parts:
        """The parts of a stage, which goes on from the weights of the one before it where these are given."""
        ready, self._ready = self._ready, None
        goes_on = _goes_on(stage, self.reached)
        return replace(ready or assemble(self.documents[stage], stage, before, goes_on), config=self.plain)


def plan(document: Document, look: Look = lambda parts: None, reached: int | None = None) -> Plan:
    """Makes the parts of every stage and lets `look` see them; ConfigError with the mistakes of all stages.

    Each stage goes on from the untrained weights of the one before. Of several stages none stays in memory.
    """
    documents = well_shaped(document)
    if document.data.get("stages", []) != []:
        return Plan(documents, joined(_checked(documents, misread(document), look, reached)), reached)
    parts = assemble(documents[0], goes_on=reached is not None)
    look(parts)
    return Plan(documents, parts.plain, reached, parts)


def _checked(documents: list[Document], known: list[Mistake], look: Look, reached: int | None) -> list[dict[str, Any]]:
    """The plain configs of all stages; ConfigError where there are mistakes in them, or some are known already."""
    plains: list[dict[str, Any]] = []
    found = {mistake: mistake[0].stage or 0 for mistake in known}  # and the first stage that has them
    withheld: list[WithheldError] = []
    before: Weights | None = None
    with downloads(allowed=not found):
        for stage, document in enumerate(documents):
            is_unknown = stage > 0 and before is None  # what is before it, which has mistakes
            try:
                parts = assemble(document, stage, before, _goes_on(stage, reached) or is_unknown)
            except ConfigError as error:
                before, found = None, {**dict.fromkeys(error.mistakes, stage), **found}
            except WithheldError as error:
                before, withheld = None, [*withheld, error]
            else:
                before = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
                plains.append(parts.plain)
                look(parts)
                del parts  # before those of the next stage are made
    if found:
        raise ConfigError((mark, _placed(message, mark, stage)) for (mark, message), stage in found.items())
    if withheld:
        raise withheld[0]
    return plains


def _goes_on(stage: int, reached: int | None) -> bool:
    """Whether the weights of a stage come from the run's checkpoint."""
    return reached is not None and stage <= reached


def misread(document: Document) -> list[Mistake]:
    """What is wrong with the stages of a config as they are read, and with the rest, which may lack what they give."""
    rest, stages = rest_of(document), well_shaped(document)
    found = document.error([*misshapen(document), *(problem for problem in _problems(rest) if not problem.is_lack)])
    return [*found.mistakes, *(mistake for stage in stages for mistake in stage.error(_problems(stage)).mistakes)]


def _problems(document: Document) -> list[Problem]:
    reader = Reader(registry_of(document), document.absolute)
    read(reader, document)
    return reader.problems


def _placed(message: str, mark: Mark, stage: int) -> str:
    """The message, with the stage where it is not the one that the place is in."""
    return message if stage == (mark.stage or 0) else f"{message} (in stages.{stage})"
