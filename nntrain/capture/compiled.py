"""Compiling: the flat list of a step's operations as code that torch's compiler Inductor makes for it."""

import math
import os
import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule

from nntrain.attempts import reason as cause
from nntrain.batch import Batch, tensors_in
from nntrain.capture import said
from nntrain.capture.flat import recorded
from nntrain.capture.proof import Look, both_ways, form_of, of_tensors, proven_calls
from nntrain.capture.recording import Recording, UncapturedError, aten
from nntrain.data.places import cache_folder
from nntrain.device import Device
from nntrain.out_of_memory import is_out_of_memory
from nntrain.snapshot import unchanged

MOST_APART = 0.02  # of the length of all that a step gives, by which code may differ from plain operations,
MOST_APART_SHORT = 0.2  # and where numbers are shorter than float32
MOST = 8  # shapes of batches that there is code for: making it takes seconds
PLACE = "TORCHINDUCTOR_CACHE_DIR"

Code = Callable[[Sequence[Tensor]], list[Tensor]]


@dataclass
class Shape:
    """The code for batches of one shape; None where they cannot be compiled."""

    code: Code | None
    proofs: frozenset[int]
    calls: int = 0


class Compiled:
    """A function of batches as compiled code: forward pass, gradient and clipping in one, without autograd.

    There is code for the first few shapes of batches, made at the first batch of each; `forms` names these, so that a
    resumed run, which has them from its checkpoint, goes on with the same bits. The code draws random numbers as torch
    does, and gives what plain calls give to rounding; two calls and three random later ones are compared with plain
    ones. Batches of other shapes, and those that cannot be compiled, run as they are, and `reason` says why. The
    function may depend on the model's parameters and buffers, and change buffers.
    """

    def __init__(self, look: Look, model: nn.Module, device: Device) -> None:
        self._look = look
        self._device = device
        self._model = model
        self._shapes: dict[Any, Shape] = {}
        self.forms: list[str] = []
        keep_code()
        self._lacks = lacking(device.torch)
        self.reason = ""
        self.compiled_calls = 0
        self.calls_apart = 0  # that took longer than others: compiled, and done both ways
        if self._lacks:
            self._fall_back(self._lacks)

    def __call__(self, batches: Sequence[Batch], trained: Hashable) -> list[Tensor]:
        """`trained` names what is trained: code is for these parameters."""
        if self._lacks:
            return self._look(batches)
        tensors = tensors_in(list(batches))
        key = form_of(trained, tensors)
        if key not in self._shapes and self._is_chosen(key):
            self._shapes[key] = self._shape(batches, tensors)
        shape = self._shapes.get(key)
        if shape is None or shape.code is None:
            return self._look(batches)
        call, shape.calls = shape.calls, shape.calls + 1
        self.compiled_calls += 1
        return self._proven(shape, batches, tensors) if call in shape.proofs else shape.code(tensors)

    @property
    def is_settled(self) -> bool:
        return True

    @property
    def was_tried(self) -> bool:
        return True

    def described(self) -> dict[str, Any]:
        """For the run's summary: how many steps ran as compiled code, for how many shapes, and why not more."""
        shapes = sum(shape.code is not None for shape in self._shapes.values())
        return {"steps": self.compiled_calls, "shapes": shapes, "reason": self.reason or None}

    def _is_chosen(self, key: Hashable) -> bool:
        """Whether batches of a form are among those that there is to be code for."""
        form = sha256(repr(key).encode()).hexdigest()[:16]
        if form not in self.forms and len(self.forms) < MOST:
            self.forms.append(form)
        elif form not in self.forms:
            self._fall_back(f"batches have more than {MOST} shapes, each of which would need code of its own")
        return form in self.forms

    def _shape(self, batches: Sequence[Batch], tensors: list[Tensor]) -> Shape:
        """The code for batches like these; buffers and generators stay as they are."""
        function = of_tensors(self._look, batches)
        if not self._shapes:
            print("compiling the step, which takes up to a minute where it was not compiled before", file=sys.stderr)
        try:
            with unchanged(self._model, self._device):
                code = compiled(function, tensors, self._model, self._device.torch)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self.calls_apart += 1
            self._fall_back(said(error) if isinstance(error, UncapturedError) else cause(error))
            return Shape(None, frozenset())
        return Shape(code, proven_calls(len(self._shapes)))

    def _proven(self, shape: Shape, batches: Sequence[Batch], tensors: list[Tensor]) -> list[Tensor]:
        """What the code gives, if it is what the plain call gives; else what that gives."""
        code = shape.code
        assert code is not None
        self.calls_apart += 1
        done = both_ways(lambda: self._look(batches), lambda: code(tensors), self._model, self._device)
        if done.error is not None:
            self._fall_back(cause(done.error))
        elif self._is_near([*done.plain, *done.after.buffers()], [*done.other, *done.other_after.buffers()]):
            return done.other
        else:
            self._fall_back("compiled code does not give what the plain step gives")
        shape.code = None
        done.after.restore()
        return done.plain

    def _is_near(self, plain: Sequence[Tensor], found: Sequence[Tensor]) -> bool:
        """Whether all numbers together are; where the plain ones are not finite there is nothing to compare."""
        pairs = [(a.double(), b.double()) for a, b in zip(plain, found, strict=True)]
        apart = sum(float((a - b).square().sum()) for a, b in pairs) ** 0.5
        length = sum(float(a.square().sum()) for a, _ in pairs) ** 0.5
        most = MOST_APART_SHORT if self._device.is_short else MOST_APART
        return not math.isfinite(length) or apart <= most * length  # what is not finite is another's to judge

    def _fall_back(self, reason: str) -> None:
        if not self.reason:
            print(f"trainer.compile: {reason}; such steps run as they are", file=sys.stderr)
        self.reason = self.reason or reason


