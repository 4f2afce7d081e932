"""The sections of a config and their settings; importing this does not import torch."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Lt

from nntrain.clock import Duration
from nntrain.preflight.finding import Rule
from nntrain.settings import (
    Auto,
    Average,
    Clip,
    Count,
    Data,
    Initializer,
    Interval,
    Length,
    Metric,
    Model,
    Name,
    Optimizer,
    Percentage,
    Positive,
    Regularizer,
    Remedy,
    Scheduler,
    Stage,
    Task,
    section,
)
from nntrain.watchers.early_stopping import EarlyStopping
from nntrain.watchers.plateau import Plateau


@section
@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """How the network is trained, whatever network it is.

    Settings:
        length: how long, in epochs or steps
        evaluate: how often the three curves are measured; auto is once an epoch, but for short epochs about
            once a second (by the network's arithmetic, so that it is the same in every run), and at the end
        save: how often the state is saved; auto is every 10 seconds, or less often where saving is slow
        keep: how many states are kept, beside the best model: the last, the one before it, and older ones in
            checkpoints/step-*.safetensors
        log: how often objective, rate and gradient norm are logged; auto is 200 times a run
        gradient_norms: whether the norm of each layer's gradient, before clipping, is logged too, as grad_norm/LAYER
        monitor: the metric that says which checkpoint is best, such as dev/error_rate; auto is the task's first
        device: auto, cpu, cuda or cuda:N
        precision: fp32, tf32 for products of matrices in TF32 (on a GPU), bf16 for forward passes in bfloat16 where
            it is safe, or fp64 for weights, data and losses in float64
        threads: how many CPU threads torch uses; auto is torch's choice, but one for a network so small that
            several would slow it down
        channels_last: whether the numbers of a pixel lie side by side in memory, for networks with convolutions of
            images
        capture: whether the step is written down once as a flat list of operations that runs without autograd, with
            the same bits; auto does so in longer runs, where it is proven to give the same and is faster
        compile: whether torch's compiler makes code of its own for the step, which takes up to a minute and gives the
            same to rounding; what cannot be compiled, and batches of a ninth shape, run as they are
        checkpoint_activations: whether blocks of a deep network keep their inputs alone, and are computed a second time
            for the gradient: less memory for more time, with the same bits
        deterministic: whether only such arithmetic is used as gives the same bits in every run, and what has none is
            refused; what is not so without it, on a GPU, stands in environment.json
        clip: what makes long gradients shorter; a number is the largest norm that they may have
        accumulate: how many batches make one update
        average: which average of the weights over the steps is evaluated and kept; left out, those of the last step
        oom: what becomes of a batch that does not fit into memory: fail ends the run, halve takes it in halves (and
            these again), whose gradients add up to the same
        skip_broken: the share of the training examples that may turn out broken while they are read from their files
            in the middle of an epoch: another one takes the place of such a one, each is said and listed in the
            run's broken.jsonl; left out, the first ends the run
        on_nan: what becomes of the run when loss or gradient is no longer a finite number
        early_stopping: when to stop before the end
        plateau: when to lower the learning rate because a metric stands still
        preflight: whether data and first batch are looked at for faults before the first step
        samples: whether TensorBoard shows at evaluations, at about a hundred of them at most, what the model makes of
            a few dev examples, in pictures or text, where the task has something to show
        silence: the rules whose findings are not wanted, such as first_loss
    """

    length: Length = Duration(20, "epochs")  # noqa: RUF009
    evaluate: Length | Auto = "auto"
    save: Interval | Auto = "auto"
    keep: Annotated[int, Ge(2)] = 2
    log: Length | Auto = "auto"
    gradient_norms: bool = False
    monitor: str = "auto"
    device: str = "auto"
    precision: Literal["fp32", "tf32", "bf16", "fp64"] = "fp32"
    threads: Count | Auto = "auto"
    channels_last: bool = False
    capture: bool | Auto = "auto"
    compile: bool = False
    checkpoint_activations: bool = False
    deterministic: bool = False
    clip: Positive | Clip | None = None
    accumulate: Count = 1
    average: Average | None = None
    oom: Literal["fail", "halve"] = "fail"
    skip_broken: Percentage | None = None
    on_nan: Remedy = "stop"
    early_stopping: EarlyStopping | None = None
    plateau: Plateau | None = None
    preflight: bool = True
    samples: bool = True
    silence: list[Rule] = field(default_factory=list)


@section
@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A whole config.

    Settings:
        name: of the runs' folder; left out, the file's stem
        seed: of the weights, the order of examples and all noise
        plugins: Python files with the user's own components
        data: what is learned from
        model: the network
        init: rules for the weights to start from, one after the other, or one alone, such as {from: CHECKPOINT} for
            those of a trained network; what none matches starts as its layer does
        task: what is learned; left out, inferred from the data's targets
        optimizer: how the weights change; for a task with several objectives also one for each, by its name
        scheduler: how the learning rate changes
        regularizers: penalties and constraints
        metrics: what is measured beside the task's own
        trainer: how long, how often, where
        stages: parts of a training, one after the other: what changes from the stage before, merged over it key by
            key; weights pass on by name and shape, while optimizer, schedule and early stopping begin anew
    """

    name: Name
    seed: Annotated[int, Ge(0), Lt(2**63)] = 0
    plugins: list[str] = field(default_factory=list)
    data: Data
    model: Model
    init: list[Initializer] | Initializer = field(default_factory=list)
    task: Task | None = None
    optimizer: Optimizer | dict[str, Optimizer] = "adam"
    scheduler: Scheduler = "constant"
    regularizers: list[Regularizer] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    stages: list[Stage] = field(default_factory=list)
