"""Early stopping."""

from dataclasses import dataclass

from nntrain.registry import watcher
from nntrain.settings import Length, NonNegative, section


@watcher("early_stopping")
@section
@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Ends a run that no longer gets better; the model that is kept as best is that of its best evaluation.

    stop after step t where no evaluation since t - patience was better than the best before by more than min_change

    Written trainer.early_stopping: {patience: 5 epochs}. Of the weights, it limits how far they can go from where
    they start, as a penalty on their size does.
    Source: Prechelt, Early stopping - but when?, 1998; Goodfellow, Bengio, Courville, Deep Learning, section 7.8.

    Settings:
        patience: how long to wait for a better evaluation
        min_change: how much better it has to be
        monitor: the metric to watch, such as dev/error_rate; left out, trainer.monitor
    """

    patience: Length
    min_change: NonNegative = 0.0
    monitor: str | None = None