def compiled(function: Code, inputs: Sequence[Tensor], model: nn.Module, device: torch.device) -> Code:
    """The code for a function of tensors like these; what tracing or the compiler raises where there is none."""
    from torch._guards import TracingContext, tracing
    from torch._inductor import config
    from torch._inductor.compile_fx import compile_fx
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    recording, _ = recorded(function, inputs, model)
    _take_norms_apart(recording.graph)
    is_cuda = device.type == "cuda"
    patches = {"fallback_random": True, "triton.cudagraphs": is_cuda, "cpp.threads": torch.get_num_threads()}
    shapes = FakeTensorMode(shape_env=ShapeEnv(), static_shapes=True)  # without which the cache is passed by
    likes = [shapes.from_tensor(tensor, static_shapes=True) for tensor in inputs]
    with torch.no_grad(), config.patch(patches), tracing(TracingContext(shapes)):
        code: Any = compile_fx(_module(recording), likes)

    def call(inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch.no_grad():
            found = code(*inputs)
            # What a CUDA graph gives lies where its next run writes.
            return [tensor.clone() for tensor in found] if is_cuda else list(found)

    return call


def _take_norms_apart(graph: Graph) -> None:
    """Norms of single tensors, which the compiler puts into one kernel with others; of many at once it does not."""
    for norms in graph.find_nodes(op="call_function", target=aten._foreach_norm.Scalar):
        tensors, *order = norms.args
        for part in list(norms.users):
            with graph.inserting_before(part):
                norm = graph.call_function(aten.linalg_vector_norm.default, (tensors[part.args[1]], *order))
            part.replace_all_uses_with(norm)
            graph.erase_node(part)
        graph.erase_node(norms)


def _module(recording: Recording) -> GraphModule:
    """The recorded operations with what is kept as buffers, which the compiler takes where they are."""
    holder = nn.Module()
    for node, tensor in recording.kept.items():
        holder.register_buffer(node.name, tensor)
        node.op, node.target = "get_attr", node.name
    return GraphModule(holder, recording.graph)


def keep_code() -> None:
    """Lets code lie in the cache folder for later runs, where the user has named no other place."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    if os.environ.get(PLACE) in (None, default_cache_dir()):  # torch names its own when the compiler is imported
        os.environ[PLACE] = str(cache_folder() / "compiled")


def lacking(device: torch.device) -> str:
    """What a machine lacks to compile for a device, in words; nothing where it lacks nothing."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler
    from torch.utils._triton import has_triton

    if device.type == "cuda" and not has_triton():
        return "this machine has no Triton"
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "this machine has no C++ compiler"
    return ""
