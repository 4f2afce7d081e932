"""Parts of a network that are left as they are, for good or until some step."""

from collections.abc import Mapping

from torch import nn


class Freezing:
    """Parameters that get no gradient before a step of theirs, and normalisation layers that stand still with them.

    A layer with running statistics all of whose parameters are frozen normalises with these statistics, as in
    evaluation, and leaves them as they are. What holds is a function of the step: nothing to checkpoint.
    """

    def __init__(self, part: nn.Module, starts: Mapping[str, int | None]) -> None:
        """`starts` are the steps from which on parameters are trained, by name; None for never."""
        late = {name: start for name, start in starts.items() if start != 0}
        self._parameters = [(part.get_parameter(name), start) for name, start in late.items()]
        self._norms = [
            (module, _first([late[name] for name in names]))
            for path, module in part.named_modules()
            if (names := _own(path, module)) and names <= late.keys() and hasattr(module, "running_mean")
        ]
        self._thawed: int | None = None  # how many parameters were trained at the last step

    def apply(self, step: int) -> bool:
        """Puts everything in its state at a step; whether other parameters are trained than at the last one."""
        for module, start in self._norms:  # an evaluation in between puts the whole network back in training mode
            module.train(_is_trained(start, step))
        thawed = sum(_is_trained(start, step) for _, start in self._parameters)
        if thawed == self._thawed:
            return False
        self._thawed = thawed
        for parameter, start in self._parameters:
            parameter.requires_grad_(_is_trained(start, step))
        return True


def _is_trained(start: int | None, step: int) -> bool:
    return start is not None and start <= step


def _first(starts: list[int | None]) -> int | None:
    """When the first of several is trained."""
    return min((start for start in starts if start is not None), default=None)


def _own(path: str, module: nn.Module) -> set[str]:
    """The names of a module's own parameters, below the network that has it at `path`."""
    return {f"{path}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=False)}
